"""SSIM: against the paper's formula written out with scipy, and its properties."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ganvas.errors import ImageError
from ganvas.metrics.ssim import ssim


def by_formula(x: np.ndarray, y: np.ndarray) -> float:
    """One channel, values from 0 to 255; a Gaussian of 1.5 cut at 5 pixels, places where it lies within."""
    within = (slice(5, -5), slice(5, -5))

    def mean(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, 1.5, radius=5, mode="constant")[within]

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


def test_ssim_agrees_with_the_papers_formula():
    random = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 20, 31, generator=random, dtype=torch.float64) * 2 - 1
    y = (x + 0.3 * torch.randn(x.shape, generator=random, dtype=torch.float64)).clamp(-1, 1)
    a, b = (((values + 1) * 127.5).numpy() for values in (x, y))
    expected = [np.mean([by_formula(a[row, channel], b[row, channel]) for channel in range(3)]) for row in range(2)]
    assert np.allclose(ssim(x, y).numpy(), expected, atol=1e-9)


def test_ssim_is_one_for_equal_images_and_falls_with_noise():
    random = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, 24, 24, generator=random) * 2 - 1
    noise = torch.randn(x.shape, generator=random)
    assert ssim(x, x).item() == pytest.approx(1.0, abs=1e-5)
    found = [ssim(x, x + amount * noise).item() for amount in (0.05, 0.2, 0.5, 1.0)]
    assert found == sorted(found, reverse=True)
    assert ssim(x, -x).item() < 0


def test_ssim_is_symmetric_and_independent_of_the_batch():
    x, y = torch.rand(2, 3, 3, 16, 12) * 2 - 1
    assert torch.allclose(ssim(x, y), ssim(y, x), atol=1e-6)
    assert torch.allclose(ssim(x, y)[1:2], ssim(x[1:2], y[1:2]), atol=1e-6)


def test_images_too_small_or_of_unequal_shape_are_refused():
    with pytest.raises(ImageError, match="11"):
        ssim(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))
    with pytest.raises(ImageError, match="the same shape"):
        ssim(torch.zeros(1, 3, 20, 20), torch.zeros(2, 3, 20, 20))
