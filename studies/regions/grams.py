"""Gram matrices of every region and layer range, once for each seed of discovery, kept on disk.

J of space w over some layers is the sum of the J of parts of these layers, so that "all" costs no derivative of its
own. What is kept are sums over pixels, the lower triangle in float32.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import acting_space
from ganvas.directions.jacobian import Jacobian, hold
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError
from ganvas.generators.codes import parse_layers
from ganvas.generators.protocol import Generator
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.latents.latent import Latent, sample
from studies.regions.settings import ALL

KIND = "study grams"
WHOLE = "whole image"
Masks = Mapping[str, Float[Tensor, "1 h w"]]
Say = Callable[[str], None]


def pack(gram: Float[Tensor, "d d"]) -> Float[Tensor, "t"]:
    """Return the lower triangle in float32, row by row."""
    return gram[*torch.tril_indices(*gram.shape)].float()


def unpack(triangle: Float[Tensor, "t"]) -> Float[Tensor, "d d"]:
    """Return the symmetric matrix, float64."""
    size = round(((8 * len(triangle) + 1) ** 0.5 - 1) / 2)
    gram = torch.zeros(size, size, dtype=torch.float64)
    gram[*torch.tril_indices(size, size)] = triangle.double()
    return gram + gram.tril(-1).T


def layers_of(text: str) -> str | None:
    """Return a range of layers as the library takes it."""
    return None if text == ALL else text


def exact_cover(wanted: Sequence[int], known: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return disjoint ones of `known` that make up `wanted`, as few as possible, () where there are none."""
    for count in range(1, len(known) + 1):
        for group in combinations(known, count):
            if sorted(chain.from_iterable(group)) == sorted(wanted):
                return group
    return ()


def range_jacobians(
    generator: Generator, code: Tensor, space: str, ranges: Sequence[str]
) -> Iterator[tuple[str, Jacobian]]:
    """Yield J of one code [1, *code] for each range of layers, shortest first; sums of others where they can be."""
    numbers = {text: parse_layers(layers_of(text), generator.layers) for text in ranges}
    held: dict[tuple[int, ...], Jacobian] = {}
    for text in sorted(ranges, key=lambda text: len(numbers[text])):
        parts = exact_cover(numbers[text], list(held)) if space == "w" else ()
        held[numbers[text]] = _added([held[part] for part in parts]) if parts else _held(generator, code, space, text)
        yield text, held[numbers[text]]


def _added(parts: Sequence[Jacobian]) -> Jacobian:
    columns = torch.stack([part.columns.float() for part in parts]).sum(0)
    return Jacobian(columns, parts[0].channels, parts[0].resolution)


def _held(generator: Generator, code: Tensor, space: str, layers: str) -> Jacobian:
    method = ReSeFa()
    plan = method.plan(generator, space, layers_of(layers))
    if plan.blocks > 1:
        raise GanvasError(f"The study holds Jacobians whole; this one would be {plan}. Use a smaller generator.")
    latent = Latent(code, acting_space(generator, space))
    return hold(method.derivative(generator, latent, space, layers_of(layers)), plan)


@dataclass(frozen=True, eq=False)
class Grams:
    """The Gram matrices of some seeds in one space, by "layers/mask"; `masks` are those of the study by name."""

    masks: Masks
    channels: int
    seeds: Mapping[int, Mapping[str, Float[Tensor, "t"]]] = field(repr=False)

    def mean(self, layers: str, mask: str, seeds: Sequence[int]) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
        """Return A and B of ReSeFa, each a mean over its pixels, averaged over `seeds`."""
        inside, whole = (self._mean_sum(f"{layers}/{name}", seeds) for name in (mask, WHOLE))
        area = float(self.masks[mask].sum())
        total = self.masks[mask].numel()
        return inside / (self.channels * area), (whole - inside) / (self.channels * (total - area))

    def _mean_sum(self, name: str, seeds: Sequence[int]) -> Float[Tensor, "d d"]:
        return unpack(torch.stack([self.seeds[seed][name] for seed in seeds]).double().mean(0))


def find_grams(
    generator: Generator,
    space: str,
    masks: Masks,
    wanted: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    truncation: float,
    folder: Path,
    say: Say,
) -> Grams:
    """Return the Grams of the masks `wanted` for each range of layers on each seed, from files where there are some."""
    missing = [seed for seed in seeds if not _file(folder, space, seed).is_file()]
    start = time.monotonic()
    for done, seed in enumerate(missing, 1):
        latent = sample(generator, [seed], truncation=truncation, space=acting_space(generator, space))
        tensors = seed_grams(generator, latent.codes, space, masks, wanted)
        write_tensors(_file(folder, space, seed), KIND, tensors, {"seed": seed, "space": space}, GanvasError)
        each = (time.monotonic() - start) / done
        left = each * (len(missing) - done)
        say(f"Jacobians of space {space}: {done}/{len(missing)}; {each:.0f} s each, {left:.0f} s left")
    kept = {seed: read_tensors(_file(folder, space, seed), KIND, GanvasError)[0] for seed in seeds}
    return Grams(masks, ReSeFa().measure(generator).channel_count, kept)


@torch.no_grad()
def seed_grams(
    generator: Generator, code: Tensor, space: str, masks: Masks, wanted: Mapping[str, Sequence[str]]
) -> dict[str, Tensor]:
    """Return the packed sums ``J^T diag(m) J`` of one code for each range and each of its masks, and of the whole."""
    packed = {}
    for layers, jacobian in range_jacobians(generator, code, space, list(wanted)):
        packed[f"{layers}/{WHOLE}"] = pack(jacobian.whole())
        for name in wanted[layers]:
            packed[f"{layers}/{name}"] = pack(jacobian.gram(masks[name]))
    return packed


def _file(folder: Path, space: str, seed: int) -> Path:
    return folder / f"{space.replace('+', '-plus')}-seed-{seed}.safetensors"
