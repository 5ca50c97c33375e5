"""Features at their own size against enlarging the whole map, which is what the papers' codes do."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganvas.drag.sampling import (
    Plane,
    disc,
    interpolation_matrix,
    sample_grid,
    sample_point,
    sample_square,
    whole_offsets,
)


def enlarged(feature: Tensor, points: Tensor, resolution: int) -> Tensor:
    """Return [c, n]: the whole map enlarged to the image's size, then read at points [n, 2] in pixels, by torch."""
    whole = F.interpolate(feature, size=(resolution, resolution), mode="bilinear", align_corners=False)
    places = points.to(feature) / resolution * 2 - 1
    return F.grid_sample(whole, places[None, None], mode="bilinear", padding_mode="border", align_corners=False)[
        0, :, 0
    ]


def grid_points(xs: Tensor, ys: Tensor) -> Tensor:
    return torch.stack(torch.meshgrid(xs, ys, indexing="xy"), dim=-1).flatten(0, 1)


def random_map(size: int, channels: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(size)).to(dtype)


@given(
    size=st.sampled_from([5, 16, 32]),
    factor=st.sampled_from([1, 2, 4, 8]),
    middle=st.tuples(st.floats(-0.1, 1.1), st.floats(-0.1, 1.1)),
    reach=st.integers(0, 6),
)
@settings(max_examples=80)
def test_sampling_equals_enlarging_the_whole_map(size: int, factor: int, middle: tuple[float, float], reach: int):
    """At any place, also between pixels, at the border and beyond it."""
    feature, resolution = random_map(size), size * factor
    point = torch.tensor(middle, dtype=torch.float64) * resolution
    offsets = whole_offsets(float(reach))
    ours = sample_square(feature, point, offsets, Plane(resolution))
    expected = enlarged(feature, grid_points(point[0] + offsets, point[1] + offsets), resolution)
    assert (ours.flatten(1) - expected).abs().max() < 1e-6


@pytest.mark.parametrize(("size", "resolution"), [(32, 64), (128, 256), (128, 1024)])
def test_samples_equal_the_enlarged_map_in_float32(size: int, resolution: int):
    """On whole pixels, where torch rounds no position."""
    feature = random_map(size, 8, torch.float32)
    point, offsets = torch.tensor([resolution / 3 // 1 + 0.5, 0.5], dtype=torch.float64), whole_offsets(12.0)
    ours = sample_square(feature, point, offsets, Plane(resolution))
    expected = enlarged(feature, grid_points(point[0] + offsets, point[1] + offsets), resolution)
    assert (ours.flatten(1) - expected).abs().max() < 1e-6


def test_gradients_equal_those_of_the_enlarged_map():
    feature, point = random_map(8).requires_grad_(), torch.tensor([13.3, 30.9], dtype=torch.float64)
    offsets = whole_offsets(3.0)
    weights = torch.randn(3, 49, generator=torch.Generator().manual_seed(0)).double()
    ours = (sample_square(feature, point, offsets, Plane(32)).flatten(1) * weights).sum()
    theirs = (enlarged(feature, grid_points(point[0] + offsets, point[1] + offsets), 32) * weights).sum()
    mine, other = (torch.autograd.grad(total, feature)[0] for total in (ours, theirs))
    torch.testing.assert_close(mine, other, atol=1e-12, rtol=1e-9)


def test_map_with_margins_gives_the_same_samples_inside():
    """A map of 20 samples of which 16 lie on the image: reading inside equals reading the part inside, away from its
    edge, and a margin is read where the part would repeat its border.
    """
    whole = random_map(20)
    inside, plane = whole[..., 2:-2, 2:-2], Plane(64, (-0.125, -0.125, 1.125, 1.125))
    offsets, middle = whole_offsets(9.0), torch.tensor([31.2, 40.0], dtype=torch.float64)
    torch.testing.assert_close(
        sample_square(whole, middle, offsets, plane), sample_square(inside, middle, offsets, Plane(64))
    )
    corner = torch.tensor([-7.5, -7.5], dtype=torch.float64)
    torch.testing.assert_close(sample_point(whole, corner, plane), whole[0, :, 0, 0])


@given(position=st.floats(-50, 150), size=st.integers(1, 40))
@settings(max_examples=50)
def test_every_sample_is_a_weighted_mean_of_at_most_four(position: float, size: int):
    weights = interpolation_matrix(torch.tensor([position], dtype=torch.float64), size, 0.0, 100.0)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(), torch.ones((), dtype=torch.float64))
    assert 1 <= int((weights > 0).sum()) <= 4


def test_samples_far_from_the_square_are_not_read():
    """A map that is nan away from the patch gives numbers all the same."""
    feature = torch.full((1, 2, 64, 64), torch.nan)
    feature[..., 20:30, 40:50] = 1.0
    point = torch.tensor([90.0, 50.0], dtype=torch.float64)
    assert (sample_square(feature, point, whole_offsets(3.0), Plane(128)) == 1).all()


def test_rows_and_columns_are_not_exchanged():
    feature = torch.arange(16.0).reshape(1, 1, 4, 4)
    xs, ys = torch.tensor([0.5, 1.5], dtype=torch.float64), torch.tensor([2.5], dtype=torch.float64)
    assert sample_grid(feature, xs, ys, Plane(4)).flatten().tolist() == [8.0, 9.0]


@pytest.mark.parametrize(("radius", "points"), [(2.0, 9), (3.0, 25), (6.0, 109), (1.0, 1)])
def test_discs_have_the_published_numbers_of_points(radius: float, points: int):
    """At 256 px r1 = 2, at 512 px 3, at 1024 px 6."""
    assert int(disc(radius).sum()) == points
