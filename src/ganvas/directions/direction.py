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
from ganvas.io.tensor_files import read_tensors, write_tensors

Strength = float | int | np.number | str
SIGN_RULE = "the entry of largest size is positive"
SPACES = ("z", "w", "w+", "s")
LENGTH_TOLERANCE = 1e-3
LEGACY = "legacy file"


@dataclass(frozen=True)
class Origin:
    """How directions were found. `region` is the region as drawn; A truncation of None is not known. `resolution` and
    `channels` say what of the picture counted.
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


@dataclass(frozen=True, eq=False)
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

    def length(self, strength: Strength) -> float:
        """Return a strength as a Euclid distance: a number is one already, "2s" is two standard deviations.

        Raises `LatentError` for what is no finite number, and for "2s" where the deviation is not known.
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
        if unit and not math.isfinite(self.deviation):
            raise LatentError(
                f"Strength {strength} counts in standard deviations, which this direction's file does not "
                "give; write a number."
            )
        return length * self.deviation if unit else length

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
            array = self.origin.method.startswith(LEGACY)
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


def load_directions(path: str | Path, space: str | None = None) -> Directions:
    """Read a directions file of ours, or a ``.npy`` file as ReSeFa, SeFa and LowRankGAN publish.

    Such arrays are [d], [k, d], [k, 1, d] (space w, all layers: choose layers when editing) or [k, layers, d] (w+),
    of any float type; they are scaled to unit length, their signs kept. An array does not say its space: `space` "z"
    or "s" says that it is not w. Raises `ResultFileError` with the reason for anything else.
    """
    path = Path(path)
    if space not in (None, *SPACES):
        raise LatentError(f"Space '{space}' is not known; there are {', '.join(SPACES)}.")
    if path.suffix.lower() == ".npy":
        return _load_legacy(path, space)
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


def _assemble(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Directions:
    """Return what a file holds; raises KeyError, TypeError or ValueError for what cannot be directions."""
    vectors, space, layers = tensors["vectors"], header["space"], header["layers"]
    numbers = [tensors[name] for name in ("eigenvalues", "predicted_ratios", "deviations")]
    mask = tensors.get("mask")
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
    layers = None if layers is None else tuple(layers)
    mask = None if mask is None else mask.float()
    eigenvalues, ratios, deviations = (number.double() for number in numbers)
    return Directions(vectors.float(), space, layers, eigenvalues, ratios, deviations, mask, _origin(header))


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


def _load_legacy(path: Path, given: str | None) -> Directions:
    vectors = torch.from_numpy(_read_array(path))
    vectors = vectors[None] if vectors.ndim == 1 else vectors
    vectors = vectors[:, 0] if vectors.ndim == 3 and vectors.shape[1] == 1 else vectors
    # First by the largest entry, so that no square leaves the range of float64.
    for norm in (math.inf, 2):
        lengths = vectors.flatten(1).norm(norm, dim=1)
        if (lengths == 0).any():
            raise ResultFileError(f"'{path}' holds a direction of length 0, which leads nowhere; remove that row.")
        vectors = vectors / lengths.view(-1, *[1] * (vectors.ndim - 1))
    vectors = vectors.float()
    unknown = torch.full((len(vectors),), math.nan, dtype=torch.float64)
    space = given or ("w" if vectors.ndim == 2 else "w+")
    if (space == "w+") != (vectors.ndim == 3):
        raise ResultFileError(
            f"'{path}' holds directions of shape {list(vectors.shape)}, which are none of space {space}: w+ has "
            "[k, layers, d], the other spaces [k, d]."
        )
    layers = None if vectors.ndim == 2 else tuple(vectors.abs().amax(dim=(0, 2)).nonzero()[:, 0].tolist())
    origin = Origin(f"{LEGACY} {path.name}", sign="as in the file")
    return Directions(vectors, space, layers, unknown, unknown, unknown, None, origin)


def _read_array(path: Path) -> Float[np.ndarray, "..."]:
    """Return a ``.npy`` file as float64."""
    try:
        if not path.is_file():
            raise ResultFileError(f"There is no file '{path}'; check the name.")
        # Mapped, so that a header that promises more than the file holds costs no memory; pickles are refused.
        stored = np.lib.format.open_memmap(path, mode="r")
    except ResultFileError:
        raise
    except Exception as reason:  # numpy's reader of headers lets through whatever Python's tokenizer raises
        raise ResultFileError(f"'{path}' is not a readable array of numbers ({reason}).") from reason
    with np.errstate(over="ignore"):
        array = np.array(stored, dtype=np.float64, order="C") if stored.dtype.kind == "f" else np.empty(0)
    if array.ndim not in (1, 2, 3) or array.size == 0 or not np.isfinite(array).all():
        raise ResultFileError(
            f"'{path}' holds {stored.dtype} of shape {list(stored.shape)}; directions are finite floats [d], "
            "[k, d] or [k, layers, d]."
        )
    return array
