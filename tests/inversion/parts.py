"""What the tests of inversion share: a feature network of one convolution, objectives on closed-form generators."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.generators.protocol import Generator
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.objective import Objective, make_target
from ganvas.inversion.variables import Variables
from ganvas.latents.spaces import statistics


class Convolved:
    """Two maps: a convolution with fixed taps, and its half; in the precision of the images."""

    name = "test distance"

    def __call__(self, images: Tensor) -> list[Tensor]:
        taps = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(images)
        feature = F.conv2d(images, taps, padding=1).tanh()
        return [feature, F.avg_pool2d(feature, 2)]


def objective_on(
    generator: Generator, space: str, target: Tensor, weights: LossWeights, mask: Tensor | None = None
) -> Objective:
    features = Convolved() if weights.perceptual else None
    return Objective(
        generator, space, make_target(target, features, mask), weights, features, statistics(generator, space)
    )


def from_zero(generator: Generator, space: str, rows: int, dtype: torch.dtype = torch.float32) -> Variables:
    return Variables(torch.zeros(rows, *generator.dimensions(space), dtype=dtype), None, {})
