"""What generators with space z only have in common: one code per image, no layers, no noise maps, no mapping."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import torch
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.protocol import Noise


def refuse_mapping(to: str) -> NoReturn:
    """Raise `LatentError`: there is no space but z to map to."""
    raise LatentError(f"Codes cannot be mapped to space '{to}': this generator has space z only; use the z codes.")


def check_noise(noise: Noise) -> None:
    """Raise `LatentError` unless `noise` is "const", "none" or an empty dict: this generator has no noise maps."""
    if isinstance(noise, torch.Generator) or (isinstance(noise, Mapping) and len(noise)):
        raise LatentError("Noise maps were given, but this generator has none; leave noise out.")
    if isinstance(noise, str) and noise not in ("const", "none"):
        raise LatentError(f"Noise '{noise}' is not known: this generator has no noise maps; leave noise out.")


def check_feature(name: str, names: Sequence[str]) -> None:
    """Raise `LatentError` unless `name` is one of the feature maps `names`."""
    if name not in names:
        raise LatentError(f"Feature map '{name}' does not exist: this generator has {', '.join(names) or 'none'}.")


def check_shape(codes: Tensor, shape: tuple[int, ...], space: str, dtype: torch.dtype) -> None:
    """Raise `LatentError` unless codes are [n, *shape] of `dtype`."""
    if codes.dtype != dtype:
        raise LatentError(f"Codes are {dtype} here; these are {codes.dtype}: convert them first.")
    if codes.shape[1:] != shape:
        wanted = ", ".join(map(str, ("n", *shape)))
        raise LatentError(
            f"Codes of shape {list(codes.shape)} do not lie in space {space} of this generator, which wants [{wanted}]."
        )
