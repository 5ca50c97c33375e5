"""Few-shot adaptation: the generator moves, w keeps its meaning, and images go on to differ as they did."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.errors import TrainingError
from ganvas.generators.protocol import About
from ganvas.io.tensor_files import hash_tensors
from ganvas.metrics.features import load_features
from ganvas.regions import Region
from ganvas.training.adapt.adaptation import (
    FEATURES,
    WITH_FEATURES,
    AdaptationRecipe,
    Usual,
    correspondence,
    similarities,
)
from ganvas.training.adapt.feature_discriminator import FeatureDiscriminator
from ganvas.training.gan.discriminator_files import DISCRIMINATOR
from ganvas.training.gan.losses import gradient_penalty
from ganvas.training.gan.networks import tensors
from ganvas.training.gan.run import Run
from tests.generators.small import small_stylegan2
from tests.training.tiny import CPU, DC, STYLE, begin, differing, finish, go_on

pytestmark = pytest.mark.usefixtures("one_thread")


def saved(folder: Path, generator: torch.nn.Module) -> AdaptationRecipe:
    """Return the recipe to adapt a generator that is written to a file."""
    about = About("old", hash_tensors(generator.state_dict()), {}, {"mouth": Region.box(0.3, 0.6, 0.7, 0.8)}, "1-2")
    path = save_generator(folder / "old.safetensors", generator, about)
    return AdaptationRecipe(str(path), about.hash, generator.resolution, batch=4, half_life=4.0)


@pytest.fixture
def recipe(tmp_path: Path) -> AdaptationRecipe:
    return saved(tmp_path, small_stylegan2(16))


def maps(seed: int, rows: int = 5) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn(rows, 3, side, side, generator=random) for name, side in (("b4", 4), ("b8", 8))}


def test_a_recipe_is_by_default_what_is_default_with_its_discriminator():
    recipe = AdaptationRecipe("faces", "", 16)
    assert recipe.discriminator == FEATURES
    assert Usual(recipe.rate, recipe.r1) == Usual(recipe.discriminator_rate, recipe.r1) == WITH_FEATURES


def test_similarities_against_loops():
    x = maps(0)["b4"]
    found = similarities(x)
    for i in range(5):
        cosines = [float(F.cosine_similarity(x[i].flatten(), x[j].flatten(), dim=0)) for j in range(5) if j != i]
        total = sum(math.exp(cosine) for cosine in cosines)
        assert found[i].tolist() == pytest.approx([cosine - math.log(total) for cosine in cosines], abs=1e-5)


def test_correspondence_is_a_divergence_of_relations():
    old, new = maps(0), maps(1)
    assert float(correspondence(old, old)) == pytest.approx(0, abs=1e-7)
    assert float(correspondence(new, old)) > 1e-3
    # All images may change alike: in contrast, or by the same rotation of all their values.
    rotation = torch.linalg.qr(torch.randn(48, 48, generator=torch.Generator().manual_seed(3)))[0]
    turned = {"b4": 3 * (old["b4"].flatten(1) @ rotation).view(5, 3, 4, 4), "b8": 0.5 * old["b8"]}
    assert float(correspondence(turned, old)) == pytest.approx(0, abs=1e-6)


def test_discriminator_looks_at_features_and_keeps_none():
    torch.manual_seed(0)
    look, images = load_features(), torch.rand(6, 3, 32, 32) * 2 - 1
    discriminator = FeatureDiscriminator(look, images)
    scores = discriminator(images)
    assert [tuple(each.shape) for each in scores] == [(6, side * side) for side in (64, 32, 16, 8)]
    assert not any(
        weight.data_ptr() == own.data_ptr() for weight in look.parameters() for own in discriminator.parameters()
    )
    assert not any(name.startswith("_look") for name in discriminator.state_dict())
    for head, feature in zip(discriminator.heads, look.maps(images)[1:], strict=True):
        default = (feature - head.mean) / head.std
        torch.testing.assert_close(default.mean(dim=(0, 2, 3)), torch.zeros(feature.shape[1]), atol=1e-4, rtol=0)
    images.requires_grad_()
    sum(each.sum() for each in discriminator(images)).backward()
    assert images.grad.abs().max() > 0
    assert all(weight.grad is None for weight in look.parameters())


def test_what_moves_and_what_does_not(recipe: AdaptationRecipe, tmp_path: Path):
    run = begin(recipe, tmp_path / "run", 32, kind="diff")
    start = {name: t.clone() for name, t in run.networks.generator.state_dict().items()}
    finish(run)
    end = run.networks.generator.state_dict()
    moved = {name.split(".")[0] for name in end if not torch.equal(end[name], start[name])}
    assert moved == {"synthesis"}
    origin = ganvas.load(recipe.model).state_dict()
    assert all(torch.equal(run.networks.origin.state_dict()[name], t) for name, t in origin.items())
    adapted = ganvas.load(tmp_path / "run" / "generator.safetensors")
    z = adapted.sample([3])
    assert torch.equal(adapted.map(z, "w"), ganvas.load(recipe.model).map(z, "w"))
    assert set(adapted.about.regions) == {"mouth"}
    assert (adapted.about.name, adapted.about.edit_layers) == ("trained", "1-2")
    assert adapted.about.hash != recipe.hash


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_finest_layers_of_the_discriminator_stay(tmp_path: Path, frozen: int):
    finish(begin(STYLE, tmp_path / "old", 8))
    model = tmp_path / "old" / "generator.safetensors"
    digest, discriminator = ganvas.load(model).about.hash, str(model.parent / DISCRIMINATOR)
    run = begin(
        AdaptationRecipe(str(model), digest, 16, discriminator=discriminator, batch=4, frozen=frozen),
        tmp_path / "run",
        16,
    )
    start = {name: t.clone() for name, t in run.networks.discriminator.state_dict().items()}
    finish(run)
    end = run.networks.discriminator.state_dict()
    moved = {name for name in end if not torch.equal(end[name], start[name])}
    fine = ("from_rgb.", "blocks.b16.")[:frozen]
    assert moved == {name for name in end if not name.startswith(fine)}


def steepness(run: Run) -> float:
    """Return how steep a run's discriminator is at real images."""
    discriminator, images = run.networks.discriminator, run.data.batch(np.arange(8))
    return float(gradient_penalty(lambda x: torch.cat(discriminator(x), dim=1).mean(dim=1), images).detach())


