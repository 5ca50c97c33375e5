"""Directions in files: ours, and those of others. What a file says is checked before it is believed."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.directions.direction import FOREIGN, KIND, Direction, Directions, Origin, Strength
from ganvas.directions.strengths import parse_strengths
from ganvas.errors import LatentError, ResultFileError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import whole_number
from ganvas.generators.codes import SPACES, check_known_space
from ganvas.generators.protocol import Generator
from ganvas.io.tensor_files import is_ours, read_tensors
from ganvas.latents.foreign.directions import read_foreign_directions

LENGTH_TOLERANCE = 1e-3


@checked
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

    Example:
        >>> import ganvas, numpy, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     numpy.save(f"{folder}/smile.npy", numpy.full((1, 4), 1.5))
        ...     found = ganvas.load_directions(f"{folder}/smile.npy", space="w")
        >>> found[0].length(1.0)  # the length that it has in the file
        3.0
    """
    path = Path(path)
    if space is not None:
        check_known_space(space)
    if not is_ours(path):
        return _load_foreign(path, space, generator)
    tensors, header = read_tensors(path, KIND, ResultFileError)
    try:
        found = stored_directions(tensors, header)
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


def load_fitting(path: Path, generator: Generator, space: str | None = None) -> Directions:
    """Return the directions of a file; raises `LatentError` where they do not fit the generator."""
    found = load_directions(path, space, generator)
    found.check_fits(generator)
    return found


def picked(found: Directions, index: int, path: Path) -> Direction:
    """Return one direction of a file; raises `LatentError` where there is none of this number."""
    if not 0 <= index < len(found):
        raise LatentError(f"Direction {index} does not exist: '{path}' has directions 0-{len(found) - 1}.")
    return found[index]


def direction_of_text(
    text: str, found: Directions, path: Path, generator: Generator, space: str | None = None
) -> tuple[Direction, Strength]:
    """Return what ``INDEX:STRENGTH``, of those `found` in a file, or ``FILE:INDEX:STRENGTH`` means."""
    *file, index, strength = ["", "", *text.rsplit(":", 2)][-3:]
    if not index.isdecimal():
        raise LatentError(f"'{text}' is not a direction to add; write INDEX:STRENGTH or FILE:INDEX:STRENGTH.")
    strengths = parse_strengths(strength) if strength else ()
    if len(strengths) != 1:
        raise LatentError(f"'{text}' gives {len(strengths)} strengths; give one for a direction to add.")
    name = Path(file[0]) if file[0] else path
    # Our own files say their space.
    source = load_fitting(name, generator, None if is_ours(name) else space) if file[0] else found
    return picked(source, whole_number(index), name), strengths[0]


def _load_foreign(path: Path, space: str | None, generator: Generator | None) -> Directions:
    found = read_foreign_directions(path, generator, space)
    unknown = torch.full((len(found.vectors),), math.nan, dtype=torch.float64)
    names = (f"named {', '.join(found.names)}",) if found.names else ()
    origin = Origin(f"{FOREIGN} {path.name}", sign="as in the file", notes="; ".join(found.notes + names))
    lengths = None if bool((found.lengths == 1).all()) else found.lengths
    return Directions(found.vectors, found.space, found.layers, unknown, unknown, found.stds, None, origin, lengths)


def stored_directions(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Directions:
    """Return the directions of what `Directions.stored` gave; raises KeyError, TypeError or ValueError for what cannot
    be directions.
    """
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
    kinds |= {"label": int | list | None, "band": float | int | None, "background_weight": float | int}
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
