"""Affine transformations of images, one matrix each, with a resampling that preserves fine detail.

A matrix [3, 3] maps a point (x, y, 1) of the input to its position in the output, in pixels from the center of the
image, x to the right and y down. The product ``B @ A`` applies A first.

Images are interpolated by cubics of four neighbors along each axis, after smoothing where the transformation shrinks.
Shifts by whole pixels, flips and quarter turns are exact. (Karras et al. 2020, "Training Generative Adversarial
Networks with Limited Data", appendix B, upsample by two with an orthogonal wavelet, interpolate linearly at four times
as many points, and downsample.)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.generators.ops import at_least_float32

Matrices = Float[Tensor, "n 3 3"]


def translation(x: Float[Tensor, "n"], y: Float[Tensor, "n"]) -> Matrices:
    """Return translations by (x, y) pixels."""
    return _matrices([[1, 0, x], [0, 1, y]])


def scaling(x: Float[Tensor, "n"], y: Float[Tensor, "n"]) -> Matrices:
    """Return scalings by x horizontally and y vertically; -1 flips."""
    return _matrices([[x, 0, 0], [0, y, 0]], like=x)


def rotation(angle: Float[Tensor, "n"]) -> Matrices:
    """Return clockwise rotations by `angle` radians."""
    cosine, sine = angle.cos(), angle.sin()
    return _matrices([[cosine, -sine, 0], [sine, cosine, 0]])


def quarter_turns(count: Int[Tensor, "n"]) -> Matrices:
    """Return rotations by `count` quarter turns, with exact entries (the cosine of pi / 2 is not exactly 0)."""
    cosine = torch.tensor([1.0, 0.0, -1.0, 0.0], device=count.device)[count % 4]
    sine = torch.tensor([0.0, 1.0, 0.0, -1.0], device=count.device)[count % 4]
    return _matrices([[cosine, -sine, 0], [sine, cosine, 0]])


def _matrices(rows: list[list[Tensor | int]], like: Tensor | None = None) -> Matrices:
    like = next(value for row in rows for value in row if isinstance(value, Tensor)) if like is None else like
    full = [value if isinstance(value, Tensor) else torch.full_like(like, value) for row in rows for value in row]
    zero, one = torch.zeros_like(like), torch.ones_like(like)
    return torch.stack([*full, zero, zero, one], dim=1).unflatten(1, (3, 3))


def warp(images: Float[Tensor, "n c h w"], matrices: Matrices) -> Float[Tensor, "n c h w"]:
    """Return the transformed images, with reflection at the borders.

    Once differentiable in the images (`torch.nn.functional.grid_sample` has no second derivative). Computed in float32
    at least.
    """
    height, width = images.shape[2:]
    back = torch.linalg.inv(matrices)  # [n, 3, 3], output to input
    x = torch.arange(width, device=back.device) - (width - 1) / 2
    y = torch.arange(height, device=back.device)[:, None] - (height - 1) / 2
    old_x, old_y = (
        row[:, 0, None, None] * x + row[:, 1, None, None] * y + row[:, 2, None, None]
        for row in back[:, :2].unbind(dim=1)
    )
    smooth = soften(at_least_float32(images), *softening(back))
    places = torch.stack([old_x / (width / 2), old_y / (height / 2)], dim=-1).to(smooth)  # [n, h, w, 2], edges at +-1
    return F.grid_sample(smooth, places, "bicubic", "reflection", align_corners=False).to(images.dtype)


def softening(back: Matrices) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """Return the smoothing weights a, horizontally and vertically, before interpolation at `back` of each output pixel.

    An output pixel covers a parallelogram of the input, of variances ``diag(B B^T) / 12``. What exceeds the 1 / 12 of
    an input pixel is added by a filter (a, 1 - 2a, a), of variance 2a.
    """
    spread = back[:, :2, :2].square().sum(dim=2)  # [n, 2]
    # Rotations exceed 1 by a rounding error and must not smooth at all.
    across, down = ((spread - 1 - 1e-5) / 24).clamp(0, 0.25).unbind(dim=1)
    return across, down


def soften(
    images: Float[Tensor, "n c h w"], across: Float[Tensor, "n"], down: Float[Tensor, "n"]
) -> Float[Tensor, "n c h w"]:
    """Smooth each image by the filter (a, 1 - 2a, a), with a = `across` horizontally and a = `down` vertically."""
    n, channels, height, width = images.shape
    sideways, downwards = (torch.stack([a, 1 - 2 * a, a], dim=1) for a in (across, down))
    taps = (downwards[:, :, None] * sideways[:, None]).to(images).repeat_interleave(channels, dim=0)
    # The images are the channels of one image, since each has its own filter.
    row = F.pad(images, (1, 1, 1, 1), mode="replicate").reshape(1, n * channels, height + 2, width + 2)
    return F.conv2d(row, taps[:, None], groups=n * channels).view(images.shape)