def test_gradient_penalty_flattens_the_discriminator(recipe: AdaptationRecipe, tmp_path: Path):
    steep = {}
    for r1 in (0.0, 100.0):
        run = begin(replace(recipe, r1=r1, penalty_every=1, discriminator_rate=1e-2), tmp_path / str(r1), 96)
        finish(run)
        steep[r1] = steepness(run)
    assert steep[100.0] < 0.5 * steep[0.0]


def test_correspondence_holds_differences(recipe: AdaptationRecipe, tmp_path: Path):
    far = {}
    for weight in (0.0, 1000.0):
        run = begin(replace(recipe, correspondence=weight, rate=1e-2), tmp_path / str(weight), 96)
        finish(run)
        origin, codes = run.networks.origin, run.networks.origin.map(run.networks.origin.sample(range(8)))
        with torch.no_grad():
            both = [g.features(codes, origin.feature_names, "w+") for g in (run.networks.generator, origin)]
        far[weight] = float(correspondence(*both))
    assert far[1000.0] < 0.5 * far[0.0]


def test_resumed_is_bit_for_bit(recipe: AdaptationRecipe, tmp_path: Path):
    whole = begin(recipe, tmp_path / "whole", 64, kind="diff")
    finish(whole)
    finish(begin(recipe, tmp_path / "cut", 32, kind="diff"))
    resumed = go_on(recipe, tmp_path / "cut", 64, kind="diff")
    finish(resumed)
    assert differing(whole.networks, resumed.networks) == []


def test_any_family(tmp_path: Path):
    recipe = saved(tmp_path, DC.build(CPU).average)
    run = begin(recipe, tmp_path / "run", 8)
    before = tensors(run.networks)
    finish(run)
    assert not torch.equal(before["average.colors.weight"], recipe.build(CPU).average.colors.weight)
    assert ganvas.load(tmp_path / "run" / "generator.safetensors").family == "dcgan"


def test_another_generator_is_refused(recipe: AdaptationRecipe):
    with pytest.raises(TrainingError, match="is not the generator that this run began with"):
        replace(recipe, hash="0" * 64).build(CPU)
    with pytest.raises(TrainingError, match="4 or more"):
        replace(recipe, batch=3)
    with pytest.raises(TrainingError):
        replace(recipe, correspondence=-1.0)
