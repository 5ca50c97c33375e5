"""Octaves of images: waves fall into the right one, energies add up, enlarged images lack the finest."""

import math

import pytest
import torch
import torch.nn.functional as F

from ganvas.errors import ImageError
from ganvas.images import pixels
from ganvas.metrics.spectrum import octave_energies

pytestmark = pytest.mark.usefixtures("two_threads")


def wave(cycles_x: float, cycles_y: float, side: int = 64) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.cos(2 * math.pi * (cycles_x * x + cycles_y * y) / side).expand(1, 3, -1, -1)


@pytest.mark.parametrize(("cycles", "octave"), [((24, 3), 0), ((3, 24), 0), ((12, 12), 1), ((10, 0), 1), ((6, 2), 2)])
def test_wave_has_its_energy_in_its_octave(cycles: tuple[int, int], octave: int):
    energies = octave_energies(wave(*cycles))[0]
    assert int(energies.argmax()) == octave
    assert float(energies[octave] / energies.sum()) > 0.98


def test_energies_sum_to_the_windowed_variance():
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    window = torch.outer(torch.hann_window(32), torch.hann_window(32))
    mean = (images * window).sum((2, 3), keepdim=True) / window.sum()
    total = ((images - mean) * window).square().mean((1, 2, 3))
    torch.testing.assert_close(octave_energies(images).sum(1), total, rtol=1e-4, atol=1e-6)


def test_energies_are_invariant_to_brightness_flips_and_border_steps():
    images = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = octave_energies(images)
    torch.testing.assert_close(octave_energies(images + 0.3), found, rtol=1e-3, atol=1e-6)  # brightness
    torch.testing.assert_close(octave_energies(images.flip(3)).sum(1), found.sum(1), rtol=0.1, atol=1e-3)
    torch.testing.assert_close(octave_energies(2 * images), 4 * found, rtol=1e-4, atol=1e-6)
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, -1)  # a step from border to border
    assert float(octave_energies(ramp)[0, 0] / octave_energies(ramp).sum()) < 1e-6


def test_enlarged_images_lack_the_finest_octave():
    noise = F.avg_pool2d(torch.randn(4, 3, 66, 66, generator=torch.Generator().manual_seed(0)), 3, 1)
    enlarged = pixels.resize(pixels.resize(noise, 32, 32), 64, 64)
    share = octave_energies(enlarged).mean(0) / octave_energies(noise).mean(0)
    assert share[0] < 0.15 < 0.5 < share[2]


def test_images_below_4_pixels_are_refused():
    with pytest.raises(ImageError, match="at least 4 pixels a side"):
        octave_energies(torch.zeros(1, 3, 2, 8))
