"""Statistics of spaces from samples of the prior."""

import math
import re

import pytest
import torch

from ganvas.errors import LatentError
from ganvas.latents.spaces import SAMPLES, draw_samples, sample_codes, stds_along, to_space
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2


def along(generator, vectors: torch.Tensor, space: str, label=None) -> torch.Tensor:
    return stds_along(draw_samples(generator, space, label), vectors)


def test_codes_are_those_of_the_seeds_in_order_untruncated():
    generator = LayeredGenerator()
    z = generator.sample(range(5))
    assert torch.equal(sample_codes(generator, "z", 5), z)
    assert torch.equal(sample_codes(generator, "w", 5), generator.map(z, "w"))
    assert torch.equal(sample_codes(generator, "w+", 5), generator.map(z, "w+"))
    with pytest.raises(LatentError, match="Space 's' does not exist here"):
        sample_codes(generator, "s", 5)


@pytest.mark.slow
def test_the_std_is_that_of_the_codes_along_each_vector():
    generator = LayeredGenerator()
    vectors = torch.nn.functional.normalize(torch.randn(3, 6), dim=1)
    covariance = torch.cov(sample_codes(generator, "w").double().T)
    expected = ((vectors.double() @ covariance) * vectors.double()).sum(1).sqrt()
    found = along(generator, vectors, "w")
    torch.testing.assert_close(found, expected)
    # w = 2 z + average: twice the deviation of the prior, whichever way.
    assert (found - 2).abs().max() < 5 * 2 / math.sqrt(2 * SAMPLES)
    torch.testing.assert_close(along(generator, vectors, "z"), found / 2)
    torch.testing.assert_close(along(generator, -vectors, "w"), found)


def test_in_w_plus_the_vector_of_all_layers_has_its_frobenius_length():
    generator = LayeredGenerator()
    vector = torch.nn.functional.normalize(torch.randn(1, 6), dim=1)
    spread = vector[:, None].expand(-1, 3, -1) / math.sqrt(3)
    torch.testing.assert_close(along(generator, spread, "w+"), math.sqrt(3) * along(generator, vector, "w"))


def test_a_z_only_generator_has_stds_too():
    assert along(LinearGenerator(), torch.eye(6), "z").sub(1).abs().max() < 0.1
    with pytest.raises(LatentError):
        along(LinearGenerator(), torch.eye(6), "w")


@pytest.mark.slow
def test_without_the_label_that_codes_need_stds_are_unknown_and_nothing_is_lost():
    generator = small_stylegan2(label_dim=3)
    vectors = torch.eye(6)[:2]
    assert along(generator, vectors, "w").isnan().all()
    known = along(generator, vectors, "w", label=2)
    assert known.isfinite().all()
    torch.testing.assert_close(along(generator, vectors, "w", torch.tensor([[0.0, 0.0, 1.0]])), known)
    with pytest.raises(LatentError, match="Label 3 does not exist"):
        along(generator, vectors, "w", label=3)


def test_every_way_between_spaces_gives_the_same_image():
    generator = small_stylegan2()
    z = generator.sample([0, 1])
    codes = {"z": z} | {space: generator.map(z, space, truncation=0.6) for space in ("w", "w+", "s")}
    for space, to in (("z", "w"), ("z", "w+"), ("z", "s"), ("w", "w+"), ("w", "s"), ("w+", "s")):
        torch.testing.assert_close(to_space(generator, codes[space], space, to, truncation=0.6), codes[to])
    for space in generator.spaces:
        assert torch.equal(to_space(generator, codes[space], space, space), codes[space])


def test_no_way_leads_back():
    generator = small_stylegan2()
    z = generator.sample([0, 1])
    codes = {"z": z} | {space: generator.map(z, space) for space in ("w", "w+", "s")}
    for space, to in (("s", "w"), ("s", "w+"), ("s", "z"), ("w+", "w"), ("w+", "z"), ("w", "z")):
        with pytest.raises(LatentError, match=f"Codes of space {re.escape(space)} do not lead to space"):
            to_space(generator, codes[space], space, to)


def test_codes_that_are_none_of_the_space_are_refused():
    generator = small_stylegan2()
    z = generator.sample([0, 1])
    s = generator.map(z, "s")
    wrong = [(z, "w"), (s, "w"), (s, "w+"), (s, "z"), (s[0], "s"), (z, "q"), (torch.tensor(1.0), "z"), (z[:0], "z")]
    wrong += [(z.long(), "z"), (z.bool(), "z"), (z * torch.nan, "z")]
    for codes, space in wrong:
        with pytest.raises(LatentError):
            to_space(generator, codes, space, "w")
    with pytest.raises(LatentError, match=r"Space 'w' does not exist here: this generator has z\."):
        to_space(LinearGenerator(), torch.zeros(1, 6), "z", "w")
