"""Jacobians of generators whose derivative is known: linear ones, small random ones, and by finite differences."""

import pytest
import torch

from ganvas.directions import jacobian as jacobian_module
from ganvas.directions.basis import make_basis
from ganvas.directions.jacobian import Jacobian, JacobianPlan, hold, plan_columns, streamed_grams
from ganvas.directions.jvp import Measure, default_measure, derivative
from ganvas.errors import GanvasError, LatentError
from ganvas.latents.latent import sample
from ganvas.regions import Region
from tests.generators.small import small_stylegan2

WHOLE = plan_columns(1, 1)


def held(space: str = "w", layers: str | None = None, resolution: int = 16, channels: str = "all") -> tuple:
    """Return a small generator, its base code and J of it."""
    generator = small_stylegan2(16)
    basis = make_basis(generator, space, layers)
    latent = sample(generator, [1], truncation=0.7, space=basis.acts_in)
    linear = derivative(generator, latent, basis, Measure(resolution, channels))
    return generator, latent.codes, linear, hold(linear, WHOLE)


@pytest.mark.parametrize(("space", "layers"), [("w", None), ("w", "2-3"), ("w+", "2-3"), ("s", "1"), ("z", None)])
@pytest.mark.parametrize(("resolution", "channels"), [(16, "all"), (8, "luma")])
def test_columns_are_finite_differences(space: str, layers: str | None, resolution: int, channels: str) -> None:
    generator, code, linear, jacobian = held(space, layers, resolution, channels)
    step = 1e-2
    for column in (0, linear.basis.size - 1):
        tangent = step * linear.basis.tangents(column, column + 1)
        acts_in = linear.basis.acts_in
        settings = {"truncation": 0.7} if space == "z" else {}
        ahead, behind = (linear.measure(generator.synthesize(code + s * tangent, acts_in, **settings)) for s in (1, -1))
        expected = ((ahead - behind) / (2 * step)).flatten()
        error = (jacobian.columns[column] - expected).norm() / expected.norm()
        assert error < 0.03  # kinks of the leaky ReLU within the step, and float32; exact agreement is tested elsewhere


@pytest.mark.float32
def test_a_direction_of_w_is_the_sum_of_its_layers() -> None:
    _, _, _, by_w = held("w", "2-3")
    _, _, _, by_layers = held("w+", "2-3")
    torch.testing.assert_close(by_w.columns, by_layers.columns.unflatten(0, (2, -1)).sum(0), rtol=1e-4, atol=1e-5)


def test_grams_of_a_mask_its_complement_and_the_whole() -> None:
    _, _, _, jacobian = held("w")
    dense = jacobian.columns.double()
    for region in (
        Region.box(0.1, 0.2, 0.4, 0.5),
        Region.box(0.0, 0.0, 0.9, 0.95),
        Region.box(0, 0, 0.6, 0.6).feather(0.5),
    ):
        inside, outside = region.split(16, 16)
        for mask, gram in zip((inside, outside), jacobian.split_grams(inside, outside), strict=True):
            weights = mask.double().flatten().repeat(3)
            expected = (dense * weights) @ dense.T
            torch.testing.assert_close(gram, expected, rtol=1e-5, atol=1e-5 * float(expected.diagonal().max()))


def test_a_ring_belongs_to_neither() -> None:
    _, _, _, jacobian = held("w")
    inside, outside = Region.box(0.25, 0.25, 0.5, 0.5).split(16, 16, ignore_band=0.1)
    dense = jacobian.columns.double()
    _, gram = jacobian.split_grams(inside, outside)
    torch.testing.assert_close(gram, (dense * outside.double().flatten().repeat(3)) @ dense.T, rtol=1e-5, atol=1e-5)


def test_float16_keeps_the_grams() -> None:
    _, _, _, jacobian = held("w")
    half = Jacobian(jacobian.columns.half(), jacobian.channels, jacobian.resolution)
    error = (half.whole() - jacobian.whole()).norm() / jacobian.whole().norm()
    assert 0 < error < 1e-3
    assert half.bytes == jacobian.bytes // 2


@pytest.mark.float32
@pytest.mark.parametrize("blocks", [2, 3, 6])
def test_streamed_grams_equal_held_ones(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobian_module, "TANGENTS_AT_ONCE", 2)
    _, _, linear, jacobian = held("w")
    masks = list(Region.box(0.3, 0.3, 0.7, 0.6).split(16, 16))
    seen: list[tuple[int, int]] = []
    grams = streamed_grams(
        linear, masks, JacobianPlan(torch.float32, blocks, 0), lambda what, done, total: seen.append((done, total))
    )
    for gram, mask in zip(grams, masks, strict=True):
        held_gram = jacobian.gram(mask)
        # Sums of float32 in another order differ by some of its eps, of the largest entry.
        torch.testing.assert_close(gram, held_gram, rtol=0, atol=2e-5 * float(held_gram.abs().max()))
    assert seen[-1][0] == seen[-1][1]


def test_plans_keep_to_the_budget() -> None:
    assert plan_columns(512, 3 * 256 * 256).dtype == torch.float32
    half = plan_columns(512, 3 * 256 * 256, budget=250 * 2**20)
    assert (half.dtype, half.blocks) == (torch.float16, 1)
    blocks = plan_columns(512, 3 * 256 * 256, budget=100 * 2**20)
    assert blocks.blocks > 1
    assert blocks.bytes <= 100 * 2**20
    assert "blocks of columns" in str(blocks)
    assert "384 MiB" in str(plan_columns(512, 3 * 256 * 256))
    with pytest.raises(GanvasError, match="give at least"):
        plan_columns(512, 3 * 256 * 256, budget=10**6)


def test_measures() -> None:
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Measure(8)(images), images)
    torch.testing.assert_close(Measure(4)(images), torch.nn.functional.avg_pool2d(images, 2))
    assert torch.equal(Measure(4, "sum", "nearest")(images), images[..., ::2, ::2].sum(1, keepdim=True))
    assert Measure(4, "luma")(images).shape == (2, 1, 4, 4)
    for wrong in ({"channels": "hue"}, {"sampling": "best"}):
        with pytest.raises(GanvasError, match="not known"):
            Measure(4, **wrong)


def test_default_measure_is_native_up_to_256() -> None:
    generator = small_stylegan2(8)
    assert default_measure(generator).resolution == 8
    generator.resolution = 1024
    assert default_measure(generator).resolution == 256
    assert default_measure(generator, 512).resolution == 512
    with pytest.raises(GanvasError, match="at most that"):
        default_measure(generator, 2048)


def test_one_code_at_a_time() -> None:
    generator = small_stylegan2(8)
    with pytest.raises(LatentError, match="2 were given"):
        derivative(generator, sample(generator, [0, 1]), make_basis(generator, "w"), Measure(8))
