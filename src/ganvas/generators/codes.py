"""Codes: where they come from (seeds), how they are checked, broadcast to layers and truncated. Knows no architecture.

A latent is ``[n, d]`` (spaces ``z``, ``w``, ``s``) or ``[n, layers, d]`` (space ``w+``).
"""

import operator
import re
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.errors.ranges import TRUNCATION
from ganvas.errors.shown import shown

SPACES = ("z", "w", "w+", "s")
SYNONYMS = {**{space: space for space in SPACES}, **dict.fromkeys(("wp", "wplus", "w_plus", "w-plus", "w +"), "w+")}
SYNONYMS |= dict.fromkeys(("stylespace", "style", "styles", "style space"), "s")
"""What spaces are called by others, for a hint."""
Layers = str | int | Iterable[int] | None
MOST_SEEDS = 1_000_000


def sample_normal(seeds: Sequence[int], dimensions: int) -> Float[Tensor, "n d"]:
    """Draw one standard normal code per seed, float32, the same row for a seed whatever the batch or process.

    As NVIDIA's tools do: ``numpy.random.RandomState(seed).randn`` in float64, then float32.
    """
    check_seeds(seeds)
    rows = [np.random.RandomState(seed).randn(dimensions) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).float()


def sample_truncated_normal(seeds: Sequence[int], dimensions: int, bound: float = 2.0) -> Float[Tensor, "n d"]:
    """Draw one code per seed of the normal distribution restricted to [-bound, bound] (BigGAN's prior), float32.

    The quantiles of ``RandomState(seed).random_sample``: what ``scipy.stats.truncnorm.rvs`` draws from that state.
    """
    from scipy.stats import truncnorm  # takes longer to import than all of Ganvas

    check_seeds(seeds)
    rows = [truncnorm.ppf(np.random.RandomState(seed).random_sample(dimensions), -bound, bound) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).float()


def sample_uniform(seeds: Sequence[int], dimensions: int) -> Float[Tensor, "n d"]:
    """Draw one code per seed, uniform in [-1, 1], by ``RandomState(seed).uniform`` in float64, then float32."""
    check_seeds(seeds)
    rows = [np.random.RandomState(seed).uniform(-1, 1, dimensions) for seed in seeds]
    return torch.from_numpy(np.stack(rows)).float()


