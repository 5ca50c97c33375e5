"""The operations of a recipe: each a pure function from a latent to a latent, with its settings and nothing else."""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, runtime_checkable

import torch

from ganvas.directions.direction import Direction, Strength
from ganvas.drag.request import DragRequest
from ganvas.drag.session import open_drag
from ganvas.edits.borrow import borrow
from ganvas.edits.mix import mix
from ganvas.edits.move import edit
from ganvas.edits.straight import EditMethod
from ganvas.errors import LatentError, RegionError
from ganvas.errors.shown import some_of
from ganvas.generators.codes import Layers, layer_text, parse_layers
from ganvas.generators.protocol import Generator
from ganvas.inversion.features import bundled_features
from ganvas.inversion.optimizers import OptimizerStep
from ganvas.inversion.prepare import PreparedInversion, latent_at, prepare_inversion
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.inversion.sketch.target import Sketch
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.regions.part import Part
from ganvas.regions.text import FILES


@runtime_checkable
class Change(Protocol):
    """What an operation does to a latent.

    ``kind`` is its name in files; ``searches`` says that it looks for what it does (seconds instead of milliseconds),
    so that its result at one code is carried over to the codes of other regions as a difference.
    """

    kind: ClassVar[str]
    searches: ClassVar[bool]

    def apply(self, generator: Generator, latent: Latent) -> Latent:
        """Return the changed latent."""
        ...

    def __str__(self) -> str: ...


@dataclass(frozen=True, eq=False)
class Move:
    """A step along a direction, ``w + alpha n`` (ReSeFa, Eq. 1), or by a method; see `ganvas.edit`."""

    direction: Direction
    strength: Strength = 1.0
    layers: Layers = None
    method: EditMethod | None = None

    kind: ClassVar[str] = "move"
    searches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        refuse_file(getattr(self.method, "region", None))

    def apply(self, generator: Generator, latent: Latent) -> Latent:
        """Return the moved latent."""
        return edit(generator, latent, self.direction, self.strength, self.layers, method=self.method)

    def __str__(self) -> str:
        region = self.direction.origin.region_name
        how = "" if self.method is None else f", {self.method.name}"
        return f"move by {self.strength}{f' along a direction of {region}' if region else ''}{how}"


@dataclass(frozen=True, eq=False)
class Mix:
    """Some layers of another image's codes in place of its own; see `ganvas.mix`."""

    style: Latent
    layers: Layers

    kind: ClassVar[str] = "mix"
    searches: ClassVar[bool] = False

    def apply(self, generator: Generator, latent: Latent) -> Latent:
        """Return the mixed latent."""
        return replace(mix(generator, latent, self.style, self.layers), names=latent.names)

    def __str__(self) -> str:
        return f"mix in layers {_layers(self.layers)} of {self.style.captions[0]}"


@dataclass(frozen=True, eq=False)
class InterpolateTo:
    """A part `t` of the straight way to another latent, ``(1 - t) a + t b``, on some layers or on all."""

    target: Latent
    t: float
    layers: Layers = None

    kind: ClassVar[str] = "interpolate"
    searches: ClassVar[bool] = False

    def apply(self, generator: Generator, latent: Latent) -> Latent:
        """Return the latent on the way; raises `LatentError` where the target has other samples."""
        if len(self.target) not in (1, len(latent)):
            raise LatentError(f"{len(self.target)} targets do not fit {len(latent)} latents: give as many, or one.")
        space = next(one for one in ("w+", "w", "z") if one in generator.spaces)
        begun, target = on_one_way(generator, latent, self.target, space)
        if self.layers is not None and space != "w+":
            raise LatentError(f"Layers are those of w+, and this generator has {space} at most; leave layers out.")
        codes = begun.codes + self.t * (target.codes.to(begun.codes) - begun.codes)
        if self.layers is not None:
            moved, rows = codes, list(parse_layers(self.layers, generator.layers))
            codes = begun.codes.clone()
            codes[:, rows] = moved[:, rows]
        return replace(begun, codes=codes)

    def __str__(self) -> str:
        return f"go {100 * self.t:g} % of the way to {self.target.captions[0]}"


