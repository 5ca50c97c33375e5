"""Two drags by name, by both methods: a face's direction and a smile. Does the head turn? What moves beside the mouth?

Handles are the strongest corners of the generator's named regions; what moved is told by the tracker, which knows
nothing of the methods.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.tasks import corners
from ganvas.comparisons.drag.trials import Bench, Say, damaged, point
from ganvas.drag.session import Order, Session, prepare, run
from ganvas.drag.state import Point, Task
from ganvas.drag.video import evenly
from ganvas.errors import RegionError, ResultFileError
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.metrics.locality import rms_change
from ganvas.metrics.tracking import track
from ganvas.regions import Region

KIND = "named drag"
PARTS = ("nose", "left_eye", "right_eye", "chin", "mouth")
MOUTH = ("left mouth corner", "right mouth corner")
FOLLOWED = ("nose", "left_eye", "right_eye", "chin", *MOUTH)
DIRECTION, SMILE, MASKED_SMILE = NAMED = ("face direction", "smile", "smile, only the mouth may move")
ASIDE = 0.1  # of the width: how far the nose is to go
OUT, UP = 0.02, 0.04  # of the width: how far the corners of the mouth are
FRAMES = 40


@dataclass(frozen=True)
class Face:
    """A face dragged by one method: why it ended after how many steps; ``started`` and ``went`` say where each followed
    part was and how far (x, y) it went, in fractions (None where the tracker does not find it again), ``asked`` how far
    the first handle was to go; root mean square changes in the mouth's region and outside of it (black to white is 2).
    """

    named: str
    seed: int
    method: str
    reason: str
    steps: int
    asked: Point
    handles: tuple[Point, ...]
    targets: tuple[Point, ...]
    started: Mapping[str, Point]
    went: Mapping[str, Point | None]
    inside: float
    outside: float

    @property
    def places(self) -> tuple[Point | None, ...]:
        """Where the tracker finds the content of each handle in the end, in fractions, None where it does not."""
        found = []
        for part in handled(self.named):
            (x, y), way = self.started[part], self.went[part]
            found.append(None if way is None else (x + way[0], y + way[1]))
        return tuple(found)


def handled(named: str) -> tuple[str, ...]:
    """Return the parts at which the drag of this name has its handles."""
    return ("nose",) if named == DIRECTION else MOUTH


def faces(bench: Bench, regions: Mapping[str, Region], count: int, say: Say) -> list[Face]:
    """Return the named drags of `count` faces by all methods, measuring what the folder lacks.

    Raises `RegionError` where the generator has no named nose, eyes, chin and mouth.
    """
    if missing := [part for part in PARTS if part not in regions]:
        raise RegionError(
            f"These drags are of a face, and this generator has no region named {missing[0]}; give one of faces."
        )
    found, total = [], len(NAMED) * count * len(bench.settings.methods)
    for named in NAMED:
        for seed in range(bench.settings.first_seed, bench.settings.first_seed + count):
            for method in bench.settings.methods:
                say("Named drags", len(found), total)
                path = face_path(bench.folder, named, seed, method)
                if not path.is_file():
                    _measure(bench, regions, named, seed, method)
                found.append(_read(path))
    return found


def face_path(folder: Path, named: str, seed: int, method: str) -> Path:
    """Return where a named drag is kept."""
    return folder / "named" / f"{named.replace(', ', '-').replace(' ', '-')}-{seed}-{method}.safetensors"


def landmarks(image: Float[Tensor, "1 3 h w"], regions: Mapping[str, Region]) -> dict[str, Point]:
    """Return the strongest corner in each part, for the mouth in its left and its right third; (x, y) in fractions."""
    height, width = image.shape[-2:]
    masks = {part: regions[part].mask(height, width) for part in PARTS}
    mouth = masks.pop("mouth")
    columns = (mouth[0] > 0.5).any(0).nonzero()[:, 0]
    third = (int(columns[-1]) - int(columns[0])) // 3
    sides = slice(0, int(columns[0]) + third), slice(int(columns[-1]) - third, None)
    for corner, part in zip(MOUTH, sides, strict=True):
        masks[corner] = torch.zeros_like(mouth)
        masks[corner][..., part] = mouth[..., part]
    return {name: (corners(image, 1, mask) or [middle(mask)])[0] for name, mask in masks.items()}


def middle(mask: Float[Tensor, "1 h w"]) -> Point:
    """Return the middle of what a mask covers at least half, (x, y) in fractions."""
    rows, columns = (mask[0] > 0.5).nonzero(as_tuple=True)
    return (float(columns.double().mean()) + 0.5) / mask.shape[2], (float(rows.double().mean()) + 0.5) / mask.shape[1]


def task_of(named: str, at: Mapping[str, Point], mouth: Region) -> Task:
    """Return the drag of this name for a face whose parts are at these places."""
    if named == DIRECTION:
        x, y = at["nose"]
        return Task(((x, y),), ((x + (ASIDE if x < 0.5 else -ASIDE), y),))
    (left, first), (right, second) = (at[corner] for corner in MOUTH)
    targets = ((left - OUT, first - UP), (right + OUT, second - UP))
    return Task(((left, first), (right, second)), targets, mouth if named == MASKED_SMILE else None)


def _measure(bench: Bench, regions: Mapping[str, Region], named: str, seed: int, method: str) -> None:
    session = bench.open(seed)
    before = session.image()
    at = landmarks(before, regions)
    task = task_of(named, at, regions["mouth"])
    codes, points, reason, steps = _dragged(session, Order(task, method, bench.settings.steps))
    after = session.image(codes[-1:])
    seen = track(before, after, torch.tensor([at[name] for name in FOLLOWED], dtype=torch.float64))
    went: dict[str, Point | None] = {}
    for name, place, found in zip(FOLLOWED, seen.places.tolist(), seen.found.tolist(), strict=True):
        went[name] = (place[0] - at[name][0], place[1] - at[name][1]) if found else None
    mask = regions["mouth"].mask(*before.shape[-2:])
    asked = (task.targets[0][0] - task.handles[0][0], task.targets[0][1] - task.handles[0][1])
    changes = [float(rms_change(after, before, part)) for part in (mask, 1 - mask)]
    face = Face(named, seed, method, reason, steps, asked, task.handles, task.targets, at, went, *changes)
    path = face_path(bench.folder, named, seed, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, KIND, {"codes": codes, "points": points}, {"face": asdict(face)}, ResultFileError)


def _dragged(session: Session, order: Order) -> tuple[Tensor, Float[Tensor, "n k 2"], str, int]:
    """Return codes and points (in pixels) along a drag, at most `FRAMES` with the first and the last; and its end.

    Of all states only these are kept: their maps together would be gibibytes.
    """
    drag, first = prepare(session.subject, session.codes, order)
    moments, state = [], first
    for state in run(drag, first, order):
        moments.append((state.seen_codes, state.points))
    kept = [moments[number] for number in evenly(len(moments), FRAMES)]
    return torch.cat([codes for codes, _ in kept]), torch.stack([at for _, at in kept]), state.reason, state.steps


def steps_of(folder: Path, face: Face) -> tuple[Tensor, Float[Tensor, "n k 2"]]:
    """Return codes and points (in pixels) along a drag that was measured."""
    tensors, _ = read_tensors(face_path(folder, face.named, face.seed, face.method), KIND, ResultFileError)
    return tensors["codes"], tensors["points"]


def _read(path: Path) -> Face:
    _, header = read_tensors(path, KIND, ResultFileError)
    try:
        held: dict[str, Any] = header["face"]
        lists = {name: tuple(point(one) for one in held[name]) for name in ("handles", "targets")}
        went = {name: None if one is None else point(one) for name, one in held["went"].items()}
        started = {name: point(one) for name, one in held["started"].items()}
        values: dict[str, Any] = {**held, **lists, "went": went, "started": started, "asked": point(held["asked"])}
        return Face(**values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as reason:
        raise damaged(path, reason) from reason
