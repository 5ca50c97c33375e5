"""One drag by one method: forward, reverse, and forward again with a mask, with its outcomes in numbers. A finished
trial is one file, so that a benchmark goes on where it stopped.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.settings import COMPARED, DragBenchmarkSettings
from ganvas.comparisons.drag.tasks import DragTask, draw
from ganvas.drag.request import Point, PointPair
from ganvas.drag.session import DragSession, open_drag
from ganvas.edits.confine import Confinement
from ganvas.errors import GanvasError, ResultFileError
from ganvas.generators.protocol import Generator
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.metrics import psnr
from ganvas.inversion.terms import feature_distance
from ganvas.io.progress import Progress
from ganvas.io.shared_folder import missing_shares, rank_and_count, wait_for
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.latents.latent import sample
from ganvas.metrics.likeness import Likeness
from ganvas.metrics.locality import rms_change
from ganvas.metrics.tracking import track
from ganvas.regions import Region

KIND = "drag trial"
LEGS = ("forward", "reverse", "masked", "confined")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one drag, against the first image.

    ``found`` is where the tracker finds the handle's content, ``error`` its distance from where it should be, in
    fractions of the width, ``share`` its share of the way from handle to target: None where it is not found;
    ``score`` is its correlation. ``distance`` is the perceptual one, ``identity`` the benchmark's likeness, None
    without one, ``psnr`` in dB, ``outside`` the root mean square change of what a mask around the line would keep
    (black to white is 2).
    """

    reason: str
    steps: int
    seconds: float
    found: Point | None
    error: float | None
    share: float | None
    score: float
    distance: float
    psnr: float
    outside: float
    identity: float | None


@dataclass(frozen=True)
class DragTrial:
    """A task done by a method: forward, in reverse from there, forward with a mask, and what that drag gives where it
    is confined to the mask.
    """

    task: DragTask
    method: str
    forward: Outcome
    reverse: Outcome
    masked: Outcome
    confined: Outcome

    def success(self, outcome: Outcome, near: float, resolution: int) -> bool:
        """Whether the content is found within `near` of the way from the target, or within a pixel of it."""
        return outcome.error is not None and outcome.error <= max(near * self.task.length, 1 / resolution)


@dataclass(frozen=True)
class DragBenchmark:
    """What all parts of the benchmark share: generator, feature extractor, settings, and the folder of the results."""

    generator: Generator
    features: FeatureExtractor
    settings: DragBenchmarkSettings
    folder: Path
    label: int | None = None
    likeness: Likeness | None = None

    @torch.no_grad()
    def distance(self, image: Float[Tensor, "1 3 h w"], other: Float[Tensor, "1 3 h w"]) -> float:
        """Return the perceptual distance of two images."""
        return float(feature_distance(self.features(image), self.features(other)))

    def open(self, seed: int) -> DragSession:
        """Return the session of the image of a seed, in the space in which this generator is dragged by default."""
        truncation = self.settings.truncation
        latent = sample(self.generator, [seed], label=self.label, truncation=truncation)
        return open_drag(self.generator, latent)


def trials(bench: DragBenchmark, progress: Progress) -> list[DragTrial]:
    """Return all trials, number by number, measuring those that the folder lacks."""
    return by_all_methods(bench, bench.settings.drags, trial_path, _measure, read_trial, progress, "Drags")


def by_all_methods(
    bench: DragBenchmark,
    count: int,
    path_of: Callable[[Path, int, str], Path],
    make: Callable[[DragBenchmark, int, str], None],
    read: Callable[[Path], Result],
    progress: Progress,
    what: str,
) -> list[Result]:
    """Return the results of `count` tasks by all methods, number by number, making the files that the folder lacks.

    Of several processes each makes its share; the first waits for all, the others return nothing.
    """
    wanted = [(number, method) for number in range(count) for method in bench.settings.methods]
    paths = [path_of(bench.folder, *task) for task in wanted]
    mine = missing_shares(paths)
    for done, number in enumerate(mine):
        progress(what, done, len(mine))
        make(bench, *wanted[number])
    if rank_and_count()[0]:
        return []
    wait_for(paths, progress)
    return [read(path) for path in paths]


