import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.errors import ImageError
from ganvas.metrics.corruptions import add_noise, blur, shift
from ganvas.metrics.features import Architecture, FeatureNetwork
from ganvas.metrics.perceptual import all_distances, distance_of_maps, perceptual_distance, similarity, unit_maps


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    """Return a small network with random weights: what is tested here holds for any weights."""
    torch.manual_seed(0)
    small = FeatureNetwork(Architecture(32, (6, 8, 10), 12)).eval().requires_grad_(False)
    small.projection.normal_()
    return small


def images(count: int, seed: int = 0, side: int = 32) -> torch.Tensor:
    noise = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return blur(noise, torch.full((count,), 1.5)).clamp(-1, 1)


def test_distance_of_an_image_from_itself_is_zero(network: FeatureNetwork):
    x = images(3)
    assert perceptual_distance(network, x, x).tolist() == [0, 0, 0]


@settings(max_examples=5)
@given(st.integers(0, 10**6))
def test_distance_is_symmetric_and_between_0_and_4(network: FeatureNetwork, seed: int):
    x, y = images(2, seed), images(2, seed + 1)
    one, other = perceptual_distance(network, x, y), perceptual_distance(network, y, x)
    torch.testing.assert_close(one, other)
    assert (one > 0).all()
    assert (one <= 4).all()


def test_square_root_of_the_distance_is_a_metric(network: FeatureNetwork):
    x, y, z = (images(4, seed) for seed in range(3))
    a, b, c = (perceptual_distance(network, *pair).sqrt() for pair in ((x, y), (y, z), (x, z)))
    assert (c <= a + b + 1e-6).all()


def test_distance_equals_its_formula(network: FeatureNetwork):
    x, y = images(1), images(1, 1)
    expected = 0.0
    for a, b in zip(network.maps(x), network.maps(y), strict=True):
        cosine = (a * b).sum(1) / (a.square().sum(1).sqrt() * b.square().sum(1).sqrt())
        expected += float((2 - 2 * cosine).mean()) / 3
    assert float(perceptual_distance(network, x, y)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.float32
def test_one_image_is_compared_with_many(network: FeatureNetwork):
    x, y = images(1), images(4, 1)
    expected = perceptual_distance(network, x.expand(4, -1, -1, -1), y)
    torch.testing.assert_close(perceptual_distance(network, x, y), expected)
    torch.testing.assert_close(perceptual_distance(network, y, x), expected)


def test_distance_of_kept_maps_is_that_of_the_images(network: FeatureNetwork):
    x, y = images(2), images(2, 1)
    kept = unit_maps(network, x)
    torch.testing.assert_close(distance_of_maps(kept, unit_maps(network, y)), perceptual_distance(network, x, y))


@pytest.mark.float32
def test_distances_of_all_pairs_equal_those_one_by_one(network: FeatureNetwork):
    x, y = images(3), images(4, 1)
    together = all_distances(unit_maps(network, x), unit_maps(network, y))
    for i in range(3):
        torch.testing.assert_close(together[i], perceptual_distance(network, x[i : i + 1], y), rtol=1e-4, atol=1e-6)


def test_distance_rises_with_the_amount_of_corruption(network: FeatureNetwork):
    x = images(4)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    noisy = [add_noise(x, torch.full((4,), level), noise) for level in (0.02, 0.1, 0.5)]
    moved = [shift(x, pixels) for pixels in (1, 2, 4)]
    for levels in (noisy, moved):
        distances = torch.stack([perceptual_distance(network, x, each) for each in levels])
        assert (distances.diff(dim=0) > 0).all()


def test_gradient_agrees_with_finite_differences(network: FeatureNetwork):
    target, x = images(1), images(1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(perceptual_distance(network, x, target).sum(), x)
    step = 1e-3 * gradient / gradient.square().mean().sqrt()
    with torch.no_grad():
        ends = [float(perceptual_distance(network, x + sign * step, target)) for sign in (1, -1)]
    assert float((gradient * step).sum()) == pytest.approx((ends[0] - ends[1]) / 2, rel=0.05)


def test_gradient_descent_reduces_the_distance(network: FeatureNetwork):
    target, x = images(1), images(1, 1).requires_grad_()
    optimizer = torch.optim.Adam([x], 0.05)
    before = float(perceptual_distance(network, x, target).detach())
    for _ in range(12):
        optimizer.zero_grad()
        perceptual_distance(network, x, target).sum().backward()
        optimizer.step()
    assert float(perceptual_distance(network, x, target).detach()) < before / 2


def test_flat_images_have_finite_gradients(network: FeatureNetwork):
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    perceptual_distance(network, x, images(1)).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_similarity_is_the_cosine_of_global_features(network: FeatureNetwork):
    x, y = images(3), images(3, 1)
    torch.testing.assert_close(similarity(network, x, x), torch.ones(3))
    torch.testing.assert_close(similarity(network, x, y), similarity(network, y, x))
    assert (similarity(network, x, y).abs() <= 1).all()


def test_unequal_numbers_of_images_are_refused(network: FeatureNetwork):
    for compare in (perceptual_distance, similarity):
        with pytest.raises(ImageError, match="2 images cannot be compared with 3"):
            compare(network, images(2), images(3))
