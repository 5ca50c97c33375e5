"""The estimator of yaw: known angles are estimated, rolls and displaced noses are not taken for yaw."""

import pytest
import torch
from studies.drag.yaw_estimator import YawEstimator, degrees_for, fit_yaw_estimator, odd_features, pushed_aside, turned
from torch import Tensor

from ganvas.inversion.features import bundled_features

NOSE, RADIUS = (0.5, 0.55), 0.08


def heads(count: int, seed: int = 0, side: int = 64) -> Tensor:
    """Return drawn heads [n, 3, side, side]: a disc before a background, with two eyes, a nose and a mouth."""
    random = torch.Generator().manual_seed(seed)
    at = (torch.arange(side) + 0.5) / side
    x, y = at[None, None], at[None, :, None]
    colors = torch.rand(count, 4, 3, generator=random) * 1.6 - 0.8
    place = 0.02 * torch.randn(count, 2, 1, 1, generator=random)
    x, y = x - place[:, 0], y - place[:, 1]

    def spot(left: float, top: float, wide: float, tall: float) -> Tensor:
        return torch.exp(-((((x - left) / wide) ** 2 + ((y - top) / tall) ** 2) ** 2))[:, None]

    image = colors[:, 0, :, None, None].expand(-1, -1, side, side)
    parts = [
        spot(0.5, 0.5, 0.4, 0.5),
        spot(0.35, 0.4, 0.07, 0.05) + spot(0.65, 0.4, 0.07, 0.05),
        spot(0.5, 0.75, 0.16, 0.04),
    ]
    for part, color in zip(parts, colors[:, 1:].unbind(1), strict=True):
        image = image + part * (color[:, :, None, None] - image)
    nose = spot(*NOSE, 0.05, 0.08)
    return (image * (1 - 0.6 * nose)).float()


@pytest.fixture(scope="module")
def estimator() -> YawEstimator:
    return fit_yaw_estimator(bundled_features(), heads(160), NOSE, RADIUS)


@pytest.mark.slow
def test_known_yaw_is_estimated_and_rolls_and_noses_are_not_yaw(estimator: YawEstimator):
    """On heads that it has not learned from; a nose pushed as far as a turn of 12.8 degrees would carry it is none."""
    seen = heads(24, seed=1)
    known = torch.linspace(-12, 12, 24)
    read = estimator.degrees(seen, turned(seen, known))
    assert torch.corrcoef(torch.stack([known, read]))[0, 1] > 0.95
    assert (read - known).abs().mean() < 2.5
    alone = estimator.degrees(seen, pushed_aside(seen, NOSE, RADIUS, torch.full((24,), 0.1)))
    assert alone.abs().mean() < 3
    tilted = estimator.degrees(seen, turned(seen, torch.zeros(24), torch.full((24,), 6.0)))
    assert tilted.abs().mean() < 3


@pytest.mark.slow
def test_mirroring_flips_the_sign_of_the_estimate(estimator: YawEstimator):
    before, after = heads(2, seed=2), heads(2, seed=3)
    there, mirrored = estimator.degrees(before, after), estimator.degrees(before.flip(3), after.flip(3))
    torch.testing.assert_close(there, -mirrored, atol=1e-3, rtol=1e-3)
    assert odd_features(estimator.extractor, before + before.flip(3)).abs().max() < 1e-5


def test_warps_move_the_middle_of_a_face_by_the_stated_distance():
    """What lies in the middle of an ellipsoid of the image's width comes to where the angle says."""
    x = ((torch.arange(128) + 0.5) / 128).expand(1, 3, 128, 128)
    for way in (-0.1, 0.05):
        moved = turned(x, torch.tensor([degrees_for(way)]))
        assert float(moved[0, 0, 64, 64]) == pytest.approx(float(x[0, 0, 64, 64]) - way, abs=1e-3)
        pushed = pushed_aside(x, (0.5, 0.5), 0.1, torch.tensor([way]))
        column = round((0.5 + way) * 128)
        assert float(pushed[0, 0, 64, column]) == pytest.approx(0.5, abs=0.01)
        torch.testing.assert_close(pushed[..., :5, :], x[..., :5, :], atol=1e-4, rtol=0)
    torch.testing.assert_close(turned(x, torch.zeros(1)), x, atol=1e-5, rtol=0)


def test_warps_shift_to_the_right_then_rotate_counterclockwise():
    """A quarter turn is exact on the grid of pixels; what was moved to the right ends further up."""
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    still, quarter, aside = torch.zeros(1), torch.tensor([90.0]), torch.tensor([0.25])
    torch.testing.assert_close(turned(x, still, quarter), x.rot90(1, (2, 3)), atol=1e-4, rtol=0)
    moved = turned(x, still, shift=aside)
    torch.testing.assert_close(moved[..., 4:], x[..., :12], atol=1e-4, rtol=0)
    torch.testing.assert_close(turned(x, still, quarter, aside), moved.rot90(1, (2, 3)), atol=1e-4, rtol=0)
