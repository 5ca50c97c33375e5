"""Directions: unit vectors in a space with all that is needed to use and to reproduce them; never a bare array.

A direction's vector is a unit vector (Euclid; Frobenius for w+), its strength a Euclid distance. Space ``w`` means one
vector that is added to the rows `layers` of w+.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.protocol import Generator
from ganvas.tensor_files import read_tensors, write_tensors

SIGN_RULE = "the entry of largest size is positive"


@dataclass(frozen=True)
class Origin:
    """How directions were found. `region` is the region as drawn; `resolution` and `channels` say what of the picture
    counted.
    """

    method: str
    generator: str = ""
    generator_hash: str = ""
    region: Mapping[str, Any] | None = None
    region_name: str = ""
    ridge: str = "none"
    seeds: tuple[int, ...] = ()
    truncation: float = 1.0
    truncation_layers: int | None = None
    label: int | None = None
    resolution: int | None = None
    channels: str = "all"
    rank: int | None = None
    sign: str = SIGN_RULE


@dataclass(frozen=True)
class Direction:
    """One unit vector in `space`: [d] for z, w and s, [layers, d] for w+. Numbers that are not known are nan.

    ``eigenvalue`` includes the ridge; ``predicted_ratio`` is the mean squared change inside over that outside for a
    small step, without the ridge; ``deviation`` is the space's standard deviation along the vector.
    """

    vector: Tensor
    space: str
    layers: tuple[int, ...] | None
    eigenvalue: float = float("nan")
    predicted_ratio: float = float("nan")
    deviation: float = float("nan")
    origin: Origin = field(default_factory=lambda: Origin("unknown"))

    def length(self, strength: float | str) -> float:
        """Return a strength as a Euclid distance: a number is one already, "2s" is two standard deviations."""
        if isinstance(strength, str):
            match = re.fullmatch(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(s?)", strength.strip())
            if match is None:
                raise LatentError(
                    f"'{strength}' is not a strength; write a number such as 3, or 2s for two standard deviations."
                )
            number, deviations = float(match[1]), bool(match[2])
            if deviations and not self.deviation == self.deviation:
                raise LatentError(
                    f"Strength {strength} counts in standard deviations, which this direction's file does not "
                    "give; write a number."
                )
            return number * self.deviation if deviations else number
        return float(strength)

    def align(self, to: "Direction") -> "Direction":
        """Return this direction with the sign that makes its angle with `to` at most 90 degrees, for comparisons."""
        sign = -1.0 if float((self.vector * to.vector).sum()) < 0 else 1.0
        return Direction(
            self.vector * sign,
            self.space,
            self.layers,
            self.eigenvalue,
            self.predicted_ratio,
            self.deviation,
            self.origin,
        )


@dataclass(frozen=True)
class Directions:
    """Several directions of one search, strongest first. ``vectors`` [k, d] or [k, layers, d]; the rest [k]; ``mask``
    [1, h, w] or None.
    """

    vectors: Tensor
    space: str
    layers: tuple[int, ...] | None
    eigenvalues: Float[Tensor, "k"]
    predicted_ratios: Float[Tensor, "k"]
    deviations: Float[Tensor, "k"]
    mask: Float[Tensor, "1 h w"] | None
    origin: Origin

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[Direction]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Direction:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Direction {index} does not exist: there are {len(self)}, counted from 0.")
        return Direction(
            self.vectors[index],
            self.space,
            self.layers,
            float(self.eigenvalues[index]),
            float(self.predicted_ratios[index]),
            float(self.deviations[index]),
            self.origin,
        )

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that `load` reads; returns its path."""
        tensors = {
            "vectors": self.vectors.float(),
            "eigenvalues": self.eigenvalues,
            "predicted_ratios": self.predicted_ratios,
            "deviations": self.deviations,
        }
        if self.mask is not None:
            tensors["mask"] = self.mask
        header = {"space": self.space, "layers": self.layers, **asdict(self.origin)}
        return write_tensors(path, "directions", tensors, header, ResultFileError)

    def check_fits(self, generator: Generator) -> None:
        """Raise `ResultFileError` where the vectors have another shape than the generator's codes; warn where they come
        from another one.
        """
        if self.space not in generator.spaces:
            raise ResultFileError(
                f"These directions lie in space {self.space}; this generator has {', '.join(generator.spaces)}."
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
        about = getattr(generator, "about", None)
        if about is not None and self.origin.generator_hash not in ("", about.hash):
            warnings.warn(
                f"These directions were found on another generator ({self.origin.generator or 'unnamed'}, hash "
                f"{self.origin.generator_hash[:12]}; this one is {about.hash[:12]}): they may differ in meaning here.",
                stacklevel=2,
            )


def load_directions(path: str | Path) -> Directions:
    """Read a directions file of ours, or a ``.npy`` file as ReSeFa, SeFa and LowRankGAN publish.

    Such arrays are [d], [k, d], [k, 1, d] (space w, all layers: choose layers when editing) or [k, layers, d] (w+),
    float32 or float64; they are scaled to unit length, their signs kept. Raises `ResultFileError` with the reason for
    anything else.
    """
    path = Path(path)
    if path.suffix == ".npy":
        return _load_legacy(path)
    tensors, header = read_tensors(path, "directions", ResultFileError)
    try:
        about: dict[str, Any] = {name: value for name, value in header.items() if name in Origin.__dataclass_fields__}
        origin = Origin(**(about | {"seeds": tuple(about.get("seeds", ()))}))
        layers = None if header["layers"] is None else tuple(int(layer) for layer in header["layers"])
        vectors = tensors["vectors"]
        numbers = [tensors[name].double() for name in ("eigenvalues", "predicted_ratios", "deviations")]
    except (KeyError, TypeError, ValueError) as reason:
        raise ResultFileError(
            f"'{path}' lacks a part of a directions file ({reason}); write it anew with 'ganvas directions'."
        ) from reason
    if any(len(number) != len(vectors) for number in numbers) or vectors.ndim not in (2, 3):
        raise ResultFileError(
            f"'{path}' is inconsistent: its vectors have shape {list(vectors.shape)}, its numbers "
            f"{[len(n) for n in numbers]}."
        )
    eigenvalues, ratios, deviations = numbers
    return Directions(vectors, header["space"], layers, eigenvalues, ratios, deviations, tensors.get("mask"), origin)


def _load_legacy(path: Path) -> Directions:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as reason:
        raise ResultFileError(f"'{path}' is not a readable array of numbers ({reason}).") from reason
    if array.dtype.kind != "f" or array.ndim not in (1, 2, 3) or array.size == 0 or not np.isfinite(array).all():
        raise ResultFileError(
            f"'{path}' holds {array.dtype} of shape {list(array.shape)}; directions are finite floats [d], "
            "[k, d] or [k, layers, d]."
        )
    vectors = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
    vectors = vectors[None] if vectors.ndim == 1 else vectors
    vectors = vectors[:, 0] if vectors.ndim == 3 and vectors.shape[1] == 1 else vectors
    lengths = vectors.flatten(1).norm(dim=1)
    if (lengths == 0).any():
        raise ResultFileError(f"'{path}' holds a direction of length 0.")
    vectors = (vectors / lengths.view(-1, *[1] * (vectors.ndim - 1))).float()
    unknown = torch.full((len(vectors),), float("nan"), dtype=torch.float64)
    space = "w" if vectors.ndim == 2 else "w+"
    layers = None if space == "w" else tuple(int(row) for row in vectors.abs().amax(dim=(0, 2)).nonzero()[:, 0])
    return Directions(
        vectors,
        space,
        layers,
        unknown,
        unknown,
        unknown,
        None,
        Origin(f"legacy file {path.name}", sign="as in the file"),
    )
