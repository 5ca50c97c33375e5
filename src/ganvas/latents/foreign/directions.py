"""Directions out of foreign files: arrays as InterFaceGAN, SeFa, ReSeFa and LowRankGAN publish them, and principal
components as GANSpace does (Härkönen et al. 2020).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ResultFileError
from ganvas.generators.protocol import Generator
from ganvas.latents.foreign.arrays import MOST_SHOWN, ForeignArrays, read_arrays, require_finite
from ganvas.latents.foreign.readings import LATENT_NAMES, check_known, choose_space, possible_readings, wrong_width

UNIT_TOLERANCE = 1e-3  # float16 rounds a unit vector of 512 numbers by less
# Components, their standard deviations, their mean. GANSpace's own files have both of the latter two sets.
COMPONENTS = (("lat_comp", "lat_stdev"), ("comp", "std"), ("act_comp", "act_stdev"))
EIGENVECTORS = "eigvec"  # columns, as a public implementation of SeFa saves them
LAYER_COUNTS = range(8, 20, 2)  # of StyleGANs of 32 to 1024 pixels
CONVENTION = "space w by convention: published directions are of w"
BY_LAYERS = "one direction of w+, its rows are the layers; for a direction of w in each row give space w"


@dataclass(frozen=True, eq=False)
class ForeignDirections:
    """Directions of a foreign file: `vectors` [k, d] or [k, layers, d] of unit length, float32, with the signs of the
    file; `lengths` [k] that they had there; `stds` [k] of the space along them, nan where the file does not say.

    ``layers`` are those that w+ vectors move, None for all; ``names`` one per direction or empty; ``notes`` say how the
    file was read.
    """

    vectors: Tensor
    space: str
    layers: tuple[int, ...] | None
    lengths: Float[Tensor, "k"]
    stds: Float[Tensor, "k"]
    names: tuple[str, ...]
    notes: tuple[str, ...]


class Picked(NamedTuple):
    """An array of directions, still of any shape, and what the file says beside it."""

    array: np.ndarray
    name: str = ""
    stds: np.ndarray | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_foreign_directions(
    path: str | Path, generator: Generator | None = None, space: str | None = None
) -> ForeignDirections:
    """Return the directions of a foreign file: [d], [k, d], [k, 1, d], [k, layers, d], flattened w+, several named
    arrays of one shape, or principal components with their standard deviations.

    As many rows as there are layers are one direction: of w where they are the same, else of w+; rows that are unit
    vectors, as sets of directions are published, may be either. Where z and w have one width, directions are of w by
    convention. The notes say how the file was read. Raises `ResultFileError` for a file without directions,
    `LatentError` where they fit no space or several.
    """
    check_known(space)
    picked = _pick(read_arrays(path))
    what = f"'{path}'"
    require_finite(picked.array, what)
    array, chosen, notes = _read(picked, what, generator, space)
    vectors, lengths = _scaled(array, what)
    layers = None
    if chosen == "w+":
        layers = tuple(vectors.abs().amax(dim=(0, 2)).nonzero()[:, 0].tolist())
    notes += picked.notes + _about_lengths(lengths)
    return ForeignDirections(vectors, chosen, layers, lengths, _stds(picked, len(vectors), what), picked.names, notes)


def components_of(found: ForeignArrays) -> tuple[str, str] | None:
    """Return the names of principal components and of their standard deviations in a file, None where it has none."""
    return next(((comp, std) for comp, std in COMPONENTS if comp in found.arrays), None)


def _pick(found: ForeignArrays) -> Picked:
    """Return the array of directions in a file."""
    arrays = found.arrays
    if (names := components_of(found)) is not None:
        comp, std = names
        if arrays[comp].ndim > 3:
            raise ResultFileError(
                f"'{found.path}' holds components of a feature map, {list(arrays[comp].shape)}, not of a latent space."
            )
        return Picked(_one_a_row(arrays[comp]), "", arrays.get(std), (), ("principal components",))
    if EIGENVECTORS in arrays and arrays[EIGENVECTORS].ndim == 2:
        return Picked(_one_a_row(arrays[EIGENVECTORS].T), "", None, (), ("eigenvectors, the columns of 'eigvec'",))
    for name in arrays:
        if name.rpartition(".")[2].lower() in LATENT_NAMES:
            raise ResultFileError(
                f"'{found.path}' holds '{name}', which is a latent by its name, not a direction; read it with "
                "open_latent (--latent FILE). If it is one, save it alone: numpy.save('file.npy', array)."
            )
    if len(arrays) == 1:
        name, array = next(iter(arrays.items()))
        return Picked(array, name)
    return _several(found)


def _several(found: ForeignArrays) -> Picked:
    """Return several named arrays of one shape, one direction each, as one array."""
    shapes = {array.shape for array in found.arrays.values()}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) > 2:
        listed = ", ".join(f"{name} {list(array.shape)}" for name, array in list(found.arrays.items())[:MOST_SHOWN])
        raise ResultFileError(
            f"'{found.path}' holds arrays of which the directions cannot be told ({listed}, ...); save those alone: "
            "numpy.save('file.npy', array)."
        )
    # [1, d] is one vector; [layers, d] one of w+
    rows = np.stack([array[0] if array.ndim == 2 and len(array) == 1 else array for array in found.arrays.values()])
    return Picked(_one_a_row(rows), "", None, tuple(found.arrays))


def _one_a_row(vectors: np.ndarray) -> np.ndarray:
    """Return [k, d] as [k, 1, d], so that no number of rows is taken for the layers of one direction of w+."""
    return vectors[:, None] if vectors.ndim == 2 else vectors


def _read(
    picked: Picked, what: str, generator: Generator | None, space: str | None
) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Return the array as [k, *code], its space and how that was settled."""
    array = picked.array
    if (repeated := _repeated(array, generator, space)) is not None:
        return repeated, "w", (f"one row for all {array.shape[-2]} layers, read as a direction of w",)
    readings = possible_readings(array.shape, generator, space, picked.name)
    if not readings:
        raise wrong_width(what, array.shape, generator)
    by_layers = _is_by_layers(array, generator)
    convention = {"z", "w", "s"}
    if by_layers or (generator is None and not (array.ndim == 2 and len(array) in LAYER_COUNTS)):
        # Other numbers of rows are not the layers of one code. With a generator `readings` has told them apart.
        convention.add("w+")
    preferred = "w+" if by_layers and "w+" in readings else "w"
    chosen = choose_space(readings, f"{what}, {list(array.shape)},", space, picked.name, convention, preferred)
    notes: tuple[str, ...] = ()
    if space is None and len(readings) > 1:
        notes = {"w": (CONVENTION,), "w+": (BY_LAYERS,) if by_layers else ()}.get(chosen, ())
    if chosen == "w+" and array.shape[-1] != readings[chosen][-1]:
        notes = (f"flattened w+ {list(readings[chosen][1:])}",)
    return array.reshape(readings[chosen]), chosen, notes


