"""From w+ to styles: the affine maps between a mapping network's codes and the layers that they steer (Karras et al.
2019, Fig. 1: "A"). A list of styles, one [n, channels] per styled layer in graph order, is a point of StyleSpace.
"""

import math
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops
from ganvas.generators.protocol import CodesWithSpace, Extent, HasStyles, Noise

StyleInput = tuple[Tensor, Extent]
"""A map [n, c, h, w] whose channels a style scales, and what it covers, in fractions of the image."""


@runtime_checkable
class HasStyleInputs(HasStyles, Protocol):
    """A style-based generator that shows what its styles scale."""

    def style_inputs(
        self, codes: Tensor | CodesWithSpace, space: str | None = None, *, noise: Noise = "const"
    ) -> list[StyleInput | None]:
        """Return the map that each style scales, in graph order; None for one that scales none."""
        ...


class Affine(nn.Module):
    """``style = w A^T / sqrt(w_dim) + b``: [n, w_dim] to [n, channels]."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(ops.normal(channels, w_dim))
        self.bias = nn.Parameter(torch.ones(channels))
        self.gain = 1 / math.sqrt(w_dim)

    def forward(self, w: Float[Tensor, "n w_dim"]) -> Float[Tensor, "n channels"]:
        """Return the styles of a layer."""
        return F.linear(w, self.weight * self.gain, self.bias)

    def push(self, w_tangents: Float[Tensor, "n w_dim"]) -> Float[Tensor, "n channels"]:
        """Return the derivative along `w_tangents`; the map is affine, so it holds everywhere."""
        return F.linear(w_tangents, self.weight * self.gain)


class StyleSynthesis(nn.Module):
    """A network from styles to images: row ``rows[i]`` of w+ makes its i-th style through ``affines()[i]``."""

    rows: list[int]

    def affines(self) -> list[Affine]:
        """Return what makes each style, in graph order."""
        raise NotImplementedError

    def makes_colors(self) -> list[bool]:
        """Return whether each style steers a layer that makes colors, in graph order."""
        raise NotImplementedError

    def styles(self, ws: Float[Tensor, "n layers w_dim"]) -> list[Tensor]:
        """Return every layer's style from w+."""
        return [affine(ws[:, row]) for affine, row in zip(self.affines(), self.rows, strict=True)]

    def push_styles(self, ws_tangents: Float[Tensor, "n layers w_dim"], active: frozenset[int]) -> list[Tensor | None]:
        """Return the style tangents of w+ tangents that are zero outside the rows `active`."""
        return [
            affine.push(ws_tangents[:, row]) if row in active else None
            for affine, row in zip(self.affines(), self.rows, strict=True)
        ]


def away_from_zero(style: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Return styles that can be divided by: those below the precision of their type become as large as it."""
    smallest = torch.finfo(style.dtype).eps
    return torch.where(style.abs() < smallest, style.new_full((), smallest), style)
