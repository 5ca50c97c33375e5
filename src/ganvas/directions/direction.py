"""Directions: unit vectors in a space with all that is needed to use and to reproduce them; never a bare array.

A direction's vector is a unit vector (Euclid; Frobenius for w+), its strength a Euclid distance. Space ``w`` means one
vector that is added to the rows `layers` of w+.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.tensor_files import is_ours, read_tensors, write_tensors
from ganvas.latents.foreign.directions import read_foreign_directions

Strength = float | int | np.number | str
SIGN_RULE = "the entry of largest size is positive"
SPACES = ("z", "w", "w+", "s")
LENGTH_TOLERANCE = 1e-3
FOREIGN = "foreign file"


@dataclass(frozen=True)
class Origin:
    """How directions were found. `region` is the region as drawn; A truncation of None is not known. `resolution` and
    `channels` say what of the image counted; `notes` how the file of somebody else was read.
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
    sign: str = SIGN_RULE
    notes: str = ""


@dataclass(frozen=True, eq=False)
class Direction:
    """One unit vector in `space`: [d] for z, w and s, [layers, d] for w+. Numbers that are not known are nan.

    ``eigenvalue`` includes the ridge; ``predicted_ratio`` is the mean squared change inside over that outside for a
    small step, without the ridge; ``std`` is the space's standard deviation along the vector. A strength of 1 is
    the Euclidean distance ``scale``: 1, or the length that the vector has in the file of somebody else.
    """

    vector: Tensor
    space: str
    layers: tuple[int, ...] | None
    eigenvalue: float = float("nan")
    predicted_ratio: float = float("nan")
    std: float = float("nan")
    origin: Origin = field(default_factory=lambda: Origin("unknown"))
    scale: float = 1.0

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


@dataclass(frozen=True, eq=False)
class Directions:
    """Several directions of one search, strongest first. ``vectors`` [k, d] or [k, layers, d]; the rest [k]; ``mask``
    [1, h, w] or None; ``lengths`` [k] are the distances that a strength of 1 is, None where all are 1.
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

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that `load` reads; returns its path."""
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
        header = {"space": self.space, "layers": self.layers, **asdict(self.origin)}
        return write_tensors(path, "directions", tensors, header, ResultFileError)

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
        about_of(generator).warn_of_another(
            "These directions were found on",
            self.origin.generator,
            self.origin.generator_hash,
            "they may differ in meaning",
        )


def load_directions(path: str | Path, space: str | None = None, generator: Generator | None = None) -> Directions:
    """Read directions: a file of ours, or one as others publish them.

    Foreign files are ``.npy``, ``.npz``, ``.pt``, ``.pkl``, safetensors or text, of any float type: [d], [k, d],
    [k, 1, d], [k, layers, d], flattened w+, or principal components with their standard deviations. They are scaled to
    unit length and keep their signs; a strength of 1 is the length that they had. Nothing in a file is run.

    Args:
        path: The file.
        space: The space of foreign directions, where the file does not say it; by convention w.
        generator: The generator that they are for, whose dimensions decide what a shape means.

    Returns:
        The directions. ``origin.notes`` says how a foreign file was read.

    Raises:
        ResultFileError: The file is missing, damaged, hostile or does not hold directions.
        LatentError: The shape fits several spaces, and neither the file nor `space` says which; or there is no such
            space.
    """
    path = Path(path)
    if space not in (None, *SPACES):
        raise LatentError(f"Space '{space}' is not known; there are {', '.join(SPACES)}.")
    if not is_ours(path):
        return _load_foreign(path, space, generator)
    tensors, header = read_tensors(path, "directions", ResultFileError)
    try:
        found = _assemble(tensors, header)
    except KeyError as part:
        reason = f"it lacks {part}"
    except (TypeError, ValueError, OverflowError) as fault:
        reason = str(fault)
    else:
        if space not in (None, found.space):
            raise ResultFileError(
                f"'{path}' says itself that its space is {found.space}, not {space}; leave space out."
            )
        return found
    raise ResultFileError(f"'{path}' is a damaged directions file: {reason}. Find the directions anew.")


