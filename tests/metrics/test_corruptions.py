import pytest
import torch
from scipy import ndimage

from ganvas.metrics import corruptions as distortions


def images(count: int = 3, side: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_blur_agrees_with_scipy_away_from_the_border():
    x = images(2, 48)
    found = distortions.blur(x, torch.tensor([1.0, 2.0]))
    for row, std in enumerate((1.0, 2.0)):
        expected = ndimage.gaussian_filter(x[row].numpy(), (0, std, std), truncate=6)
        torch.testing.assert_close(found[row, :, 14:-14, 14:-14], torch.tensor(expected)[:, 14:-14, 14:-14])


def test_blur_keeps_constants_and_changes_nothing_at_zero():
    torch.testing.assert_close(
        distortions.blur(torch.ones(2, 3, 8, 8), torch.tensor([1.0, 30.0])), torch.ones(2, 3, 8, 8)
    )
    x = images(1)
    torch.testing.assert_close(distortions.blur(x, torch.zeros(1)), x)


def test_noise_has_its_std():
    x, normal = torch.zeros(2, 3, 64, 64), torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    noisy = distortions.add_noise(x, torch.tensor([0.0, 0.2]), normal)
    assert float(noisy[0].abs().max()) == 0
    assert float(noisy[1].std()) == pytest.approx(0.2, rel=0.05)


def test_shift_moves_to_the_right_and_mirrors():
    x = torch.arange(6.0).expand(1, 3, 6, 6)
    assert distortions.shift(x, 2)[0, 0, 0].tolist() == [2, 1, 0, 1, 2, 3]
    torch.testing.assert_close(distortions.shift(x, 0), x)


def test_coarsening_twice_loses_little_more():
    x = images(1, 32)
    once = distortions.coarsen(x, 8)
    twice = distortions.coarsen(once, 8)
    assert once.shape == x.shape
    assert (twice - once).square().mean() < 0.2 * (once - x).square().mean()


def test_warp_by_a_constant_field_is_a_shift():
    x, field = images(1, 16), torch.zeros(1, 2, 3, 3)
    torch.testing.assert_close(distortions.warp(x, torch.ones(1), field), x, atol=1e-5, rtol=0)
    field[:, 0] = 1
    moved = distortions.warp(x, torch.full((1,), 2.0), field)
    torch.testing.assert_close(moved[..., :-2], x[..., 2:], atol=1e-5, rtol=0)


def test_empty_batches_stay_empty():
    none = torch.zeros(0, 3, 8, 8)
    assert distortions.warp(none, torch.zeros(0), torch.zeros(0, 2, 3, 3)).shape == none.shape
    assert distortions.blur(none, torch.zeros(0)).shape == none.shape


def test_a_transplant_is_round_and_elsewhere_nothing_changes():
    x, others = torch.zeros(1, 3, 40, 40), torch.ones(1, 3, 40, 40)
    found = distortions.transplant(x, others, torch.tensor([[0.25, 0.75]]), torch.tensor([0.2]))
    assert float(found[0, 0, 30, 10]) == 1
    assert float(found[0, 0, 10, 30]) == 0
    assert float(found.mean()) == pytest.approx(torch.pi * 0.2**2, rel=0.03)


def test_recoloring_gray_by_saturation_changes_nothing():
    gray = images()[:, :1].expand(-1, 3, -1, -1)
    same = distortions.recolor(gray, torch.ones(3, 3), torch.zeros(3), torch.tensor([0.0, 1.0, 2.0]))
    torch.testing.assert_close(same, gray)
    brighter = distortions.recolor(gray, torch.ones(3, 3), torch.full((3,), 0.1), torch.ones(3))
    torch.testing.assert_close(brighter, gray + 0.1)


def test_crops_begin_at_their_corners():
    x = images(2, 10)
    found = distortions.crop(x, torch.tensor([[1, 2], [4, 0]]), 6)
    torch.testing.assert_close(found[0], x[0, :, 2:8, 1:7])
    torch.testing.assert_close(found[1], x[1, :, 0:6, 4:10])
