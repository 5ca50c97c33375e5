"""Statistics of a generator's spaces, from samples of its prior."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.generators.protocol import Generator, Label
from ganvas.latents import check_space

SAMPLES = 2048


@torch.no_grad()
def sample_codes(generator: Generator, space: str, count: int = SAMPLES, label: Label = None) -> Tensor:
    """Return `count` untruncated codes of `space`, those of seeds 0 .. count-1."""
    check_space(space, generator.spaces)
    z = generator.sample(range(count))
    return z if space == "z" else generator.map(z, to=space, label=label)


def deviations_along(generator: Generator, vectors: Tensor, space: str, label: Label = None) -> Float[Tensor, "k"]:
    """Return the standard deviation of untruncated codes along each vector [k, *code], float64: what a strength of "1s"
    is.

    For directions of space w, codes are w (one vector, however many layers it will be added to).
    """
    codes = sample_codes(generator, space, label=label).flatten(1).double()
    return (codes @ vectors.flatten(1).double().to(codes.device).T).std(dim=0).cpu()