def sample_normal_as_resefa(seed: int, count: int, dimensions: int) -> Float[Tensor, "n d"]:
    """Draw all rows from the one state of `seed`, as the published ReSeFa scripts do (``--compat official``)."""
    check_seeds([seed])
    if count < 1:
        raise LatentError(f"{count} codes were asked for; ask for at least 1.")
    return torch.from_numpy(np.random.RandomState(seed).randn(count, dimensions)).float()


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise `LatentError` unless there is at least one seed and all are in 0 .. 2**32 - 1."""
    if not isinstance(seeds, Sequence | np.ndarray):
        raise LatentError(f"Seeds are a list of whole numbers, for example [0, 1]; {reprlib.repr(seeds)} was given.")
    if not len(seeds):
        raise LatentError("No seed was given; give at least one, for example 0.")
    for seed in seeds:
        if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
            raise LatentError(f"Seed {seed} is not allowed: seeds are whole numbers from 0 to {2**32 - 1}.")


def parse_layers(layers: Layers, count: int) -> tuple[int, ...]:
    """Return the sorted layer numbers meant by ``"4-7"`` (inclusive), ``"4,6"``, a number, a list, or None for all
    `count`.
    """
    if layers is None:
        return tuple(range(count))
    if count == 0:
        raise LatentError(f"Layers {reprlib.repr(layers)} were given, but this generator has none: leave layers out.")
    ranges = (
        _read_ranges(layers, "layers", "a range such as '4-7', a list such as '4,6', or both: '0,4-7'")
        if isinstance(layers, str)
        else [range(number, number + 1) for number in _whole_numbers(layers)]
    )
    if not ranges:
        raise LatentError("An empty list of layers was given; name layers such as '4-7', or leave it out for all.")
    for number in (end for part in ranges for end in (part[0], part[-1])):
        if not 0 <= number < count:
            raise LatentError(f"Layer {number} does not exist: this generator has layers 0-{count - 1}.")
    return tuple(sorted({number for part in ranges for number in part}))


def _whole_numbers(layers: Any) -> list[int]:
    try:
        return [operator.index(layer) for layer in ([layers] if isinstance(layers, int | np.integer) else layers)]
    except TypeError:
        raise LatentError(f"{reprlib.repr(layers)} does not name layers; give whole numbers or '4-7'.") from None


def _read_ranges(text: str, what: str, examples: str) -> list[range]:
    """Return the ranges of "0,4-7"; they are not written out, for the text may name numbers beyond all memory."""
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,12})\s*(?:-\s*(\d{1,12})\s*)?", part)
        if match is None:
            raise LatentError(f"{reprlib.repr(text)} does not name {what}; write {examples}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise LatentError(f"The range '{first}-{last}' runs backwards; write '{last}-{first}'.")
        ranges.append(range(first, last + 1))
    return ranges


def layer_text(layers: Sequence[int]) -> str:
    """Return layers as they are written: (4, 5, 6) as "4-6", (0, 2) as "0,2"."""
    if len(layers) > 1 and list(layers) == list(range(layers[0], layers[-1] + 1)):
        return f"{layers[0]}-{layers[-1]}"
    return ",".join(map(str, layers))


def parse_seeds(text: str) -> list[int]:
    """Return the seeds meant by ``"4"``, ``"0-15"`` or ``"1,5,8-11"``, in that order; at most `MOST_SEEDS`."""
    ranges = _read_ranges(text, "seeds", "'4', '0-15' or '1,5,8-11'")
    count = sum(part.stop - part.start for part in ranges)
    if count > MOST_SEEDS:
        raise LatentError(f"{reprlib.repr(text)} means {count} seeds; give at most {MOST_SEEDS} at a time.")
    seeds = [seed for part in ranges for seed in part]
    check_seeds(seeds)
    return seeds


def truncate(
    ws: Float[Tensor, "n layers d"], average: Float[Tensor, "d"], psi: float, layers: int | None = None
) -> Float[Tensor, "n layers d"]:
    """Pull the first `layers` (None: all) towards the average: ``w_avg + psi (w - w_avg)``.

    psi 1 returns `ws` itself, 0 the average. Raises `LatentError` for a psi that is no number and for more layers than
    there are.
    """
    TRUNCATION.check("truncation", psi, LatentError)
    if layers is not None and not 0 <= layers <= ws.shape[1]:
        raise LatentError(
            f"Truncation of the first {layers} layers is not possible: this generator has {ws.shape[1]}; leave the "
            "number out for all."
        )
    if psi == 1:
        return ws
    pulled = average + psi * (ws - average)
    return pulled if layers is None else torch.cat([pulled[:, :layers], ws[:, layers:]], dim=1)


def broadcast_layers(codes: Tensor, space: str, layers: int, width: int) -> Float[Tensor, "n layers d"]:
    """Return codes of space ``w`` or ``w+`` as ``[n, layers, d]``, checking their shape."""
    check_shape(codes, space, (width,) if space == "w" else (layers, width))
    return codes[:, None].expand(-1, layers, -1) if space == "w" else codes


def check_space(space: object, allowed: Sequence[str]) -> None:
    """Raise `LatentError` unless `space` is one of `allowed`, those of a generator."""
    if space not in allowed:
        has = ", ".join(allowed)
        raise LatentError(
            f"Space {shown(space)} does not exist here: this generator has {has}.{_meant(space, allowed)}"
        )


def check_known_space(space: object) -> None:
    """Raise `LatentError` unless `space` is the name of a space."""
    if space not in SPACES:
        raise LatentError(f"Space {shown(space)} is not known; there are {', '.join(SPACES)}.{_meant(space, SPACES)}")


def _meant(space: object, allowed: Sequence[str]) -> str:
    meant = SYNONYMS.get(space.strip().lower()) if isinstance(space, str) else None
    return f" Did you mean '{meant}'?" if meant in allowed else ""


def check_lie_in(generator: Any, codes: Tensor, space: str) -> None:
    """Raise `LatentError` unless `codes` are floating point numbers, of one image at least, in the shape of a space of
    the generator.
    """
    check_space(space, generator.spaces)
    if codes.ndim == 0 or len(codes) == 0:
        raise LatentError(f"Codes of shape {list(codes.shape)} hold no code; give at least one.")
    if not codes.is_floating_point():
        raise LatentError(f"Codes are floating point numbers; these are {codes.dtype}. Convert them: codes.float().")
    check_shape(codes, space, generator.dimensions(space))


def check_shape(codes: Tensor, space: str, expected: tuple[int, ...]) -> None:
    """Raise `LatentError` unless codes are [n, *expected]."""
    if codes.shape[1:] != expected:
        wanted = ", ".join(map(str, ("n", *expected)))
        raise LatentError(
            f"Codes of shape {list(codes.shape)} do not lie in space {space} of this generator, which wants [{wanted}]."
        )


def check_finite(codes: Tensor) -> None:
    """Raise `LatentError` for codes with nan or inf."""
    if not codes.isfinite().all():
        raise LatentError("These codes hold numbers that are not finite (nan or inf).")
