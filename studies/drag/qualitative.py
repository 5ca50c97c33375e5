"""Qualitative drags of faces by both methods: the direction of a face and a smile. Does the head turn? What moves
besides the mouth?

Handles are the strongest corners of the generator's named regions; movements are measured by the tracker, which knows
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
from ganvas.comparisons.drag.trials import DragBenchmark, damaged, point
from ganvas.drag.methods import settings_of
from ganvas.drag.request import DragRequest, Point
from ganvas.drag.session import DragSession
from ganvas.drag.video import evenly
from ganvas.errors import RegionError, ResultFileError
from ganvas.io.progress import Progress
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.metrics.locality import rms_change
from ganvas.metrics.tracking import track
from ganvas.regions import Region

KIND = "qualitative drag"
PARTS = ("nose", "left_eye", "right_eye", "chin", "mouth")
MOUTH = ("left mouth corner", "right mouth corner")
FOLLOWED = ("nose", "left_eye", "right_eye", "chin", *MOUTH)
DIRECTION, SMILE, MASKED_SMILE = EDITS = ("face direction", "smile", "smile, only the mouth may move")
ASIDE = 0.1  # of the width: how far the nose is to go
OUT, UP = 0.02, 0.04  # of the width: how far the corners of the mouth are
FRAMES = 40


@dataclass(frozen=True)
class FaceDrag:
    """An edit of a face by one method: why it ended after how many steps; where each followed part was (``starts``) and
    how far (x, y) it moved (``shifts``), in fractions, None where the tracker does not find it again; ``asked`` is how
    far the first handle was to go; root mean square changes in the mouth's region and outside of it (black to white
    is 2).
    """

    edit: str
    seed: int
    method: str
    reason: str
    steps: int
    asked: Point
    handles: tuple[Point, ...]
    targets: tuple[Point, ...]
    starts: Mapping[str, Point]
    shifts: Mapping[str, Point | None]
    inside: float
    outside: float

    @property
    def found(self) -> tuple[Point | None, ...]:
        """Where the tracker finds the content of each handle in the end, in fractions, None where it does not."""
        found = []
        for part in handle_parts(self.edit):
            (x, y), shift = self.starts[part], self.shifts[part]
            found.append(None if shift is None else (x + shift[0], y + shift[1]))
        return tuple(found)


def handle_parts(edit: str) -> tuple[str, ...]:
    """Return the parts at which an edit has its handles."""
    return ("nose",) if edit == DIRECTION else MOUTH


def faces(bench: DragBenchmark, regions: Mapping[str, Region], count: int, progress: Progress) -> list[FaceDrag]:
    """Return the edits of `count` faces by all methods, measuring what the folder lacks.

    Raises `RegionError` where the generator has no named nose, eyes, chin and mouth.
    """
    if missing := [part for part in PARTS if part not in regions]:
        raise RegionError(
            f"These drags are of a face, and this generator has no region named {missing[0]}; give one of faces."
        )
    found, total = [], len(EDITS) * count * len(bench.settings.methods)
    for edit in EDITS:
        for seed in range(bench.settings.first_seed, bench.settings.first_seed + count):
            for method in bench.settings.methods:
                progress("Qualitative drags", len(found), total)
                path = face_path(bench.folder, edit, seed, method)
                if not path.is_file():
                    _measure(bench, regions, edit, seed, method)
                found.append(_read(path))
    return found


def face_path(folder: Path, edit: str, seed: int, method: str) -> Path:
    """Return where an edit of a face is kept."""
    return folder / "qualitative" / f"{edit.replace(', ', '-').replace(' ', '-')}-{seed}-{method}.safetensors"


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


def request_of(edit: str, at: Mapping[str, Point], mouth: Region, method: str, steps: int) -> DragRequest:
    """Return the drag of an edit for a face whose parts are at these points."""
    settings = settings_of(method)
    if edit == DIRECTION:
        x, y = at["nose"]
        return DragRequest((((x, y), (x + (ASIDE if x < 0.5 else -ASIDE), y)),), settings, None, steps)
    (left, first), (right, second) = (at[corner] for corner in MOUTH)
    pairs = (((left, first), (left - OUT, first - UP)), ((right, second), (right + OUT, second - UP)))
    return DragRequest(pairs, settings, mouth if edit == MASKED_SMILE else None, steps)


def _measure(bench: DragBenchmark, regions: Mapping[str, Region], edit: str, seed: int, method: str) -> None:
    session = bench.open(seed)
    before = session.image()
    at = landmarks(before, regions)
    request = request_of(edit, at, regions["mouth"], method, bench.settings.steps)
    codes, points, reason, steps = _dragged(session, request)
    after = session.image(codes[-1:])
    seen = track(before, after, torch.tensor([at[name] for name in FOLLOWED], dtype=torch.float64))
    shifts: dict[str, Point | None] = {}
    for name, end, found in zip(FOLLOWED, seen.places.tolist(), seen.found.tolist(), strict=True):
        shifts[name] = (end[0] - at[name][0], end[1] - at[name][1]) if found else None
    mask = regions["mouth"].mask(*before.shape[-2:])
    handle, target = request.points[0]
    asked = (target[0] - handle[0], target[1] - handle[1])
    changes = [float(rms_change(after, before, part)) for part in (mask, 1 - mask)]
    face = FaceDrag(edit, seed, method, reason, steps, asked, request.handles, request.targets, at, shifts, *changes)
    path = face_path(bench.folder, edit, seed, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, KIND, {"codes": codes, "points": points}, {"face": asdict(face)}, ResultFileError)


def _dragged(session: DragSession, request: DragRequest) -> tuple[Tensor, Float[Tensor, "n k 2"], str, int]:
    """Return codes and handles (in pixels) along a drag, at most `FRAMES` with the first and the last; and its end.

    Of all states only these are kept: their maps together would be gibibytes.
    """
    run = session.begin(request)
    moments = [(state.seen_codes, state.handles) for state in run]
    kept = [moments[number] for number in evenly(len(moments), FRAMES)]
    handles = torch.stack([at for _, at in kept])
    return torch.cat([codes for codes, _ in kept]), handles, run.state.reason, run.state.steps


def steps_of(folder: Path, face: FaceDrag) -> tuple[Tensor, Float[Tensor, "n k 2"]]:
    """Return codes and handles (in pixels) along a drag that was measured."""
    tensors, _ = read_tensors(face_path(folder, face.edit, face.seed, face.method), KIND, ResultFileError)
    return tensors["codes"], tensors["points"]


def _read(path: Path) -> FaceDrag:
    _, header = read_tensors(path, KIND, ResultFileError)
    try:
        held: dict[str, Any] = header["face"]
        lists = {name: tuple(point(one) for one in held[name]) for name in ("handles", "targets")}
        shifts = {name: None if one is None else point(one) for name, one in held["shifts"].items()}
        starts = {name: point(one) for name, one in held["starts"].items()}
        values: dict[str, Any] = {**held, **lists, "shifts": shifts, "starts": starts, "asked": point(held["asked"])}
        return FaceDrag(**values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as reason:
        raise damaged(path, reason) from reason
