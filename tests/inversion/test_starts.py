"""Starts: each is what its name says."""

import pytest
import torch

from ganvas.errors import GanvasError, LatentError
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.starts import encoder_start, latent_start, mean_start, nearest_start
from ganvas.latents.latent import Latent, sample
from ganvas.latents.spaces import sample_codes, statistics
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.inversion.parts import objective_on

G = LayeredGenerator()


@pytest.mark.parametrize(("space", "shape"), [("w", (3, 6)), ("w+", (3, 3, 6))])
def test_mean_start_is_the_average_on_every_layer(space: str, shape: tuple[int, ...]):
    start = mean_start(G, space, statistics(G, space), 3)
    assert start.codes.shape == shape
    torch.testing.assert_close(start.codes[0].reshape(-1, 6)[-1], G.average, atol=0.2, rtol=0)


@pytest.mark.slow
def test_mean_start_of_z_is_zero_or_the_seed_nearest_to_the_mean_of_w():
    plain = LinearGenerator()
    assert torch.equal(mean_start(plain, "z", statistics(plain, "z"), 2).codes, torch.zeros(2, 6))
    z = mean_start(G, "z", statistics(G, "z"), 2).codes
    distances = (sample_codes(G, "w") - sample_codes(G, "w").mean(0)).norm(dim=1)
    assert (G.map(z, to="w") - sample_codes(G, "w").mean(0)).norm(dim=1).max() <= distances.min() + 1e-5


def test_nearest_start_finds_the_seed_of_each_target():
    target = torch.cat([G.synthesize(G.map(G.sample([seed])), "w+") for seed in (7, 3)]) + 0.01
    objective = objective_on(G, "w+", target, LossWeights(l1=1.0, l2=1.0))
    start = nearest_start(objective, 40)
    assert start.passes == 40
    torch.testing.assert_close(start.codes, G.map(G.sample([7, 3])))


def test_a_single_random_start_is_the_code_of_the_seed_for_every_sample():
    objective = objective_on(G, "w", torch.zeros(2, 3, 8, 8), LossWeights(l2=1.0))
    start = nearest_start(objective, 1, seed=5)
    torch.testing.assert_close(start.codes, G.map(G.sample([5, 5]), to="w"))
    assert start.passes == 0


@pytest.mark.parametrize("count", [0, 10**9])
def test_impossible_numbers_of_random_starts_are_refused(count: int):
    objective = objective_on(G, "w", torch.zeros(2, 3, 8, 8), LossWeights(l2=1.0))
    with pytest.raises(GanvasError, match="random starts"):
        nearest_start(objective, count)


def test_encoder_start_is_its_w_plus_code_or_the_mean_over_layers():
    seen = torch.randn(2, 3, 6)
    images = torch.zeros(2, 3, 8, 8)
    assert torch.equal(encoder_start(G, "w+", lambda _: seen, images).codes, seen)
    assert torch.equal(encoder_start(G, "w", lambda _: seen, images).codes, seen.mean(1))
    with pytest.raises(LatentError, match="none of z"):
        encoder_start(G, "z", lambda _: seen, images)


def test_latent_start_converts_to_w_plus_and_refuses_other_spaces():
    one = sample(G, [4], space="w")
    codes = latent_start(G, "w+", one, 3).codes
    assert torch.equal(codes, G.map(G.sample([4, 4, 4])))
    assert torch.equal(latent_start(G, "w", sample(G, [4, 5], space="w"), 2).codes, G.map(G.sample([4, 5]), to="w"))
    with pytest.raises(LatentError, match="2 codes does not fit 3 photos"):
        latent_start(G, "w", sample(G, [4, 5], space="w"), 3)
    with pytest.raises(LatentError, match="no start in w"):
        latent_start(G, "w", Latent(torch.zeros(1, 3, 6), "w+"), 1)