def trial_path(folder: Path, number: int, method: str) -> Path:
    """Return where a trial is kept."""
    return folder / "trials" / f"{number:04}-{method}.safetensors"


def _measure(bench: DragBenchmark, number: int, method: str) -> None:
    session = bench.open(bench.settings.first_seed + number)
    before = session.image()
    task = draw(before, number, bench.settings)
    limit = bench.settings.steps
    forward, first = timed(session, [task.forward], method, limit)
    reverse, second = timed(forward, [task.reverse], method, limit)
    masked, third = timed(session, [task.forward], method, limit, task.movable)
    confined = replace(masked, confinement=Confinement(task.movable))
    ends = {"forward": (forward, first, task.target), "reverse": (reverse, second, task.handle)}
    ends |= {"masked": (masked, third, task.target), "confined": (confined, third, task.target)}
    outcomes = {name: _outcome(bench, task, before, *end) for name, end in ends.items()}
    trial = DragTrial(task, method, **outcomes)
    codes = {name: ended.codes for name, (ended, _, _) in ends.items()}
    path = trial_path(bench.folder, number, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, KIND, codes, {"trial": asdict(trial)}, ResultFileError)


def timed(
    session: DragSession, points: Sequence[PointPair], method: str, steps: int, movable: Region | None = None
) -> tuple[DragSession, float]:
    """Return the session after one more drag, and the seconds that it took."""
    begun = time.perf_counter()
    after = session.drag(points, COMPARED[method], movable, steps)
    return after, time.perf_counter() - begun


def _outcome(
    bench: DragBenchmark, task: DragTask, before: Tensor, session: DragSession, seconds: float, goal: Point
) -> Outcome:
    after, finished = session.image(), session.drags[-1]
    seen = track(before, after, torch.tensor([task.handle], dtype=torch.float64))
    x, y = seen.places[0].tolist()
    found = (x, y) if bool(seen.found[0]) else None
    keep = 1 - task.movable.mask(*before.shape[-2:])
    return Outcome(
        finished.reason,
        finished.steps,
        seconds,
        found,
        None if found is None else math.dist(found, goal),
        None if found is None else share_of_way(task.handle, task.target, found),
        float(seen.scores[0]),
        bench.distance(after, before),
        float(psnr(after, before)),
        float(rms_change(after, before, keep)),
        None if bench.likeness is None else bench.likeness.measure(after, before),
    )


def share_of_way(start: Point, end: Point, at: Point) -> float:
    """Return which share of the way from `start` to `end` a point has gone: 0 at the start, 1 level with the end."""
    way, went = ([b - a for a, b in zip(start, to, strict=True)] for to in (end, at))
    return sum(a * b for a, b in zip(way, went, strict=True)) / sum(a * a for a in way)


def read_trial(path: Path) -> DragTrial:
    """Return a trial from its file; raises `ResultFileError` for a damaged one."""
    _, header = read_tensors(path, KIND, ResultFileError)
    try:
        held: dict[str, Any] = header["trial"]
        task: dict[str, Any] = dict(held["task"])
        task |= {name: point(task[name]) for name in ("handle", "target")}
        outcomes = {name: _read_outcome(held[name]) for name in LEGS}
        return DragTrial(DragTask(**task), held["method"], **outcomes)
    except (KeyError, TypeError, ValueError, IndexError) as reason:
        raise damaged(path, reason) from reason


def _read_outcome(held: dict[str, Any]) -> Outcome:
    return Outcome(**(held | {"found": None if held["found"] is None else point(held["found"])}))


def point(held: Any) -> Point:
    """Return a point from a list of two numbers."""
    x, y = held
    return float(x), float(y)


def codes_of(folder: Path, trial: DragTrial) -> dict[str, Tensor]:
    """Return the codes after each leg of a trial, [1, *code]."""
    return read_tensors(trial_path(folder, trial.task.number, trial.method), KIND, ResultFileError)[0]


def damaged(path: Path, reason: Exception) -> GanvasError:
    """Return the error that says that a file of the benchmark cannot be used."""
    return ResultFileError(f"'{path}' is a damaged file of the benchmark ({reason}); remove it to make it anew.")
