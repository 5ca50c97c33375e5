"""Codes: where they come from (seeds), how they are checked, widened and truncated. Knows no architecture.

A latent is ``[n, d]`` (spaces ``z``, ``w``, ``s``) or ``[n, layers, d]`` (space ``w+``).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator, HasStyles

Layers = str | int | Iterable[int] | None


def sample_normal(seeds: Sequence[int], dimensions: int) -> Float[Tensor, "n d"]:
    """Draw one standard normal code per seed, float32, the same row for a seed whatever the batch or process.

    As NVIDIA's tools do: ``numpy.random.RandomState(seed).randn`` in float64, then float32.
    """
    check_seeds(seeds)
    rows = [np.random.RandomState(seed).randn(dimensions) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).float()


def sample_normal_as_resefa(seed: int, count: int, dimensions: int) -> Float[Tensor, "n d"]:
    """Draw all rows from the one state of `seed`, as the published ReSeFa scripts do (``--compat official``)."""
    check_seeds([seed])
    return torch.from_numpy(np.random.RandomState(seed).randn(count, dimensions)).float()


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise `LatentError` unless there is at least one seed and all are in 0 .. 2**32 - 1."""
    if not len(seeds):
        raise LatentError("No seed was given; give at least one, for example 0.")
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise LatentError(f"Seed {seed} is not allowed: seeds are whole numbers from 0 to {2**32 - 1}.")


def parse_layers(layers: Layers, count: int) -> tuple[int, ...]:
    """Return the sorted layer numbers meant by ``"4-7"`` (inclusive), ``"4,6"``, a number, a list, or None for all
    `count`.
    """
    if layers is None:
        return tuple(range(count))
    numbers = (
        _read_numbers(layers) if isinstance(layers, str) else ([layers] if isinstance(layers, int) else list(layers))
    )
    if not numbers:
        raise LatentError("An empty list of layers was given; name layers such as '4-7', or leave it out for all.")
    for number in numbers:
        if not 0 <= number < count:
            raise LatentError(f"Layer {number} does not exist: this generator has layers 0-{count - 1}.")
    return tuple(sorted(set(numbers)))


def _read_numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise LatentError(
                f"'{text}' does not name layers; write a range such as '4-7', a list such as '4,6', or both: '0,4-7'."
            )
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def parse_seeds(text: str) -> list[int]:
    """Return the seeds meant by ``"4"``, ``"0-15"`` or ``"1,5,8-11"``."""
    try:
        seeds = _read_numbers(text)
    except LatentError:
        raise LatentError(f"'{text}' does not name seeds; write '4', '0-15' or '1,5,8-11'.") from None
    check_seeds(seeds)
    return seeds


def truncate(
    ws: Float[Tensor, "n layers d"], average: Float[Tensor, "d"], psi: float, layers: int | None = None
) -> Float[Tensor, "n layers d"]:
    """Pull the first `layers` rows (None: all) towards the average: ``w_avg + psi (w - w_avg)``."""
    if psi == 1:
        return ws
    pulled = average + psi * (ws - average)
    return pulled if layers is None else torch.cat([pulled[:, :layers], ws[:, layers:]], dim=1)


def widen(codes: Tensor, space: str, layers: int, width: int) -> Float[Tensor, "n layers d"]:
    """Return codes of space ``w`` or ``w+`` as ``[n, layers, d]``, checking their shape."""
    expected = (width,) if space == "w" else (layers, width)
    if codes.shape[1:] != expected:
        shape = ", ".join(map(str, ("n", *expected)))
        raise LatentError(
            f"Codes of shape {list(codes.shape)} do not lie in space {space} of this generator, which wants [{shape}]."
        )
    return codes[:, None].expand(-1, layers, -1) if space == "w" else codes


def check_space(space: str, allowed: Sequence[str]) -> None:
    """Raise `LatentError` unless `space` is one of `allowed`."""
    if space not in allowed:
        raise LatentError(f"Space '{space}' does not exist here: this generator has {', '.join(allowed)}.")


def codes_for(generator: Generator, codes: Tensor, space: str) -> Tensor:
    """Return `codes` (of a space told by their shape) in the space that directions of `space` move: w+ for w and w+,
    else `space` itself.

    w codes are widened to w+, w and w+ codes become styles where `space` is s. Raises `LatentError` where no such step
    leads there.
    """
    check_space(space, generator.spaces)
    shape = tuple(codes.shape[1:])
    if space == "z" or generator.layers == 0:
        if shape != generator.dimensions(space):
            raise LatentError(
                f"Directions of space {space} move {space} codes [n, {generator.dimensions(space)[0]}]; these "
                f"have shape {list(codes.shape)}."
            )
        return codes
    if shape == generator.dimensions("w+"):
        ws = codes
    elif shape == generator.dimensions("w"):
        ws = codes[:, None].expand(-1, generator.layers, -1)
    elif space == "s" and shape == generator.dimensions("s"):
        return codes
    else:
        raise LatentError(
            f"Codes of shape {list(codes.shape)} are none that directions of space {space} move; give w or w+ "
            "codes: G.map(z)."
        )
    if space != "s":
        return ws
    assert isinstance(generator, HasStyles)
    return torch.cat(generator.styles(ws, "w+"), dim=1)
