"""Statistics of a generator's spaces, from samples of its prior."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator, Label
from ganvas.latents import check_space

SAMPLES = 2048


@torch.no_grad()
def sample_codes(generator: Generator, space: str, count: int = SAMPLES, label: Label = None) -> Tensor:
    """Return `count` untruncated codes of `space`, those of seeds 0 .. count-1, all of one `label`."""
    check_space(space, generator.spaces)
    if isinstance(label, Tensor) and label.ndim == 2 and len(label) == 1:
        label = label.expand(count, -1)
    z = generator.sample(range(count))
    return z if space == "z" else generator.map(z, to=space, label=label)


def deviations_along(generator: Generator, vectors: Tensor, space: str, label: Label = None) -> Float[Tensor, "k"]:
    """Return the standard deviation of untruncated codes along each vector [k, *code], float64: what a strength of "1s"
    is.

    For directions of space w, codes are w (one vector, however many layers it will be added to). nan where the
    generator needs a label to draw codes and none is given: finished directions must not be lost for that.
    """
    check_space(space, generator.spaces)
    try:
        codes = sample_codes(generator, space, label=label)
    except LatentError:
        if label is not None:
            raise
        return torch.full((len(vectors),), float("nan"), dtype=torch.float64)
    # On the CPU: not every accelerator has float64.
    return (codes.flatten(1).cpu().double() @ vectors.flatten(1).cpu().double().T).std(dim=0)
