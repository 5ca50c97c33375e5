"""Few-shot adaptation: the synthesis network moves, w keeps its meaning, differences between images are preserved."""

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
    WITH_DISCRIMINATOR,
    WITH_FEATURES,
    AdaptationSettings,
    correspondence,
    similarities,
)
from ganvas.training.adapt.feature_discriminator import FeatureDiscriminator
from ganvas.training.gan.discriminator_files import DISCRIMINATOR
from ganvas.training.gan.losses import gradient_penalty
from ganvas.training.gan.networks import tensors
from ganvas.training.gan.run import TrainingRun
from tests.generators.small import small_stylegan2
from tests.training.tiny import CPU, DC, STYLE, begin, differing, finish, go_on

pytestmark = pytest.mark.usefixtures("one_thread")


def saved(folder: Path, generator: torch.nn.Module) -> AdaptationSettings:
    """Return the settings to adapt a generator that is written to a file."""
    about = About(
        "old", hash_tensors(generator.state_dict()), {}, {"mouth": Region.box(0.3, 0.6, 0.7, 0.8)}, "1-2", {}, "cats"
    )
    path = save_generator(folder / "old.safetensors", generator, about)
    return AdaptationSettings(str(path), about.hash, generator.resolution, batch=4, half_life=4.0)


@pytest.fixture
def settings(tmp_path: Path) -> AdaptationSettings:
    return saved(tmp_path, small_stylegan2(16))


def maps(seed: int, rows: int = 5) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn(rows, 3, side, side, generator=random) for name, side in (("b4", 4), ("b8", 8))}


def test_default_settings_are_those_of_the_feature_discriminator():
    settings = AdaptationSettings("faces", "", 16)
    assert settings.discriminator == FEATURES
    assert settings.learning_rate == settings.discriminator_learning_rate == WITH_FEATURES.learning_rate
    assert settings.r1 == WITH_FEATURES.r1


def test_settings_of_a_model_take_its_companion_discriminator(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "old", 8))
    model = str(tmp_path / "old" / "generator.safetensors")
    found = AdaptationSettings.of_model(model, batch=4)
    assert (found.discriminator, found.resolution, found.batch) == ("companion", 16, 4)
    assert (found.hash, found.r1) == (ganvas.load(model).about.hash, WITH_DISCRIMINATOR.r1)
    assert found.learning_rate == found.discriminator_learning_rate == WITH_DISCRIMINATOR.learning_rate
    (tmp_path / "old" / DISCRIMINATOR).unlink()
    assert AdaptationSettings.of_model(model).discriminator == FEATURES
    assert AdaptationSettings.of_model(model, learning_rate=0.5).discriminator_learning_rate == 0.5


def test_similarities_equal_a_loop_over_pairs():
    x = maps(0)["b4"]
    found = similarities(x)
    for i in range(5):
        cosines = [float(F.cosine_similarity(x[i].flatten(), x[j].flatten(), dim=0)) for j in range(5) if j != i]
        total = sum(math.exp(cosine) for cosine in cosines)
        assert found[i].tolist() == pytest.approx([cosine - math.log(total) for cosine in cosines], abs=1e-5)


def test_correspondence_is_zero_for_equal_relations_and_positive_else():
    old, new = maps(0), maps(1)
    assert float(correspondence(old, old)) == pytest.approx(0, abs=1e-7)
    assert float(correspondence(new, old)) > 1e-3
    # All images may change alike: in contrast, or by the same rotation of all their values.
    rotation = torch.linalg.qr(torch.randn(48, 48, generator=torch.Generator().manual_seed(3)))[0]
    turned = {"b4": 3 * (old["b4"].flatten(1) @ rotation).view(5, 3, 4, 4), "b8": 0.5 * old["b8"]}
    assert float(correspondence(turned, old)) == pytest.approx(0, abs=1e-6)


def test_feature_discriminator_scores_patches_and_has_no_feature_weights():
    torch.manual_seed(0)
    look, images = load_features(), torch.rand(6, 3, 32, 32) * 2 - 1
    discriminator = FeatureDiscriminator(look, images)
    scores = discriminator(images)
    assert [tuple(each.shape) for each in scores] == [(6, side * side) for side in (64, 32, 16, 8)]
    assert not any(
        weight.data_ptr() == own.data_ptr() for weight in look.parameters() for own in discriminator.parameters()
    )
    assert not any(name.startswith("_network") for name in discriminator.state_dict())
    for head, feature in zip(discriminator.heads, look.maps(images)[1:], strict=True):
        default = (feature - head.mean) / head.std
        torch.testing.assert_close(default.mean(dim=(0, 2, 3)), torch.zeros(feature.shape[1]), atol=1e-4, rtol=0)
    images.requires_grad_()
    sum(each.sum() for each in discriminator(images)).backward()
    assert images.grad.abs().max() > 0
    assert all(weight.grad is None for weight in look.parameters())


