"""Structural similarity, SSIM (Wang, Bovik, Sheikh and Simoncelli 2004): a metric without a network, held out from what
inversion optimizes.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError

WINDOW, STD = 11, 1.5  # pixels
STABLE_MEANS, STABLE_VARIANCES = 0.01, 0.03
RANGE = 2.0  # black to white


def ssim(images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "_n 3 _h _w"]) -> Float[Tensor, "n"]:
    """Return the SSIM of each pair of images, from -1 to 1 (equal), averaged over channels and over all positions of
    the window inside the image (Wang et al. 2004, Eq. 13, with C1 and C2 of Eq. 7 and 9).

    Images are clamped to [-1, 1], as files are. Raises `ImageError` for images smaller than the window of 11 pixels, or
    of different shapes.
    """
    if images.shape != others.shape or min(images.shape[-2:]) < WINDOW:
        raise ImageError(
            f"SSIM cannot compare images of shapes {list(images.shape)} and {list(others.shape)}; give two tensors of "
            f"the same shape, with sides of at least {WINDOW} pixels."
        )
    x, y = (values.clamp(-1, 1).flatten(0, 1)[:, None] for values in (images, others))  # [n 3, 1, h, w]
    mean_x, mean_y = smoothed(x), smoothed(y)
    variance_x, variance_y = smoothed(x * x) - mean_x**2, smoothed(y * y) - mean_y**2
    covariance = smoothed(x * y) - mean_x * mean_y
    # The formula is for values from 0 up: moving [-1, 1] to [0, 2] changes only the means.
    mean_x, mean_y = mean_x + RANGE / 2, mean_y + RANGE / 2
    c1, c2 = (STABLE_MEANS * RANGE) ** 2, (STABLE_VARIANCES * RANGE) ** 2
    alike = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    alike = alike * (2 * covariance + c2) / (variance_x + variance_y + c2)
    return alike.flatten(1).mean(1).unflatten(0, images.shape[:2]).mean(1)


def smoothed(x: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h2 w2"]:
    """Return local means under a Gaussian window of 11 x 11 pixels and std 1.5, where it lies inside the image."""
    places = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    taps = torch.exp(-places.square() / (2 * STD**2))
    taps = taps / taps.sum()
    return F.conv2d(F.conv2d(x, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
