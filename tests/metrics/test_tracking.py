"""The tracker on images whose displacements are known in closed form, and corners by a second computation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.metrics.tracking import corner_strength, correlation, gaussian, read, track
from tests.drag.sliding import SlidingGenerator


def waves(size: int, x: float = 0.0, y: float = 0.0) -> Tensor:
    """Return a pattern of waves moved by (x, y) in fractions of the width: exact between pixels too."""
    return 0.3 * SlidingGenerator(size).synthesize(torch.tensor([[10 * x, 10 * y, 0.0]]), "z")


def at(*points: tuple[float, float]) -> Tensor:
    return torch.tensor(points, dtype=torch.float64)


@settings(max_examples=8)
@given(x=st.floats(-0.12, 0.12), y=st.floats(-0.12, 0.12))
def test_subpixel_shifts_are_tracked(x: float, y: float):
    seen = track(waves(64), waves(64, x, y), at((0.5, 0.45)))
    assert (seen.places - at((0.5 + x, 0.45 + y))).abs().max() < 0.1 / 64
    assert bool(seen.found)


@pytest.mark.parametrize("size", [33, 128, 192])
def test_far_shifts_are_tracked_at_every_size(size: int):
    seen = track(waves(size), waves(size, 0.2, -0.05), at((0.4, 0.5), (0.3, 0.6)))
    assert (seen.places - at((0.6, 0.45), (0.5, 0.55))).abs().max() < 0.2 / size
    assert seen.scores.min() > 0.95


def test_tracking_is_invariant_to_brightness_and_channel_levels():
    plain, changed = waves(64, 0.03, 0.02), waves(64, 0.03, 0.02)
    changed = 0.5 * changed + torch.tensor([0.2, -0.1, 0.0]).view(1, 3, 1, 1)
    first, second = (track(waves(64), other, at((0.5, 0.5))) for other in (plain, changed))
    torch.testing.assert_close(first.places, second.places, rtol=0, atol=1e-4)
    torch.testing.assert_close(first.scores, second.scores, rtol=0, atol=1e-4)


def test_removed_content_is_not_found():
    random = torch.Generator().manual_seed(0)
    other = torch.rand(1, 3, 64, 64, generator=random) * 2 - 1
    assert not bool(track(waves(64), other, at((0.5, 0.5))).found)
    even = torch.zeros(1, 3, 64, 64)
    assert not bool(track(waves(64), even, at((0.5, 0.5))).found)
    assert not bool(track(even, even, at((0.5, 0.5))).found)


def test_points_at_the_edge_are_tracked():
    seen = track(waves(64), waves(64), at((0.0, 0.0), (1.0, 0.5)))
    torch.testing.assert_close(seen.places, at((0.0, 0.0), (1.0, 0.5)), rtol=0, atol=1e-3)


def test_correlation_agrees_with_numpy():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 3, 25))
    centered = [values - values.mean(axis=1, keepdims=True) for values in (first, second)]
    expected = np.corrcoef(*(values.ravel() for values in centered))[0, 1]
    weights = torch.full((25,), 1 / 25).double()
    found = correlation(torch.from_numpy(first), torch.from_numpy(second), weights)
    assert float(found) == pytest.approx(expected)
    assert float(correlation(torch.from_numpy(first), torch.from_numpy(3 * first + 1), weights)) == pytest.approx(1)


def test_corner_strength_is_the_smaller_eigenvalue_of_the_structure_tensor():
    image = waves(32)
    values = torch.nn.functional.pad(image.double(), (1, 1, 1, 1), mode="replicate")
    across, down = (torch.gradient(values, dim=axis)[0][..., 1:-1, 1:-1] for axis in (3, 2))
    reach = 2  # three deviations of 0.02 * 32
    taps = gaussian(reach, 0.02 * 32)
    window = torch.outer(taps, taps)
    row, column = 12, 20
    part = (slice(None), slice(None), slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1))
    slopes = torch.stack([across[part], down[part]])
    tensor = torch.einsum("anchw,bnchw,hw->ab", slopes, slopes, window)
    expected = torch.linalg.eigvalsh(tensor)[0]
    assert float(corner_strength(image)[row, column]) == pytest.approx(float(expected), rel=1e-6)


def test_edges_and_flat_areas_are_no_corners():
    edge = torch.ones(1, 3, 32, 32)
    edge[..., :16] = -1
    assert corner_strength(edge).abs().max() < 1e-12
    edge[..., 16:, :] = -1
    row, column = divmod(int(corner_strength(edge).argmax()), 32)
    assert max(abs(row - 15.5), abs(column - 15.5)) < 1


def test_sampling_at_pixel_centers_gives_the_pixels():
    image = waves(32).double()
    torch.testing.assert_close(read(image, at((10.5, 7.5)))[:, 0], image[0, :, 7, 10])


@pytest.mark.parametrize("side", [8, 31])
def test_images_under_32_pixels_are_refused(side: int):
    with pytest.raises(ImageError, match="Points cannot be tracked"):
        track(torch.zeros(1, 3, side, side), torch.zeros(1, 3, side, side), at((0.5, 0.5)))
