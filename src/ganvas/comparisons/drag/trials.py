"""One drag by one method, there, back, and there again with a mask; what became of it in numbers. A finished trial is
one file, so that a benchmark goes on where it stopped.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.settings import Settings
from ganvas.comparisons.drag.tasks import Drawn, draw
from ganvas.drag.session import Order, Session, open_session
from ganvas.drag.state import Point, Task
from ganvas.errors import GanvasError, ResultFileError
from ganvas.generators.protocol import Generator
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.metrics import psnr
from ganvas.inversion.terms import feature_distance
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.latents.latent import sample_latent
from ganvas.metrics.locality import rms_change
from ganvas.metrics.tracking import track

KIND = "drag trial"
WAYS = ("there", "back", "masked")
Say = Callable[[str, int, int], None]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Leg:
    """What became of one drag, against the first image.

    ``place`` is where the tracker finds the handle's content, ``off`` how far from where it should be, in fractions of
    the width, ``along`` which share of the way from handle to target it has gone: None where it is not found again;
    ``score`` is its correlation. ``distance`` is the perceptual one, ``psnr`` in dB, ``outside`` the root mean square
    change of what a mask around the way would keep (black to white is 2).
    """

    reason: str
    steps: int
    seconds: float
    place: Point | None
    off: float | None
    along: float | None
    score: float
    distance: float
    psnr: float
    outside: float


@dataclass(frozen=True)
class Trial:
    """A drag by a method: there, back from there, and there with a mask; its task in ``drawn``."""

    drawn: Drawn
    method: str
    there: Leg
    back: Leg
    masked: Leg

    def brought(self, leg: Leg, near: float, resolution: int) -> bool:
        """Whether the content is found within `near` of the way from the target, or within a pixel of it."""
        return leg.off is not None and leg.off <= max(near * self.drawn.length, 1 / resolution)


@dataclass(frozen=True)
class Bench:
    """What all parts of the benchmark share: the generator, what looks at its images, and where results are kept."""

    generator: Generator
    look: FeatureExtractor
    settings: Settings
    folder: Path
    label: int | None = None

    @torch.no_grad()
    def distance(self, image: Float[Tensor, "1 3 h w"], other: Float[Tensor, "1 3 h w"]) -> float:
        """Return the perceptual distance of two images."""
        return float(feature_distance(self.look(image), self.look(other)))

    def open(self, seed: int) -> Session:
        """Return the session of the image of a seed, in the space in which this generator is dragged by default."""
        truncation = self.settings.truncation
        latent = sample_latent(self.generator, [seed], label=self.label, truncation=truncation)
        if "w+" not in self.generator.spaces:
            return open_session(self.generator, latent.codes, "z", label=self.label, truncation=truncation)
        return open_session(self.generator, latent.codes_for(self.generator, "w+"))


def trials(bench: Bench, say: Say) -> list[Trial]:
    """Return all trials, number by number, measuring those that the folder lacks."""
    tell = partial(say, "Drags")
    return by_all_methods(bench, bench.settings.drags, trial_path, _measure, read_trial, tell)


def by_all_methods(
    bench: Bench,
    count: int,
    path_of: Callable[[Path, int, str], Path],
    make: Callable[[Bench, int, str], None],
    read: Callable[[Path], Result],
    tell: Callable[[int, int], None],
) -> list[Result]:
    """Return what `count` tasks by all methods came to, number by number, making the files that the folder lacks."""
    wanted = [(number, method) for number in range(count) for method in bench.settings.methods]
    found = []
    for number, method in wanted:
        tell(len(found), len(wanted))
        path = path_of(bench.folder, number, method)
        if not path.is_file():
            make(bench, number, method)
        found.append(read(path))
    return found


def trial_path(folder: Path, number: int, method: str) -> Path:
    """Return where a trial is kept."""
    return folder / "trials" / f"{number:04}-{method}.safetensors"


def _measure(bench: Bench, number: int, method: str) -> None:
    session = bench.open(bench.settings.first_seed + number)
    before = session.image()
    drawn = draw(before, number, bench.settings)
    keep = 1 - drawn.movable.mask(*before.shape[-2:])
    there, first = timed(session, drawn.there, method, bench.settings.steps)
    back, second = timed(there, drawn.back, method, bench.settings.steps)
    masked, third = timed(session, drawn.masked, method, bench.settings.steps)
    ends = {"there": (there, first, drawn.target), "back": (back, second, drawn.handle)}
    ends["masked"] = (masked, third, drawn.target)
    legs = {
        name: _leg(bench, drawn, before, keep, ended, seconds, goal) for name, (ended, seconds, goal) in ends.items()
    }
    trial = Trial(drawn, method, **legs)
    codes = {name: ended.codes for name, (ended, _, _) in ends.items()}
    path = trial_path(bench.folder, number, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, KIND, codes, {"trial": asdict(trial)}, ResultFileError)


def timed(session: Session, task: Task, method: str, steps: int) -> tuple[Session, float]:
    """Return the session after one more drag, and the seconds that it took."""
    begun = time.perf_counter()
    after = session.drag(Order(task, method, steps))
    return after, time.perf_counter() - begun


def _leg(
    bench: Bench, drawn: Drawn, before: Tensor, keep: Tensor, session: Session, seconds: float, goal: Point
) -> Leg:
    after, done = session.image(), session.done[-1]
    seen = track(before, after, torch.tensor([drawn.handle], dtype=torch.float64))
    x, y = seen.places[0].tolist()
    place = (x, y) if bool(seen.found[0]) else None
    return Leg(
        done.reason,
        done.steps,
        seconds,
        place,
        None if place is None else math.dist(place, goal),
        None if place is None else along(drawn.handle, drawn.target, place),
        float(seen.scores[0]),
        bench.distance(after, before),
        float(psnr(after, before)),
        float(rms_change(after, before, keep)),
    )


def along(start: Point, end: Point, place: Point) -> float:
    """Return which share of the way from `start` to `end` a place has gone: 0 at the start, 1 level with the end."""
    way, went = ([b - a for a, b in zip(start, to, strict=True)] for to in (end, place))
    return sum(a * b for a, b in zip(way, went, strict=True)) / sum(a * a for a in way)


def read_trial(path: Path) -> Trial:
    """Return a trial from its file; raises `ResultFileError` for a damaged one."""
    _, header = read_tensors(path, KIND, ResultFileError)
    try:
        held: dict[str, Any] = header["trial"]
        drawn: dict[str, Any] = dict(held["drawn"])
        drawn |= {name: point(drawn[name]) for name in ("handle", "target")}
        legs = {name: _read_leg(held[name]) for name in WAYS}
        return Trial(Drawn(**drawn), held["method"], **legs)
    except (KeyError, TypeError, ValueError, IndexError) as reason:
        raise damaged(path, reason) from reason


def _read_leg(held: dict[str, Any]) -> Leg:
    return Leg(**(held | {"place": None if held["place"] is None else point(held["place"])}))


def point(held: Any) -> Point:
    """Return a point from a list of two numbers."""
    x, y = held
    return float(x), float(y)


def codes_of(folder: Path, trial: Trial) -> dict[str, Tensor]:
    """Return the codes after each way of a trial, [1, *code]."""
    return read_tensors(trial_path(folder, trial.drawn.number, trial.method), KIND, ResultFileError)[0]


def damaged(path: Path, reason: Exception) -> GanvasError:
    """Return the error that says that a file of the benchmark cannot be used."""
    return ResultFileError(f"'{path}' is a damaged file of the benchmark ({reason}); remove it to make it anew.")
