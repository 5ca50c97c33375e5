"""The mapping network of StyleGAN2 and 3 (Karras et al. 2019, Fig. 1): z and a label to w."""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops


class FullyConnected(nn.Module):
    """``lrelu(x W^T rate / sqrt(inputs) + rate b) sqrt 2``, or the same without the nonlinearity (equalized learning
    rate).
    """

    def __init__(self, inputs: int, outputs: int, rate: float, *, linear: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(ops.with_memory(ops.normal(outputs, inputs), lambda drawn: drawn / rate))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.rate, self.gain, self.linear = rate, rate / math.sqrt(inputs), linear

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        """Return the layer's output."""
        y = F.linear(x, self.weight * self.gain, self.bias * self.rate)
        return y if self.linear else F.leaky_relu(y, ops.LEAKY_SLOPE) * ops.LEAKY_GAIN


class MappingNetwork(nn.Module):
    """z (and a label) to w: both normalized, then fully connected layers of the widths `hidden`; keeps the average w.

    `rate` is the learning-rate multiplier of the layers; `label_dim` 0 means no label.
    """

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, hidden: Sequence[int], label_dim: int, rate: float) -> None:
        super().__init__()
        widths = (z_dim + (w_dim if label_dim else 0), *hidden)
        if label_dim:
            self.embed = FullyConnected(label_dim, w_dim, rate=1.0, linear=True)
        self.fc = nn.ModuleList(FullyConnected(i, o, rate) for i, o in itertools.pairwise(widths))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self, z: Float[Tensor, "n z_dim"], label: Float[Tensor, "n label_dim"] | None
    ) -> Float[Tensor, "n w_dim"]:
        """Return w, not truncated."""
        x = ops.normalize_second_moment(z)
        if label is not None:
            x = torch.cat([x, ops.normalize_second_moment(self.embed(label))], dim=1)
        for layer in self.fc:
            x = layer(x)
        return x
