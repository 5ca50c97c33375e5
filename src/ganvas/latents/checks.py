"""What is made sure of before a latent is made."""

import reprlib

from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.codes import check_finite, check_known_space
from ganvas.generators.protocol import Generator


def check_codes(codes: object, space: object) -> None:
    """Raise `LatentError` unless `codes` may be codes of `space`, of whatever generator."""
    check_known_space(space)
    if not isinstance(codes, Tensor) or not codes.is_floating_point():
        what = str(codes.dtype) if isinstance(codes, Tensor) else reprlib.repr(codes)
        raise LatentError(f"Codes are a tensor of floating point numbers; {what} was given.")
    if codes.ndim != (3 if space == "w+" else 2):
        wanted = "[n, layers, d]" if space == "w+" else "[n, d]"
        raise LatentError(f"Codes of space {space} have the shape {wanted}; these have {list(codes.shape)}.")
    check_finite(codes)


def check_truncated_layers(generator: Generator, layers: int | None) -> None:
    """Raise `LatentError` unless the generator has so many layers to truncate."""
    if layers is not None and not 0 <= layers <= generator.layers:
        raise LatentError(f"Truncation of {layers} layers is not possible: this generator has {generator.layers}.")
