"""Moving pictures by one matrix each: matrices of plane motions, and a resampling that keeps fine detail.

A matrix [3, 3] takes a point (x, y, 1) of the old picture to its place in the new one, in pixels from the middle of the
picture, x to the right and y down. The product ``B @ A`` does A first.

A picture is doubled by an interpolating filter, and the doubled one is read linearly between its pixels. What is moved
by whole pixels, flipped or turned by right angles comes out exactly; what is moved by parts of a pixel keeps nine tenths
of the energy of the second finest octave; where a motion shrinks, the same filter smooths first. (Karras et al. 2020,
"Training Generative Adversarial Networks with Limited Data", appendix B, read at twice the resolution, which is four
times as many places, and halve the result.)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.generators.ops import at_least_float32

Matrices = Float[Tensor, "n 3 3"]

# Halfway between pixels: the polynomial of degree five through six neighbours (Deslauriers and Dubuc 1989).
HALFWAY = (3 / 256, -25 / 256, 150 / 256, 150 / 256, -25 / 256, 3 / 256)
MARGIN = 4


def translation(x: Float[Tensor, "n"], y: Float[Tensor, "n"]) -> Matrices:
    """Return motions by (x, y) pixels."""
    return _matrices([[1, 0, x], [0, 1, y]])


def scaling(x: Float[Tensor, "n"], y: Float[Tensor, "n"]) -> Matrices:
    """Return enlargements by x sideways and y downwards; -1 flips."""
    return _matrices([[x, 0, 0], [0, y, 0]], like=x)


def rotation(angle: Float[Tensor, "n"]) -> Matrices:
    """Return turns by `angle` radians, clockwise as the picture is seen."""
    cosine, sine = angle.cos(), angle.sin()
    return _matrices([[cosine, -sine, 0], [sine, cosine, 0]])


def quarter_turns(count: Int[Tensor, "n"]) -> Matrices:
    """Return turns by `count` right angles, in whole numbers: the cosine of pi / 2 would not be zero."""
    cosine = torch.tensor([1.0, 0.0, -1.0, 0.0], device=count.device)[count % 4]
    sine = torch.tensor([0.0, 1.0, 0.0, -1.0], device=count.device)[count % 4]
    return _matrices([[cosine, -sine, 0], [sine, cosine, 0]])


def _matrices(rows: list[list[Tensor | int]], like: Tensor | None = None) -> Matrices:
    like = next(value for row in rows for value in row if isinstance(value, Tensor)) if like is None else like
    full = [value if isinstance(value, Tensor) else torch.full_like(like, value) for row in rows for value in row]
    zero, one = torch.zeros_like(like), torch.ones_like(like)
    return torch.stack([*full, zero, zero, one], dim=1).unflatten(1, (3, 3))


def warp(pictures: Float[Tensor, "n c h w"], matrices: Matrices) -> Float[Tensor, "n c h w"]:
    """Return the moved pictures; beyond the edges the picture is seen in a mirror.

    Differentiable once in the pictures (`torch.nn.functional.grid_sample` knows no second derivative). Half precision
    is widened inside.
    """
    height, width = pictures.shape[2:]
    back = torch.linalg.inv(matrices)  # [n, 3, 3], new places to old ones
    values = at_least_float32(pictures)
    x = torch.arange(width, device=back.device) - (width - 1) / 2
    y = torch.arange(height, device=back.device)[:, None] - (height - 1) / 2
    old_x, old_y = (
        row[:, 0, None, None] * x + row[:, 1, None, None] * y + row[:, 2, None, None]
        for row in back[:, :2].unbind(dim=1)
    )
    places = torch.stack([old_x / (width / 2), old_y / (height / 2)], dim=-1).to(values)  # [n, h, w, 2], edges at +-1
    doubled = double(values, *softening(back))
    return F.grid_sample(doubled, places, "bilinear", "reflection", align_corners=True).to(pictures.dtype)


def softening(back: Matrices) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """Return how much to smooth sideways and downwards before reading at `back` of each new pixel.

    A new pixel covers a parallelogram of the old picture, of variances ``diag(B B^T) / 12``. Beyond the 1 / 12 that an
    old pixel has by itself they are made up for by weights (a, 1 - 2a, a), of variance 2a.
    """
    spread = back[:, :2, :2].square().sum(dim=2)  # [n, 2]
    across, down = ((spread - 1) / 24).clamp(0, 0.25).unbind(dim=1)
    return across, down


def double(
    pictures: Float[Tensor, "n c h w"], across: Float[Tensor, "n"], down: Float[Tensor, "n"]
) -> Float[Tensor, "n c h2 w2"]:
    """Smooth each picture by weights (a, 1 - 2a, a), a being `across` and `down`, and return its values on half pixels.

    The result is [n, c, 2h + 1, 2w + 1], from one edge to the other: the pixels themselves at odd places.
    """
    n, channels, height, width = pictures.shape
    maps = n * channels
    sides = [_taps(amount).to(pictures).repeat_interleave(channels, dim=0) for amount in (across, down)]
    cut = 2 * MARGIN + sides[0].shape[1] // 2 - 1
    # The pictures lie side by side as channels of one, since each has a filter of its own.
    values = F.pad(pictures, (MARGIN,) * 4, mode="replicate").reshape(1, maps, height + 2 * MARGIN, width + 2 * MARGIN)
    values = F.conv_transpose2d(values, sides[0][:, None, None, :], stride=(1, 2), padding=(0, cut), groups=maps)
    values = F.conv_transpose2d(values, sides[1][:, None, :, None], stride=(2, 1), padding=(cut, 0), groups=maps)
    return values.view(n, channels, 2 * height + 1, 2 * width + 1)


def _taps(softness: Float[Tensor, "n"]) -> Float[Tensor, "n 15"]:
    """Return what one pixel spreads to on half pixels, with itself in the middle."""
    halfband = torch.zeros(15, dtype=softness.dtype, device=softness.device)
    halfband[2:13:2] = torch.tensor(HALFWAY, dtype=softness.dtype, device=softness.device)
    halfband[7] = 1.0
    bend = halfband.roll(2) - 2 * halfband + halfband.roll(-2)
    return halfband + softness[:, None] * bend
