"""The straight step of an edit, and what a method makes of it: a way from one image's code, by length."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

import torch

from ganvas.directions.basis import acting_space
from ganvas.directions.direction import Direction
from ganvas.directions.find import region_of
from ganvas.errors import LatentError, RegionError
from ganvas.generators.codes import Layers, check_space, parse_layers
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.parts.located import settled
from ganvas.regions import Region
from ganvas.regions.descriptions import mentions_mask
from ganvas.regions.part import Part

MOST_PARTS = 10_000
Way = Callable[[float], Latent]
"""The latent at a Euclidean length, of either sign, along an edit."""
State = TypeVar("State")


class EditMethod(ABC):
    """How an edit goes where it does not go straight, with its settings; ``name`` is what files call it."""

    name: ClassVar[str]

    def way(
        self,
        generator: Generator,
        latent: Latent,
        direction: Direction,
        layers: Layers,
        progress: Progress | None = None,
    ) -> Way:
        """Return the way of one sample along a direction; what all lengths share is computed once."""
        generator = latent.generator_for(generator)
        start = latent.to_space(generator, acting_space(generator, direction.space))
        return self.way_of(generator, start, direction, layers, progress)

    @abstractmethod
    def way_of(
        self, generator: Generator, start: Latent, direction: Direction, layers: Layers, progress: Progress | None
    ) -> Way:
        """Return the way of one sample that is in the space which its direction moves."""


def way_along(
    generator: Generator,
    latent: Latent,
    direction: Direction,
    layers: Layers = None,
    method: EditMethod | None = None,
    progress: Progress | None = None,
) -> Way:
    """Return the way of all samples along a direction: straight, or as a method has it, which reports derivatives."""
    if method is None:
        return lambda length: moved(generator, latent, direction, length, layers)
    moved(generator, latent, direction, 0.0, layers)  # what does not fit fails here, before a Jacobian
    ways = [method.way(generator, one, direction, layers, progress) for one in latent]

    def at(length: float) -> Latent:
        parts = [way(length) for way in ways]
        return replace(latent, codes=torch.cat([part.codes for part in parts]), space=parts[0].space)

    return at


class Parts(Generic[State]):
    """The states on a way that is gone in parts of one length from its start, on either side, and kept; a length
    between two of them is a shorter part from the one before.
    """

    def __init__(self, start: State, advance: Callable[[State, float], State], step: float) -> None:
        self.advance, self.step = advance, step
        self.kept = {1.0: [start], -1.0: [start]}

    def at(self, length: float) -> State:
        """Return the state at a length; raises `LatentError` for one of more than `MOST_PARTS` parts."""
        sign, count = math.copysign(1.0, length), abs(length) / self.step
        if count > MOST_PARTS:
            raise LatentError(
                f"A distance of {length:g} in steps of {self.step:g} takes more than {MOST_PARTS:,} steps; give a "
                "smaller strength, or a larger step."
            )
        kept, whole = self.kept[sign], round(count) if math.isclose(count, round(count)) else int(count)
        while len(kept) <= whole:
            kept.append(self.advance(kept[-1], sign * self.step))
        rest = abs(length) - whole * self.step
        return self.advance(kept[whole], sign * rest) if whole != count and rest > 0 else kept[whole]


def layers_of(generator: Generator, direction: Direction, layers: Layers = None) -> Layers:
    """Return the layers that an edit along a direction moves; None for all, and where its space has none."""
    layered = direction.space == "s" or acting_space(generator, direction.space) == "w+"
    return (direction.layers if layers is None else layers) if layered else None


def region_for(
    generator: Generator, latent: Latent, direction: Direction, region: Region | Part | str | None
) -> Region:
    """Return the region that an edit of one sample is for: the one given, else that for which its direction was found.

    Raises `RegionError` where neither is known, and where the image lacks the part.
    """
    description = direction.origin.region
    if region is None and description is not None and description.get("kind") == "part":
        region = str(description.get("text"))
    if region is not None:
        return settled(generator, latent, region_of(generator, region)[1])
    if description is None or mentions_mask(description):
        raise RegionError(
            f"This direction does not {'say its region' if description is None else 'hold the mask of its region'}; "
            "name the region to which the edit belongs, such as region='mouth'."
        )
    return Region.from_description(description)


def moved(generator: Generator, latent: Latent, direction: Direction, length: float, layers: Layers) -> Latent:
    """Return a latent moved along a direction by a Euclidean length."""
    _check_direction(generator, direction, layers)
    space, rows = acting_space(generator, direction.space), ()
    if direction.space == "w" and space == "w+":
        rows = parse_layers(direction.layers if layers is None else layers, generator.layers)
        if latent.space == "w" and len(rows) == generator.layers:
            space = "w"
    latent = latent.to_space(generator, space)
    step = length * direction.vector.to(latent.codes)
    if direction.space == "w" and space == "w+":
        codes = latent.codes.clone()
        codes[:, list(rows)] += step
        return replace(latent, codes=codes)
    return replace(latent, codes=latent.codes + step)


def _check_direction(generator: Generator, direction: Direction, layers: Layers) -> None:
    direction.origin.warn_of_another(generator)
    check_space(direction.space, generator.spaces)
    expected = generator.dimensions(direction.space)
    if direction.vector.shape != expected:
        raise LatentError(
            f"This direction of space {direction.space} has shape {list(direction.vector.shape)}, but codes of this "
            f"generator have {list(expected)}; give directions that were found on it."
        )
    if layers is not None and acting_space(generator, direction.space) == direction.space:
        raise LatentError(f"Layers are chosen for directions of space w; this one has {direction.space}; leave it out.")
