"""A generator's spaces: the way from one to another, and statistics of codes drawn from the prior."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.codes import check_finite, check_lie_in, check_space
from ganvas.generators.protocol import Generator, HasStyles, Label

SAMPLES = 2048


@dataclass(frozen=True)
class Statistics:
    """What codes of the prior are like in a space: their `mean` and `std` [d] and their `covariance` [d, d].

    For w+ those of w, the same on every layer.
    """

    mean: Float[Tensor, "d"]
    std: Float[Tensor, "d"]
    covariance: Float[Tensor, "d d"]

    def distances(self, codes: Float[Tensor, "n *rows d"]) -> Float[Tensor, "n"]:
        """Return how far codes lie from the mean in units of the std: the root mean square over their entries,
        about 1 for codes of the prior.
        """
        return ((codes - self.mean) / self.std).square().flatten(1).mean(1).sqrt()


def statistics(generator: Generator, space: str, label: Label = None) -> Statistics:
    """Return mean, std and covariance of `SAMPLES` untruncated codes of `space` z, w or w+; of z the mean is 0.

    Raises `LatentError` for a space or a label that the generator does not have, and for a label that it needs.
    """
    check_space(space, [known for known in generator.spaces if known != "s"])
    samples = sample_codes(generator, "w" if space == "w+" else space, label=label)
    mean = torch.zeros_like(samples[0]) if space == "z" else samples.mean(0)
    covariance = (samples - mean).T @ (samples - mean) / len(samples)
    return Statistics(mean, covariance.diagonal().sqrt().clamp_min(1e-6), covariance)


@torch.no_grad()
def sample_codes(generator: Generator, space: str, count: int = SAMPLES, label: Label = None) -> Tensor:
    """Return `count` untruncated codes of `space`, those of seeds from 0 on, of one `label` or of several in turn."""
    check_space(space, generator.spaces)
    label = label.reshape(1) if isinstance(label, Tensor) and not label.ndim else label
    if isinstance(label, Tensor | Sequence) and not isinstance(label, str) and len(label):
        turns = [row % len(label) for row in range(count)]
        label = label[turns] if isinstance(label, Tensor) else [label[turn] for turn in turns]
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


def stds_along(samples: Tensor | None, vectors: Tensor) -> Float[Tensor, "k"]:
    """Return the standard deviation of codes along each vector [k, *code], float64: what a strength of "1s" is.

    `samples` are codes of the vectors' space (for directions of space w they are w: one vector, however many layers it
    will be added to), or None where none could be drawn: nan then, finished directions must not be lost for that.
    """
    if samples is None:
        return torch.full((len(vectors),), float("nan"), dtype=torch.float64)
    # On the CPU: not every accelerator has float64.
    return (samples.flatten(1).cpu().double() @ vectors.flatten(1).cpu().double().T).std(dim=0)


def to_space(
    generator: Generator,
    codes: Tensor,
    space: str,
    to: str,
    *,
    label: Label = None,
    truncation: float = 1.0,
    truncation_layers: int | None = None,
) -> Tensor:
    """Return `codes` of `space` in the space `to`, on the generator's device.

    z is mapped to w, w+ and s, with label and truncation; w is repeated on every layer of w+; w and w+ become the
    styles of s. No other way exists: raises `LatentError`, as for codes that do not lie in `space`.
    """
    check_lie_in(generator, codes, space)
    check_finite(codes)
    check_space(to, generator.spaces)
    codes = codes.to(generator.device)
    if space == to:
        return codes.contiguous()
    if space == "z":
        mapped = generator.map(codes, to, label=label, truncation=truncation, truncation_layers=truncation_layers)
        # A copy, not an expanded tensor: `torch.func` and changes in place need that.
        return mapped.contiguous()
    if (space, to) == ("w", "w+"):
        return codes[:, None].repeat(1, generator.layers, 1)
    if space in ("w", "w+") and to == "s" and isinstance(generator, HasStyles):
        return torch.cat(generator.styles(codes, space), dim=1)
    raise LatentError(
        f"Codes of space {space} do not lead to space {to}: the ways are from z to w, w+ and s, from w to w+, and from "
        "w and w+ to s."
    )
