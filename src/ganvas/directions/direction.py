"""Directions: unit vectors in a space with all that is needed to use and to reproduce them; never a bare array.

A direction's vector is a unit vector (Euclidean; Frobenius for w+), its strength a Euclidean distance. Space ``w``
means one vector that is added to the layers `layers` of w+.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError, LatentError, ResultFileError
from ganvas.errors.arguments import checked_as
from ganvas.errors.shown import some_of
from ganvas.generators.codes import layer_text
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.notebook import notebook_cell
from ganvas.io.tensor_files import write_tensors
from ganvas.latents.latent import Latent
from ganvas.regions.drawing import mask_drawing

Strength = float | int | np.number | str
KIND = "directions"  # what files of directions call themselves
SIGN_RULE = "the entry of largest size is positive"
FOREIGN = "foreign file"  # how the method of directions begins that others published


@dataclass(frozen=True)
class Origin:
    """How directions were found. `region` is the region as drawn; A truncation of None is not known. `resolution` and
    `channels` say what of the image counted; `solver` how the eigenproblem was solved; `notes` how a foreign file was
    read.
    """

    method: str
    generator: str = ""
    generator_hash: str = ""
    region: Mapping[str, Any] | None = None
    region_name: str = ""
    ridge: str = "none"
    seeds: tuple[int, ...] = ()
    truncation: float | None = None
    truncation_layers: int | None = None
    label: int | tuple[int, ...] | None = None
    resolution: int | None = None
    channels: str = "all"
    rank: int | None = None
    band: float | None = None
    background_weight: float = 1.0
    solver: str = ""
    sign: str = SIGN_RULE
    notes: str = ""

    def facts(self) -> list[tuple[str, object]]:
        """Return what is known of how the directions were found, by name."""
        known = {
            "generator": self.generator,
            "seeds": some_of(self.seeds),
            "truncation": self.truncation,
            "label": self.label,
            "ridge": self.ridge,
            "rank": self.rank,
            "band": self.band,
            "background weight": None if self.background_weight == 1 else self.background_weight,
            "resolution": self.resolution and f"{self.resolution} px",
            "solver": self.solver,
            "notes": self.notes,
        }
        return [(name, value) for name, value in known.items() if value not in (None, "", "none")]

    def warn_of_another(self, generator: Generator) -> None:
        """Warn where the directions were found on another generator than this one."""
        about_of(generator).warn_of_another(
            "These directions were found on", self.generator, self.generator_hash, "they may differ in meaning"
        )


def check_count(count: int) -> None:
    """Raise `GanvasError` where fewer than one direction is asked for."""
    if count < 1:
        raise GanvasError(f"{count} directions were asked for; ask for at least 1.")


def origin_of(method: str, generator: Generator, latent: Latent) -> Origin:
    """Return an `Origin` that names the method and the generator and says where the latent came from."""
    about = about_of(generator)
    return Origin(
        method,
        about.name,
        about.hash,
        seeds=latent.seeds,
        truncation=latent.truncation,
        truncation_layers=latent.truncation_layers,
        label=latent.label,
    )


@checked_as(LatentError)
@dataclass(frozen=True, eq=False)
class Direction:
    """A unit vector in a space, with what is known of it; numbers that are not known are nan.

    Args:
        vector: [d] for z, w and s, [layers, d] for w+; of length 1 (Euclidean).
        space: "z", "w", "w+" or "s". One of w is added to all its `layers` of w+.
        layers: The layers that it moves; None for all, or where the space has none.
        eigenvalue: The value that the method orders directions by, the ridge included.
        predicted_ratio: The mean squared change inside the region over that outside, for a small step.
        std: The standard deviation of codes along the vector.
        origin: How it was found.
        scale: The Euclidean distance of a strength of 1: 1, or the length that the vector has in a foreign file.

    Example:
        >>> import ganvas, torch
        >>> direction = ganvas.Direction(torch.tensor([0.6, 0.8]), "w", (4, 5, 6), std=2.0)
        >>> direction
        Direction(space w, layers 4-6, method unknown, std 2)
        >>> direction.length("1.5s")
        3.0
    """

    vector: Tensor
    space: str
    layers: tuple[int, ...] | None
    eigenvalue: float = float("nan")
    predicted_ratio: float = float("nan")
    std: float = float("nan")
    origin: Origin = field(default_factory=lambda: Origin("unknown"))
    scale: float = 1.0

    def __repr__(self) -> str:
        numbers = _facts(predicted_ratio=self.predicted_ratio, std=self.std)
        return f"Direction({_place(self.space, self.layers, self.origin)}{numbers})"

    def _repr_html_(self) -> str:
        return notebook_cell(self, rows=self.origin.facts())

    def length(self, strength: Strength) -> float:
        """Return a strength as a Euclidean distance: a number counts in `scale`, "2s" is two standard deviations.

        Raises `LatentError` for what is no finite number, and for "2s" where the std is not known.
        """
        number, unit = strength, ""
        if isinstance(strength, str):
            match = re.fullmatch(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(s?)", strength.strip())
            number, unit = match.groups() if match else (math.nan, "")
        try:
            length = float(number)
        except (TypeError, ValueError):
            length = math.nan
        if not math.isfinite(length):
            raise LatentError(
                f"'{strength}' is not a strength; write a number such as 3, or 2s for two standard deviations."
            )
        if unit and not math.isfinite(self.std):
            raise LatentError(
                f"Strength {strength} counts in standard deviations, which this direction's file does not "
                "give; write a number."
            )
        return length * (self.std if unit else self.scale)

    @checked_as(LatentError)
    def align(self, to: "Direction") -> "Direction":
        """Return this direction with the sign that makes its angle with `to` at most 90 degrees, for comparisons.

        Raises `LatentError` where they lie in different spaces.
        """
        if self.space != to.space or self.vector.shape != to.vector.shape:
            raise LatentError(
                f"Directions of space {self.space} {list(self.vector.shape)} and {to.space} {list(to.vector.shape)} "
                "have no angle; compare those of one space."
            )
        opposite = float((self.vector * to.vector.to(self.vector)).sum()) < 0
        return replace(self, vector=-self.vector) if opposite else self


@checked_as(LatentError)
@dataclass(frozen=True, eq=False)
class Directions:
    """Several directions of one search, strongest first; ``directions[0]`` and iteration give each as a `Direction`.

    Args:
        vectors: [k, d], or [k, layers, d] in w+; each of length 1.
        space: "z", "w", "w+" or "s".
        layers: The layers that they move; None for all, or where the space has none.
        eigenvalues: [k].
        predicted_ratios: [k].
        stds: [k], the standard deviation of codes along each.
        mask: [1, h, w], the region in the images at which they were found; None where there is none.
        origin: How they were found.
        lengths: [k], the Euclidean distances of a strength of 1; None where all are 1.
    """

    vectors: Tensor
    space: str
    layers: tuple[int, ...] | None
    eigenvalues: Float[Tensor, "k"]
    predicted_ratios: Float[Tensor, "k"]
    stds: Float[Tensor, "k"]
    mask: Float[Tensor, "1 h w"] | None
    origin: Origin
    lengths: Float[Tensor, "k"] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        ratios = [f"{ratio:.3g}" for ratio in self.predicted_ratios[:4].tolist() if math.isfinite(ratio)]
        more = ", ..." if len(self) > 4 else ""
        shown = f", predicted ratios {', '.join(ratios)}{more}" if ratios else ""
        return f"Directions({len(self)} of {_place(self.space, self.layers, self.origin)}{shown})"

    def _repr_html_(self) -> str:
        drawing = None if self.mask is None else mask_drawing(self.mask)
        numbers = (self.predicted_ratios.tolist(), self.eigenvalues.tolist(), self.stds.tolist())
        rows = [(index, *(f"{value:.3g}" for value in row)) for index, row in enumerate(zip(*numbers, strict=True))]
        return notebook_cell(self, drawing, columns=("", "predicted ratio", "eigenvalue", "std"), rows=rows)

    def __iter__(self) -> Iterator[Direction]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Direction: ...

    @overload
    def __getitem__(self, index: slice) -> list[Direction]: ...

    def __getitem__(self, index: int | slice) -> Direction | list[Direction]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise LatentError(f"Direction {index} does not exist: these are 0-{len(self) - 1}.")
        return Direction(
            self.vectors[index],
            self.space,
            self.layers,
            float(self.eigenvalues[index]),
            float(self.predicted_ratios[index]),
            float(self.stds[index]),
            self.origin,
            1.0 if self.lengths is None else float(self.lengths[index]),
        )

    @checked_as(LatentError)
    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that `load` reads; returns its path."""
        return write_tensors(path, KIND, *self.stored(), ResultFileError)

    def stored(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what a file holds of the directions: tensors, and JSON values."""
        tensors = {
            "vectors": self.vectors.float(),
            "eigenvalues": self.eigenvalues,
            "predicted_ratios": self.predicted_ratios,
            "stds": self.stds,
        }
        if self.mask is not None:
            tensors["mask"] = self.mask
        if self.lengths is not None:
            tensors["lengths"] = self.lengths
        return tensors, {"space": self.space, "layers": self.layers, **asdict(self.origin)}

    def rows(self, chosen: Sequence[int]) -> "Directions":
        """Return some of the directions, counted from 0, in that order."""
        which = list(chosen)
        numbers = self.eigenvalues[which], self.predicted_ratios[which], self.stds[which]
        lengths = None if self.lengths is None else self.lengths[which]
        return Directions(self.vectors[which], self.space, self.layers, *numbers, self.mask, self.origin, lengths)

    @classmethod
    def of(cls, one: Direction) -> "Directions":
        """Return a single direction as several."""
        numbers = (one.eigenvalue, one.predicted_ratio, one.std, one.scale)
        eigenvalue, ratio, std, length = (torch.tensor([value], dtype=torch.float64) for value in numbers)
        lengths = None if one.scale == 1 else length
        return cls(one.vector[None].cpu(), one.space, one.layers, eigenvalue, ratio, std, None, one.origin, lengths)

    @checked_as(LatentError)
    def check_fits(self, generator: Generator) -> None:
        """Raise `ResultFileError` where the vectors have another shape than the generator's codes; warn where they come
        from another one.
        """
        if self.space not in generator.spaces:
            array = self.origin.method.startswith(FOREIGN)
            hint = " If the array is of another space, say so (--space z)." if array else ""
            raise ResultFileError(
                f"These directions lie in space {self.space}; this generator has {', '.join(generator.spaces)}.{hint}"
            )
        expected = generator.dimensions(self.space)
        if tuple(self.vectors.shape[1:]) != expected:
            raise ResultFileError(
                f"These directions have shape {list(self.vectors.shape[1:])}, but codes of space {self.space} of "
                f"this generator have {list(expected)}."
            )
        if self.layers is not None and max(self.layers) >= generator.layers:
            raise ResultFileError(
                f"These directions move layer {max(self.layers)}; this generator has layers 0-{generator.layers - 1}."
            )
        self.origin.warn_of_another(generator)


def _place(space: str, layers: tuple[int, ...] | None, origin: Origin) -> str:
    """Return in words where directions lie and what they are for."""
    place = f"space {space}" + ("" if layers is None else f", layers {layer_text(layers)}")
    place += f", region '{origin.region_name}'" if origin.region_name else ""
    return f"{place}, method {origin.method}{' (matrix-free)' if origin.solver.startswith('matrix-free') else ''}"


def _facts(**numbers: float) -> str:
    """Return those numbers that are known, with their names."""
    known = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return "".join(f", {name.replace('_', ' ')} {value:.3g}" for name, value in known.items())
