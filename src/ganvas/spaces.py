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


def draw_samples(generator: Generator, space: str, label: Label = None) -> Tensor | None:
    """Return `SAMPLES` untruncated codes of `space`; None where the generator needs a label and none is given.

    Raises `LatentError` for a label that the generator does not have.
    """
    check_space(space, generator.spaces)
    try:
        return sample_codes(generator, space, label=label)
    except LatentError:
        if label is not None:
            raise
        return None


def deviations_along(samples: Tensor | None, vectors: Tensor) -> Float[Tensor, "k"]:
    """Return the standard deviation of codes along each vector [k, *code], float64: what a strength of "1s" is.

    `samples` are codes of the vectors' space (for directions of space w they are w: one vector, however many layers it
    will be added to), or None where none could be drawn: nan then, finished directions must not be lost for that.
    """
    if samples is None:
        return torch.full((len(vectors),), float("nan"), dtype=torch.float64)
    # On the CPU: not every accelerator has float64.
    return (samples.flatten(1).cpu().double() @ vectors.flatten(1).cpu().double().T).std(dim=0)