@dataclass(frozen=True, eq=False)
class Drag:
    """Handles dragged to targets, from the latent that is given; see `ganvas.drag_points`. For one image at a time."""

    request: DragRequest
    space: str | None = None
    layers: Layers = None
    feature: str | None = None

    kind: ClassVar[str] = "drag"
    searches: ClassVar[bool] = True

    def apply(self, generator: Generator, latent: Latent) -> Latent:
        """Return the dragged latent."""
        session = open_drag(generator, latent, space=self.space, layers=self.layers, feature=self.feature)
        return replace(session.run(self.request).latent, names=latent.names)

    def __str__(self) -> str:
        points = len(self.request.points)
        return f"drag {points} point{'s' if points > 1 else ''} by {self.request.method.method}"


@dataclass(frozen=True, eq=False)
class Draw:
    """A drawing that the image is to match where it is opaque, searched from the latent that is given; see
    `ganvas.sketch`. One candidate, which starts there.
    """

    drawing: Sketch
    settings: SketchSettings

    kind: ClassVar[str] = "sketch"
    searches: ClassVar[bool] = True

    def apply(self, generator: Generator, latent: Latent) -> Latent:
        """Return the latent whose image matches the drawing."""
        prepared = self.prepared(generator, latent)
        return self.latent_after(generator, latent, prepared, list(prepared.steps())[-1])

    def prepared(self, generator: Generator, latent: Latent) -> PreparedInversion:
        """Return the search, whose steps can be watched."""
        tuned = latent.generator_for(generator)
        drawing, start = self.drawing.on(tuned), latent.to_space(tuned, self.settings.space)
        images = torch.cat(list(latent.images(generator))).to(drawing.colors)
        target, mask = drawing.over(images, self.settings.keep)
        return prepare_inversion(
            tuned,
            target,
            self.settings.inversion(start),
            mask=mask,
            features=bundled_features(generator.device),
            names=latent.captions,
        )

    def latent_after(
        self, generator: Generator, latent: Latent, prepared: PreparedInversion, step: OptimizerStep
    ) -> Latent:
        """Return the latent after a step of the search."""
        start = latent.to_space(latent.generator_for(generator), self.settings.space)
        return replace(start, codes=latent_at(prepared, step).codes.to(start.codes))

    def __str__(self) -> str:
        return f"draw {self.drawing.name}"


@dataclass(frozen=True, eq=False)
class Borrow:
    """A part of another image, or of one for each; see `ganvas.borrow`. It leads to codes of space s."""

    source: Latent
    part: Region | Part | str
    strength: float = 1.0
    colors: bool = False

    kind: ClassVar[str] = "borrow"
    searches: ClassVar[bool] = False

    def apply(self, generator: Generator, latent: Latent) -> Latent:
        """Return the latent with the part."""
        borrowed = borrow(generator, latent, self.source, self.part, strength=self.strength, colors=self.colors)
        return replace(borrowed, names=latent.names)

    def __str__(self) -> str:
        return f"borrow {self.part} of {some_of(self.source.captions)}"


@dataclass(frozen=True, eq=False)
class Operation:
    """A change with where it may happen: ``inside`` a region (its name or itself), None for all of the image; one that
    is not ``enabled`` is left out.
    """

    change: Change
    inside: Region | Part | str | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        for area in (self.inside, getattr(self.change, "part", None)):
            refuse_file(area)

    def __str__(self) -> str:
        where = "" if self.inside is None else f", inside {self.inside}"
        return f"{self.change}{where}{'' if self.enabled else ' (off)'}"


def on_one_way(generator: Generator, first: Latent, second: Latent, space: str) -> tuple[Latent, Latent]:
    """Return two latents in one space; raises `LatentError` for codes of z between which no straight way leads."""
    first, second = first.to_space(generator, space), second.to_space(generator, space)
    if space == "z" and (first.truncation, first.label) != (second.truncation, second.label):
        raise LatentError("Codes of z with another truncation or class have no common path; give them the same.")
    return first, second


def refuse_file(region: Region | Part | str | None) -> None:
    """Raise `RegionError` for the text of a region that reads a file."""
    if isinstance(region, str) and any(form in region for form in FILES):
        raise RegionError(
            f"A recipe holds its regions itself, and '{region}' is a file that may change; give "
            "ganvas.Region.from_mask_file(...)."
        )


def _layers(layers: Layers) -> str:
    return (
        layers
        if isinstance(layers, str)
        else "all"
        if layers is None
        else layer_text([layers] if isinstance(layers, int) else list(layers))
    )
