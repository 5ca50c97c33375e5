"""Differences of weights: what a latent keeps of a tuned generator, and that the generator stays as it is."""

import pytest
import torch

from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.weight_differences import (
    LEFT,
    RIGHT,
    changed_names,
    difference,
    factors,
    weights_of,
    with_differences,
)
from ganvas.generators.wrapped.wrap import wrap
from tests.fakes import LinearGenerator
from tests.generators.small import small_stylegan2

NAME = "synthesis.blocks.b8.conv0.weight"


def test_factors_are_the_nearest_of_their_rank():
    whole = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    left, right = factors(whole, 2)
    assert (left.shape, right.shape) == ((5, 2), (2, 36))
    rest = torch.linalg.svdvals(whole.flatten(1))[2:]
    assert (whole.flatten(1) - left @ right).norm() == pytest.approx(float(rest.norm()), rel=1e-4)
    left, right = factors(whole, 99)
    torch.testing.assert_close(left @ right, whole.flatten(1))


@pytest.mark.parametrize("factored", [False, True])
def test_a_tuned_generator_shares_its_other_weights(factored: bool):
    generator = small_stylegan2(16)
    before = {name: weight.clone() for name, weight in weights_of(generator).items()}
    change = 0.1 * torch.randn(before[NAME].shape, generator=torch.Generator().manual_seed(0))
    left, right = factors(change, 99)
    differences = {NAME + LEFT: left, NAME + RIGHT: right} if factored else {NAME: change}
    twin = with_differences(generator, differences)
    assert changed_names(differences) == {NAME}
    torch.testing.assert_close(weights_of(twin)[NAME], before[NAME] + change, atol=1e-5, rtol=1e-5)
    for name, weight in weights_of(generator).items():
        assert torch.equal(weight, before[name])
        assert name == NAME or weights_of(twin)[name] is weight
    ws = generator.map(generator.sample([0]))
    assert not torch.equal(twin.synthesize(ws, "w+"), generator.synthesize(ws, "w+"))


def test_nothing_changed_is_the_same_image():
    generator = small_stylegan2(16)
    ws = generator.map(generator.sample([0]))
    assert torch.equal(with_differences(generator, {}).synthesize(ws, "w+"), generator.synthesize(ws, "w+"))


def test_the_precision_of_weights_stays():
    generator = small_stylegan2(16).set_precision(torch.bfloat16)
    twin = with_differences(generator, {NAME: torch.zeros(5, 5, 3, 3, dtype=torch.float16)})
    assert weights_of(twin)[NAME].dtype == torch.bfloat16


def test_a_wrapped_module_can_be_tuned():
    module = torch.nn.Sequential(torch.nn.Linear(4, 3 * 64), torch.nn.Unflatten(1, (3, 8, 8))).eval()
    generator = wrap(module, z_dim=4)
    twin = with_differences(generator, {"0.weight": torch.ones(192, 4)})
    z = generator.sample([0])
    expected = generator.synthesize(z, "z") + z.sum()
    torch.testing.assert_close(twin.synthesize(z, "z"), expected)


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        ({"nowhere.weight": torch.zeros(1)}, "no weight 'nowhere.weight'"),
        ({NAME: torch.zeros(2)}, "has 2 values"),
        ({NAME + LEFT: torch.zeros(5, 2)}, "not whole"),
        ({NAME + LEFT: torch.zeros(5, 2), NAME + RIGHT: torch.zeros(3, 45)}, "not whole"),
        ({NAME + LEFT: torch.zeros(5), NAME + RIGHT: torch.zeros(45)}, "not whole"),
    ],
)
def test_differences_that_do_not_fit_are_refused(differences: dict[str, torch.Tensor], message: str):
    with pytest.raises(ResultFileError, match=message):
        with_differences(small_stylegan2(16), differences)


def test_a_generator_of_no_module_cannot_be_tuned():
    with pytest.raises(LatentError, match="PyTorch modules"):
        weights_of(LinearGenerator())


def test_a_difference_in_half_precision_takes_the_shape_of_its_weight():
    assert torch.equal(difference({"a": torch.ones(2).half()}, "a", torch.zeros(1, 2)), torch.ones(1, 2))
