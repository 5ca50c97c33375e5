"""Codes out of foreign files: which of their arrays, and of which space."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import ResultFileError
from ganvas.generators.protocol import Generator
from ganvas.latents.foreign.arrays import MOST_SHOWN, ForeignArrays, read_arrays, require_finite
from ganvas.latents.foreign.directions import components_of
from ganvas.latents.foreign.readings import (
    LATENT_NAMES,
    NAMED,
    check_known,
    choose_space,
    possible_readings,
    wrong_width,
)

CODE_NAMES = (*NAMED, *LATENT_NAMES, "latent", "latents", "code", "codes")


@dataclass(frozen=True, eq=False)
class ForeignCodes:
    """Codes [n, d] or [n, layers, d] of `space`, float32, and the name that their array has in the file."""

    codes: Tensor
    space: str
    name: str = ""


def read_foreign_codes(path: str | Path, generator: Generator | None = None, space: str | None = None) -> ForeignCodes:
    """Return the codes of a foreign file: [d], [n, d], [n, 1, d], [n, layers, d], or w+ flattened or as its rows alone.

    The generator's dimensions decide what the shape means. Where they leave two readings (z and w of one width, eight
    rows of w or one w+ code of eight layers), the name of the array in the file decides ("w", "z"), else `space` must
    be given; [n, 1, d] is w. Raises `ResultFileError` for a file that holds no codes, `LatentError` where they fit no
    space or several.
    """
    check_known(space)
    found = read_arrays(path)
    name, array = _pick(found)
    what = f"'{path}'" if not name else f"'{name}' in '{path}'"
    require_finite(array, what)
    readings = possible_readings(array.shape, generator, space, name)
    if not readings:
        raise wrong_width(what, array.shape, generator)
    # Codes of z have no axis for layers, so [n, 1, d] is w, which projectors save with that axis.
    convention = ("z", "w") if array.ndim == 3 and array.shape[1] == 1 else ()
    chosen = choose_space(readings, f"{what}, {list(array.shape)},", space, name, convention, option="--latent-space")
    codes = torch.from_numpy(array.reshape(readings[chosen])).float()
    if not codes.isfinite().all():
        raise ResultFileError(f"{what} holds numbers beyond the range of float32; codes are about 1 in size.")
    return ForeignCodes(codes, chosen, name)


def _pick(found: ForeignArrays) -> tuple[str, np.ndarray]:
    """Return the one array that is codes, and its name."""
    if components_of(found) is not None:
        raise ResultFileError(
            f"'{found.path}' holds principal components, which are directions; read it with load_directions."
        )
    if len(found.arrays) == 1:
        return next(iter(found.arrays.items()))
    named = [name for name in found.arrays if name.rpartition(".")[2].lower() in CODE_NAMES]
    if len(named) == 1:
        return named[0], found.arrays[named[0]]
    listed = ", ".join(f"{name} {list(array.shape)}" for name, array in list(found.arrays.items())[:MOST_SHOWN])
    raise ResultFileError(
        f"'{found.path}' holds {len(found.arrays)} arrays ({listed}{', ...' if len(found.arrays) > MOST_SHOWN else ''})"
        "; which of them are the codes cannot be told. Save those alone: numpy.save('file.npy', array)."
    )
