"""What ``ganvas drag`` is to drag: the image and its drags, from options, from a latent file, from a trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from ganvas.cli.shared import Codes, region_of
from ganvas.drag.masks import read_movable
from ganvas.drag.session import STEPS, Order, Session, open_session
from ganvas.drag.state import Point, Task, code_space_of
from ganvas.drag.trace import Trace, read_points, read_trace
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent
from ganvas.regions import Region

DEFAULT_SEED = "4"
OF_THE_IMAGE = ("space", "layers", "feature")


@Parameter(name="*")
@dataclass(frozen=True)
class Tuning:
    """How to drag, where the rules by the generator's size are not to hold."""

    space: Literal["z", "w", "w+"] | None = None
    """Where the image moves: w+ by default where there is one (each layer by itself), w (one step for all), or z."""
    layers: str | None = None
    """Rows of w+ that may move, such as 0-5; by default the first 6 of 17, in proportion."""
    feature: str | None = None
    """Feature map by which points are followed; by default the finest of at most half the image's size and 128."""
    rate: float | None = None
    """Adam's step; 0.008 of the space's deviation by default."""
    mask_weight: float | None = None
    """Weight of what must stay; 2 (draggan) or 1 (freedrag) by default, the papers have 20 and 10."""
    radius: float | None = None
    """Pixels around a handle that are pulled; 3 in 512 by default, at least 2."""
    reach: float | None = None
    """draggan: pixels around a handle in which it is sought again; 12 in 512 by default, at least 4."""
    step: float | None = None
    """draggan: pixels by which a handle is pulled at once, at most; 1 by default."""
    distance: float | None = None
    """freedrag: pixels of one advance; 12 in 512 by default."""
    scale: float | None = None
    """freedrag: discrepancy l that an advance may make; found from the generator's features by default."""
    inner_steps: int | None = None
    """freedrag: steps for one advance, at most; 5 by default."""
    arrived: float | None = None
    """Pixels from which on a point has arrived; 2 in 512 by default, at least 0.5."""
    patience: int | None = None
    """Steps without coming nearer after which a drag has stalled; 60 by default."""

    def changes(self) -> tuple[tuple[str, float | int], ...]:
        """Return the settings of the method that were given."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in OF_THE_IMAGE}
        return tuple((name, value) for name, value in given.items() if value is not None)


@dataclass(frozen=True)
class Asked:
    """Points and how to drag them as given on the command line, None where they were not."""

    seed: int | None
    method: Literal["draggan", "freedrag"] | None
    point: Sequence[str]
    points: Path | None
    mask: str | None
    steps: int | None
    tuning: Tuning

    @property
    def drags(self) -> bool:
        """Whether any point was given."""
        return bool(self.point) or self.points is not None

    @property
    def says_how(self) -> bool:
        """Whether anything was given of how to drag points."""
        return any(value is not None for value in (self.method, self.mask, self.steps)) or bool(self.tuning.changes())

    @property
    def says_which(self) -> bool:
        """Whether anything was given of which image moves where."""
        return self.seed is not None or any(getattr(self.tuning, name) is not None for name in OF_THE_IMAGE)

    def order(self, generator: Generator) -> Order:
        """Return the drag; raises `RegionError` where there is no point, or for a mask that cannot be."""
        pairs = tuple(parse_pair(text) for text in self.point)
        pairs += () if self.points is None else read_points(self.points)
        if not pairs:
            raise RegionError('No point was given; give --point "X,Y>X,Y", from where to where, in fractions.')
        handles, targets = (tuple(pair[end] for pair in pairs) for end in (0, 1))
        task = Task(handles, targets, movable(generator, self.mask))
        steps = STEPS if self.steps is None else self.steps
        return Order(task, self.method or "draggan", steps, self.tuning.changes())


Work = tuple[Session, Latent, tuple[Order, ...]]
"""An image before its drags, the same as a latent, and the drags."""


def asked_for(asked: Asked, generator: Generator, codes: Codes) -> Work:
    """Return the one drag that options ask for."""
    order = asked.order(generator)
    latent = one_image(codes, generator, asked.seed, asked.tuning.space)
    return _session(generator, latent, asked.tuning), latent, (order,)


def replayed(path: Path, undo: int, asked: Asked, generator: Generator, codes: Codes) -> Work:
    """Return the drags of a trace without the last `undo`, and perhaps one more that options ask for."""
    if asked.says_which:
        raise GanvasError("A trace holds its own image, space, layers and feature map; leave out what says others.")
    if asked.says_how and not asked.drags:
        raise GanvasError("A trace holds its own points and settings; leave out what says others, or add a --point.")
    if codes.latent is None:
        codes.refuse_beside("A trace holds")
        if codes.rows is not None:
            raise LatentError("--rows chooses rows of a latent file, and a trace holds its own image; leave it out.")
    trace = read_trace(path)
    if not 0 <= undo <= len(trace.orders):
        raise GanvasError(f"This trace holds {len(trace.orders)} drags; --undo takes 0 to {len(trace.orders)}.")
    more = (asked.order(generator),) if asked.drags else ()
    session, latent = _traced(trace, generator, codes)
    return session, latent, (*trace.orders[: len(trace.orders) - undo], *more)


def _traced(trace: Trace, generator: Generator, codes: Codes) -> tuple[Session, Latent]:
    """Return the session of a trace before its drags, and its image as a latent."""
    if trace.own_weights and codes.latent is None:
        raise LatentError("This drag's image has noise maps or weights of its own; give its latent file by --latent.")
    kept = None if codes.latent is None else codes.read(generator, None, "")
    latent = Latent(
        trace.codes, trace.code_space, (), (), trace.label, trace.truncation,
        generator=trace.generator, generator_hash=trace.generator_hash,
        noise={} if kept is None else kept.noise, tuned={} if kept is None else kept.tuned,
    )  # fmt: skip
    painter = latent.generator_for(generator)
    return trace.open(painter, latent.noise_for(painter)), latent


def one_image(codes: Codes, generator: Generator, seed: int | None, space: str | None) -> Latent:
    """Return the image meant by the options; raises `LatentError` where they mean several, or contradict."""
    if seed is not None and codes.latent is not None:
        raise LatentError("A latent file holds its own codes; leave --seed out.")
    seeds = None if seed is None else str(seed)
    latent = codes.read(generator, seeds, DEFAULT_SEED, "z" if space == "z" else None)
    if len(latent) != 1:
        raise LatentError(f"{len(latent)} images are in this latent file; choose one to drag by --rows.")
    return latent


def _session(generator: Generator, latent: Latent, tuning: Tuning) -> Session:
    painter = latent.generator_for(generator)
    default = "w+" if "w+" in generator.spaces and latent.space != "s" else latent.space
    space = default if tuning.space is None else tuning.space
    codes = latent.to_space(painter, code_space_of(space)).codes
    known: dict[str, Any] = {"label": latent.label, "truncation": latent.truncation} if space == "z" else {}
    noise = latent.noise_for(painter)
    return open_session(painter, codes, space, tuning.layers, tuning.feature, noise=noise, **known)


def movable(generator: Generator, mask: str | None) -> Region | None:
    """Return what may move by a mask file or a region in words; None for all of the image."""
    if mask is None:
        return None
    file = mask.removeprefix("mask:")
    return read_movable(file) if Path(file).is_file() else region_of(generator, mask)[1]


def parse_pair(text: str) -> tuple[Point, Point]:
    """Return handle and target of "0.4,0.6>0.4,0.5"; raises `RegionError` for other text."""
    try:
        (left, top), (right, bottom) = (map(float, part.split(",")) for part in text.split(">"))
    except ValueError:
        raise RegionError(f"'{text[:60]}' is no drag; write X,Y>X,Y such as 0.4,0.6>0.4,0.5.") from None
    return (left, top), (right, bottom)
