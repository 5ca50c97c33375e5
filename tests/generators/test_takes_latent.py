"""Generators take a tensor with its space, or a Latent; never a tensor alone."""

import pytest
import torch

from ganvas.errors import LatentError
from ganvas.latents.latent import Latent
from tests.drag.sliding import SlidingGenerator
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2

CALLS = {
    "synthesize": lambda g, codes, *space: g.synthesize(codes, *space),
    "features": lambda g, codes, *space: g.features(codes, g.feature_names[:1], *space),
    "resume": lambda g, codes, *space: g.resume(g.feature_names[0], torch.zeros(1), codes, *space),
    "linearize": lambda g, codes, *space: g.linearize(codes, *space),
}


@pytest.mark.parametrize("make", [LinearGenerator, LayeredGenerator, SlidingGenerator, small_stylegan2])
@pytest.mark.parametrize("method", CALLS)
def test_a_tensor_without_a_space_is_refused(method: str, make):
    generator = make()
    if method == "linearize" and not hasattr(generator, "linearize"):
        return
    with pytest.raises(LatentError, match="does not say in which space its codes lie"):
        CALLS[method](generator, generator.sample([0]))
    with pytest.raises(LatentError, match="Codes are a Latent, or a tensor"):
        CALLS[method](generator, [1.0, 2.0])


def test_a_latent_is_painted_with_all_that_it_knows():
    generator = small_stylegan2(label_dim=3)
    z = generator.sample([0, 1])
    maps = {"b8.conv1": torch.zeros(8, 8)}
    latent = Latent(z, "z", label=(2, 0), truncation=0.6, truncation_layers=2, noise=maps)
    ws = generator.map(z, "w+", label=[2, 0], truncation=0.6, truncation_layers=2)
    expected = generator.synthesize(ws, "w+", noise=maps)
    torch.testing.assert_close(generator.synthesize(latent), expected)
    torch.testing.assert_close(generator.features(latent, [], with_image=True)["image"], expected)
    mapped = Latent(ws, "w+", label=(2, 0), truncation=0.6)  # already applied: not once more
    assert torch.equal(generator.synthesize(mapped), generator.synthesize(ws, "w+"))
    assert torch.equal(generator.synthesize(latent, noise="none"), generator.synthesize(ws, "w+", noise="none"))


@pytest.mark.parametrize("options", [{"space": "z"}, {"label": 1}, {"truncation": 0.5}])
def test_what_a_latent_knows_is_not_given_besides(options: dict):
    generator = small_stylegan2(label_dim=3)
    with pytest.raises(LatentError, match="A Latent has its own"):
        generator.synthesize(Latent(generator.sample([0]), "z", label=0), **options)


def test_a_latent_of_a_space_that_is_not_there_is_refused():
    with pytest.raises(LatentError, match="Space 'w' does not exist here"):
        LinearGenerator().synthesize(Latent(torch.zeros(1, 6), "w"))
