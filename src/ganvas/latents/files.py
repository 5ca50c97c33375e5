"""Latents in files of ours. What a file says is checked before it is believed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import LatentError, ResultFileError
from ganvas.errors.arguments import checked
from ganvas.io.tensor_files import read_tensors
from ganvas.latents.headers import checked_header, grouped
from ganvas.latents.latent import Latent
from ganvas.latents.photo_origin import photo_origin_of


@checked
def load_latent(path: str | Path) -> Latent:
    """Return the latent in a file that `Latent.save` wrote; `open_latent` also reads codes of others, and photos.

    Args:
        path: A safetensors file.

    Returns:
        The latent, codes float32 on the CPU.

    Raises:
        ResultFileError: The file is missing or damaged, or holds no latent.

    Example:
        >>> import ganvas, tempfile
        >>> latent = ganvas.sample(ganvas.load("faces"), [4], space="w")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ganvas.load_latent(latent.save(f"{folder}/four.safetensors"))
        Latent(w [1, 256], seed 4, generator 'faces')
    """
    tensors, header = read_tensors(path, "latent", ResultFileError)
    try:
        return stored_latent(tensors, header)
    except (KeyError, TypeError, ValueError, OverflowError, LatentError) as reason:
        raise ResultFileError(f"'{path}' is not a whole latent file ({reason}); write it anew.") from reason


def stored_latent(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Latent:
    """Return the latent of what `Latent.stored` gave, codes float32; raises KeyError, TypeError, ValueError,
    OverflowError or `LatentError` for what cannot be one.
    """
    groups: dict[str, Any] = grouped(tensors)
    groups["photo"] = photo_origin_of(groups["photo"], len(tensors["codes"]))
    fields: dict[str, Any] = checked_header(header) | groups
    latent = Latent(tensors["codes"], **fields)
    floats = [latent.codes, *latent.noise.values(), *latent.tuned.values()]
    if latent.codes.ndim not in (2, 3) or 0 in latent.codes.shape:
        raise ValueError(f"its codes have shape {list(latent.codes.shape)}; [n, d] or [n, layers, d] is needed")
    if not all(values.is_floating_point() and bool(values.isfinite().all()) for values in floats):
        raise ValueError("it holds values that are not finite numbers")
    return replace(latent, codes=latent.codes.float())