@pytest.mark.slow
def test_adaptation_moves_the_synthesis_network_alone(settings: AdaptationSettings, tmp_path: Path):
    run = begin(settings, tmp_path / "run", 32, kind="diff")
    start = {name: t.clone() for name, t in run.networks.generator.state_dict().items()}
    finish(run)
    end = run.networks.generator.state_dict()
    moved = {name.split(".")[0] for name in end if not torch.equal(end[name], start[name])}
    assert moved == {"synthesis"}
    origin = ganvas.load(settings.model).state_dict()
    assert all(torch.equal(run.networks.origin.state_dict()[name], t) for name, t in origin.items())
    adapted = ganvas.load(tmp_path / "run" / "generator.safetensors")
    z = adapted.sample([3])
    assert torch.equal(adapted.map(z, "w"), ganvas.load(settings.model).map(z, "w"))
    assert set(adapted.about.regions) == {"mouth"}
    about = adapted.about
    assert (about.name, about.edit_layers, about.face_finder) == ("trained", "1-2", "cats")
    assert adapted.about.hash != settings.hash


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_frozen_layers_of_the_discriminator_are_unchanged(tmp_path: Path, frozen: int):
    finish(begin(STYLE, tmp_path / "old", 8))
    model = tmp_path / "old" / "generator.safetensors"
    digest, discriminator = ganvas.load(model).about.hash, str(model.parent / DISCRIMINATOR)
    run = begin(
        AdaptationSettings(str(model), digest, 16, discriminator=discriminator, batch=4, frozen=frozen),
        tmp_path / "run",
        16,
    )
    start = {name: t.clone() for name, t in run.networks.discriminator.state_dict().items()}
    finish(run)
    end = run.networks.discriminator.state_dict()
    moved = {name for name in end if not torch.equal(end[name], start[name])}
    fine = ("from_rgb.", "blocks.b16.")[:frozen]
    assert moved == {name for name in end if not name.startswith(fine)}


def steepness(run: TrainingRun) -> float:
    """Return how steep a run's discriminator is at real images."""
    discriminator, images = run.networks.discriminator, run.task.data.batch(np.arange(8))
    return float(gradient_penalty(lambda x: torch.cat(discriminator(x), dim=1).mean(dim=1), images).detach())


@pytest.mark.slow
def test_gradient_penalty_reduces_the_discriminators_slope(settings: AdaptationSettings, tmp_path: Path):
    steep = {}
    for r1 in (0.0, 100.0):
        run = begin(replace(settings, r1=r1, penalty_every=1, discriminator_learning_rate=1e-2), tmp_path / str(r1), 96)
        finish(run)
        steep[r1] = steepness(run)
    assert steep[100.0] < 0.5 * steep[0.0]


@pytest.mark.slow
def test_correspondence_preserves_differences_between_images(settings: AdaptationSettings, tmp_path: Path):
    far = {}
    for weight in (0.0, 1000.0):
        run = begin(replace(settings, correspondence=weight, learning_rate=1e-2), tmp_path / str(weight), 96)
        finish(run)
        origin, codes = run.networks.origin, run.networks.origin.map(run.networks.origin.sample(range(8)))
        with torch.no_grad():
            both = [g.features(codes, origin.feature_names, "w+") for g in (run.networks.generator, origin)]
        far[weight] = float(correspondence(*both))
    assert far[1000.0] < 0.5 * far[0.0]


@pytest.mark.slow
def test_resumed_adaptation_is_bit_identical(settings: AdaptationSettings, tmp_path: Path):
    whole = begin(settings, tmp_path / "whole", 64, kind="diff")
    finish(whole)
    finish(begin(settings, tmp_path / "cut", 32, kind="diff"))
    resumed = go_on(settings, tmp_path / "cut", 64, kind="diff")
    finish(resumed)
    assert differing(whole.networks, resumed.networks) == []


@pytest.mark.slow
def test_a_dcgan_can_be_adapted(tmp_path: Path):
    settings = saved(tmp_path, DC.build(CPU).average)
    run = begin(settings, tmp_path / "run", 8)
    before = tensors(run.networks)
    finish(run)
    assert not torch.equal(before["average.colors.weight"], settings.build(CPU).average.colors.weight)
    assert ganvas.load(tmp_path / "run" / "generator.safetensors").family == "dcgan"


def test_settings_for_another_generator_are_refused(settings: AdaptationSettings):
    with pytest.raises(TrainingError, match="is not the generator that this run began with"):
        replace(settings, hash="0" * 64).build(CPU)
    with pytest.raises(TrainingError, match="4 or more"):
        replace(settings, batch=3)
    with pytest.raises(TrainingError):
        replace(settings, correspondence=-1.0)
