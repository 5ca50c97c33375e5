"""Followed edits: the curve on a generator whose valley is known, and projections in closed form."""

from itertools import pairwise

import pytest
import torch
from torch.nn.functional import normalize

import ganvas
from ganvas.edits.follow import projected
from ganvas.errors import LatentError
from tests.edits.valley import BOTTOM, LEFT, ValleyGenerator, along_u
from tests.generators.small import small_stylegan2

PLAIN = ganvas.ReSeFa(ridge=1e-4)


def off_the_valley(strength: float, step: float) -> float:
    """Return how far the end of a followed edit lies from v = 0.1 u^2."""
    generator = ValleyGenerator(bend=0.1)
    method = ganvas.FollowedEdit(LEFT, step=step, count=1, search=PLAIN)
    u, v = ganvas.edit(generator, BOTTOM, along_u(), strength, method=method).codes[0].tolist()
    return abs(v - 0.1 * u**2)


@pytest.mark.parametrize("strength", [2.0, -2.0])
def test_a_followed_edit_goes_along_the_valley_with_the_error_of_euler_s_method(strength):
    coarse, fine = off_the_valley(strength, 0.5), off_the_valley(strength, 0.25)
    straight = 0.1 * strength**2
    assert fine < coarse < straight / 2
    assert fine / coarse == pytest.approx(0.5, abs=0.1)


def test_every_step_has_the_length_of_the_step():
    generator = ValleyGenerator(bend=0.3)
    method = ganvas.FollowedEdit(LEFT, step=0.5, count=1, search=PLAIN)
    codes = [ganvas.edit(generator, BOTTOM, along_u(), length, method=method).codes for length in (0.0, 0.5, 1.0, 1.25)]
    lengths = [float((after - before).norm()) for before, after in pairwise(codes)]
    assert lengths == pytest.approx([0.5, 0.5, 0.25], abs=1e-5)


def test_a_projection_keeps_what_lies_in_the_span_and_the_sign():
    random = torch.Generator().manual_seed(0)
    span, vector = (torch.randn(6, k, generator=random, dtype=torch.float64) for k in (3, 1))
    found = projected(vector[:, 0], span)
    residual = vector[:, 0] - (vector[:, 0] @ found) * found
    torch.testing.assert_close(span.T @ residual, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert float(found.norm()) == pytest.approx(1)
    assert float(found @ vector[:, 0]) > 0
    within = normalize(span @ torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64), dim=0)
    torch.testing.assert_close(projected(within, span), within)
    with pytest.raises(LatentError, match="has no part in the 1 strongest directions of this image"):
        projected(torch.tensor([1.0, 0.0]), torch.tensor([[0.0], [1.0]]))


@pytest.mark.slow
@pytest.mark.parametrize("space", ["w", "w+", "s"])
def test_with_all_directions_nothing_is_turned_in_any_space(space):
    """The span of all directions is the whole space, so that the curve is the straight line."""
    generator = small_stylegan2()
    latent = ganvas.sample(generator, [4])
    found = ganvas.find_directions(generator, latent, LEFT, space=space, layers="1-2", count=1)[0]
    method = ganvas.FollowedEdit(count=100_000, step=1.0)
    followed, straight = (ganvas.edit(generator, latent, found, 2.0, method=how) for how in (method, None))
    torch.testing.assert_close(followed.codes, straight.codes.to(followed.codes), atol=1e-3, rtol=0)
    assert followed.space == straight.space
