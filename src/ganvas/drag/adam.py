"""One step of Adam as a pure function, so that a drag's state holds its moments and a replay finds the same codes."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Adam's running means of the gradient and of its square, and the number of gradients."""

    first: Tensor
    second: Tensor
    count: int = 0


def adam_step(moments: Moments, gradient: Tensor, rate: float) -> tuple[Moments, Tensor]:
    """Return Adam's new moments and the shift that it takes (Kingma and Ba 2015, Algorithm 1, default settings)."""
    count = moments.count + 1
    first = 0.9 * moments.first + 0.1 * gradient
    second = 0.999 * moments.second + 0.001 * gradient.square()
    scale = (second / (1 - 0.999**count)).sqrt() + 1e-8
    return Moments(first, second, count), -rate * (first / (1 - 0.9**count)) / scale