def _is_by_layers(array: np.ndarray, generator: Generator | None) -> bool:
    """Return whether the rows [layers, d] are the layers of one direction of w+, not directions of w: as many as there
    are layers, and not unit vectors, which published sets of directions are.
    """
    if array.ndim != 2 or (len(array) not in LAYER_COUNTS if generator is None else len(array) != generator.layers):
        return False
    return not (np.abs(np.linalg.norm(array, axis=1) - 1) < UNIT_TOLERANCE).all()


def _repeated(array: np.ndarray, generator: Generator | None, space: str | None) -> np.ndarray | None:
    """Return [k, d] for an array [layers, d] or [k, layers, d] that has the same row for every layer, else None."""
    if space not in (None, "w") or array.ndim not in (2, 3) or array.shape[-2] < 2:
        return None
    if not (array == array[..., :1, :]).all():
        return None
    if generator is not None:
        if "w" not in generator.spaces or generator.dimensions("w") != array.shape[-1:]:
            return None
        if space is None and array.shape[-2] != generator.layers:
            return None
    return array[..., 0, :].reshape(-1, array.shape[-1])


def _scaled(array: np.ndarray, what: str) -> tuple[Tensor, Tensor]:
    """Return vectors of unit length and the lengths that they had; 1 where they were unit vectors but for rounding."""
    vectors = torch.from_numpy(array)
    lengths = torch.ones(len(vectors), dtype=torch.float64)
    # First by the largest entry, so that no square leaves the range of float64.
    for norm in (math.inf, 2):
        size = vectors.flatten(1).norm(norm, dim=1)
        if (size == 0).any():
            raise ResultFileError(f"{what} holds a direction of length 0, which leads nowhere; remove that row.")
        vectors = vectors / size.view(-1, *[1] * (vectors.ndim - 1))
        lengths = lengths * size
    if not lengths.isfinite().all():
        raise ResultFileError(f"{what} holds a direction that is longer than float64 can say.")
    unit = (lengths - 1).abs() < UNIT_TOLERANCE
    return vectors.float(), torch.where(unit, torch.ones_like(lengths), lengths)


def _about_lengths(lengths: Tensor) -> tuple[str, ...]:
    if bool((lengths == 1).all()):
        return ()
    low, high = float(lengths.min()), float(lengths.max())
    span = f"{low:.3g}" if high - low < 1e-3 * high else f"{low:.3g} to {high:.3g}"
    return (f"not of unit length: a strength of 1 is the length in the file, {span}",)


def _stds(picked: Picked, count: int, what: str) -> Tensor:
    """Return the standard deviations along the directions, nan where the file does not have them."""
    if picked.stds is None:
        return torch.full((count,), math.nan, dtype=torch.float64)
    stds = torch.from_numpy(picked.stds).flatten()
    if len(stds) != count or not (stds.isfinite() & (stds >= 0)).all():
        raise ResultFileError(
            f"{what} holds {count} components, but standard deviations of shape {list(picked.stds.shape)} that are not "
            "one finite number of at least 0 each."
        )
    return stds