def _load_foreign(path: Path, space: str | None, generator: Generator | None) -> Directions:
    found = read_foreign_directions(path, generator, space)
    unknown = torch.full((len(found.vectors),), math.nan, dtype=torch.float64)
    names = (f"named {', '.join(found.names)}",) if found.names else ()
    origin = Origin(f"{FOREIGN} {path.name}", sign="as in the file", notes="; ".join(found.notes + names))
    lengths = None if bool((found.lengths == 1).all()) else found.lengths
    return Directions(found.vectors, found.space, found.layers, unknown, unknown, found.stds, None, origin, lengths)


def _assemble(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Directions:
    """Return what a file holds; raises KeyError, TypeError or ValueError for what cannot be directions."""
    vectors, space, layers = tensors["vectors"], header["space"], header["layers"]
    numbers = [tensors[name] for name in ("eigenvalues", "predicted_ratios", "stds")]
    mask, lengths = tensors.get("mask"), tensors.get("lengths")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ValueError(f"its {name} are {tensor.dtype}, not floats")
    if space not in SPACES:
        raise ValueError(f"its space {space!r} is none of {', '.join(SPACES)}")
    _check_vectors(vectors, 3 if space == "w+" else 2)
    if any(number.shape != vectors.shape[:1] for number in numbers):
        raise ValueError(f"it has {len(vectors)} vectors, but numbers of shapes {[list(n.shape) for n in numbers]}")
    if layers is not None and not (layers and all(type(layer) is int and layer >= 0 for layer in layers)):
        raise ValueError(f"its layers {layers} are not whole numbers from 0")
    if mask is not None and (mask.ndim != 3 or len(mask) != 1 or not ((mask >= 0) & (mask <= 1)).all()):
        raise ValueError(f"its mask of shape {list(mask.shape)} is not [1, h, w] in [0, 1]")
    if lengths is not None and (lengths.shape != vectors.shape[:1] or not (lengths.isfinite() & (lengths > 0)).all()):
        raise ValueError(f"its lengths of shape {list(lengths.shape)} are not one positive number for each vector")
    layers = None if layers is None else tuple(layers)
    lengths = None if lengths is None else lengths.double()
    mask = None if mask is None else mask.float()
    eigenvalues, ratios, stds = (number.double() for number in numbers)
    origin = _origin(header)
    return Directions(vectors.float(), space, layers, eigenvalues, ratios, stds, mask, origin, lengths)


def _check_vectors(vectors: Tensor, axes: int) -> None:
    if vectors.ndim != axes or vectors.numel() == 0:
        raise ValueError(f"its vectors have shape {list(vectors.shape)}, not [k, {'layers, ' if axes == 3 else ''}d]")
    lengths = vectors.flatten(1).double().norm(dim=1)
    if not ((lengths - 1).abs() < LENGTH_TOLERANCE).all():
        raise ValueError("its vectors are not of length 1")


def _origin(header: Mapping[str, Any]) -> Origin:
    kinds = Origin.__annotations__ | {"region": dict | None, "seeds": list, "truncation": float | int | None}
    kinds |= {"label": int | list | None}
    about = {"method": header["method"]} | {name: header[name] for name in kinds if name in header}
    for name, value in about.items():
        if not isinstance(value, kinds[name]):
            raise TypeError(f"its {name} cannot be {value!r:.40}")
    seeds = about.get("seeds", [])
    if not all(isinstance(seed, int) for seed in seeds):
        raise TypeError("its seeds are not whole numbers")
    label = about.get("label")
    if isinstance(label, list):
        if not all(type(one) is int for one in label):
            raise TypeError("its labels are not whole numbers")
        label = tuple(label)
    return Origin(**about | {"seeds": tuple(seeds), "label": label})
