import pytest
import torch

from ganvas.parts.refine import as_mask, guided_filter, refined


def test_guided_filter_follows_an_edge_of_the_guide():
    guide = torch.full((1, 1, 12, 24), -1.0)
    guide[..., 12:] = 1
    blurred = torch.linspace(0, 1, 24).expand(1, 1, 12, 24)
    edge = guided_filter(guide, blurred, 4)
    before, after = (blurred[..., 12] - blurred[..., 11]).mean(), (edge[..., 12] - edge[..., 11]).mean()
    assert after > 4 * before


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_guided_filter_keeps_constants(level: float):
    guide = torch.randn(2, 1, 10, 10, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        guided_filter(guide, torch.full((2, 3, 10, 10), level), 3), torch.full((2, 3, 10, 10), level)
    )


def test_guided_filter_is_linear_in_the_values():
    random = torch.Generator().manual_seed(2)
    guide, a, b = (torch.randn(1, 1, 9, 9, generator=random) for _ in range(3))
    both = guided_filter(guide, a + 2 * b, 2)
    torch.testing.assert_close(both, guided_filter(guide, a, 2) + 2 * guided_filter(guide, b, 2), rtol=1e-4, atol=1e-5)


def test_refined_shares_of_several_parts_still_sum_to_one():
    random = torch.Generator().manual_seed(3)
    shares = torch.randn(1, 4, 16, 16, generator=random).softmax(1)
    images = torch.randn(1, 3, 16, 16, generator=random).clamp(-1, 1)
    total = guided_filter(images[:, :1], shares, 2).sum(1)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-4, atol=1e-4)
    assert refined(images, shares).amax() <= 1


def test_a_mask_ends_in_zero_and_one():
    shares = torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0]).view(1, 1, 1, 5)
    assert as_mask(shares).flatten().tolist() == [0, 0, 0.5, 1, 1]
