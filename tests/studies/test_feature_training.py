import math
from pathlib import Path

import numpy as np
import pytest
import torch
from studies.command import run
from studies.features.freezing import feature_matrix, folded, level_directions
from studies.features.train import study, train_and_save
from studies.features.training import (
    CORRUPTION,
    FeatureTrainingSettings,
    Learner,
    instance_loss,
    learning_rate_at,
    train,
)
from studies.features.views import KINDS, Corruptions, corrupt, draw_corruptions, draw_view
from torch import nn

from ganvas.errors import TrainingError
from ganvas.images import pixels
from ganvas.images.datasets import DatasetSummary, ImageSet
from ganvas.metrics.features import Architecture, FeatureNetwork, load_features, statistics
from ganvas.training.randomness import Randomness

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = Architecture(32, (4, 6, 8), 16)


def image_set(count: int = 40, seed: int = 0) -> ImageSet:
    values = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return ImageSet(values, DatasetSummary("noise", 32, count, {}, 0, 0, {}))


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_instance_loss_equals_its_formula():
    first, second = (nn.functional.normalize(normal(4, 3, seed=seed), dim=1) for seed in (0, 1))
    codes, total = torch.cat([first, second]), 0.0
    for i in range(8):
        others = [math.exp(float(codes[i] @ codes[k]) / 0.3) for k in range(8) if k != i]
        total -= math.log(math.exp(float(codes[i] @ codes[(i + 4) % 8]) / 0.3) / sum(others))
    assert float(instance_loss(first, second, 0.3)) == pytest.approx(total / 8, rel=1e-5)


def test_instance_loss_is_least_for_equal_views():
    first, second = (nn.functional.normalize(normal(8, 16, seed=seed), dim=1) for seed in (0, 1))
    assert instance_loss(first, first, 0.2) < instance_loss(first, second, 0.2)


def test_views_of_an_image_share_their_corruption_and_differ():
    images = image_set(40).batch(np.arange(40))
    draws = Randomness(0, 0)
    what = draw_corruptions(draws, 40)
    first, second = draw_view(images, 24, what, draws), draw_view(images, 24, what, draws)
    assert first.shape == second.shape == (40, 3, 24, 24)
    assert not torch.equal(first, second)
    again = Randomness(0, 0)
    assert torch.equal(draw_view(images, 24, draw_corruptions(again, 40), again), first)


@pytest.mark.parametrize("kind", KINDS)
def test_each_corruption_changes_its_samples_alone_and_grows_with_its_level(kind: str):
    images = nn.functional.avg_pool2d(normal(6, 3, 64, 64), 5, stride=1, padding=2)
    kinds = torch.tensor([KINDS.index(kind), -1] * 3)
    changes = []
    for level in (0.05, 0.5, 1.0):
        corrupted = corrupt(images, Corruptions(kinds, torch.full((6,), level)), Randomness(0, 0))
        torch.testing.assert_close(corrupted[1::2], images[1::2])
        changes.append(float((corrupted - images)[::2].square().mean()))
    assert 0 < changes[0] < changes[1] < changes[2]


def test_targets_have_the_level_in_the_column_of_the_kind():
    what = Corruptions(torch.tensor([1, -1, 4]), torch.tensor([0.5, 0.7, 1.0]))
    assert what.targets().tolist() == [[0, 0.5, 0, 0, 0], [0] * 5, [0, 0, 0, 0, 1]]


@pytest.mark.float32
def test_folded_network_has_the_same_maps():
    torch.manual_seed(0)
    network = Learner(SMALL).network
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.2)
            nn.init.normal_(layer.running_mean)
    network.eval()
    x = normal(2, 3, 32, 32)
    for one, other in zip(network.maps(x), folded(network).maps(x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_features_have_unit_std_and_components_are_uncorrelated():
    seen = normal(200, 12) @ normal(12, 12, seed=1) + 3
    told = normal(12, 2, seed=2)
    features = (seen - seen.mean(0)) @ feature_matrix(seen, told, 7)
    torch.testing.assert_close(features.std(0), torch.ones(7), rtol=1e-4, atol=0)
    torch.testing.assert_close(features[:, :5].T.cov(), torch.eye(5), rtol=0, atol=1e-4)
    along = (seen - seen.mean(0)) @ told
    torch.testing.assert_close(features[:, 5:], along / along.std(0), rtol=1e-3, atol=1e-3)


def test_level_directions_recover_a_linear_relation():
    seen, truth = normal(500, 6) * torch.arange(1.0, 7.0), normal(6, 2, seed=1)
    found = level_directions(seen, seen @ truth, ridge=1e-8)
    torch.testing.assert_close(found, truth, rtol=1e-3, atol=1e-4)


def test_learning_rate_warms_up_and_decays_to_zero():
    settings = FeatureTrainingSettings(horizon=100)
    rates = [learning_rate_at(step, settings) for step in range(100)]
    assert max(rates) == pytest.approx(settings.learning_rate, rel=0.01)
    assert 8 <= int(np.argmax(rates)) <= 11
    assert rates[-1] < 0.01 * settings.learning_rate


def test_training_is_deterministic_and_learns_to_estimate_corruptions():
    sets, seen = [image_set(48), image_set(48, seed=1)], []
    settings = FeatureTrainingSettings(
        steps=6, horizon=6, batch=16, crops=(16, 32), learning_rate=1e-2, precision=torch.float32
    )
    network = train(sets, settings, SMALL, on_step=lambda step, losses: seen.append((step, losses)))
    assert [step for step, _ in seen] == list(range(1, 7))
    assert seen[-1][1][CORRUPTION] < seen[0][1][CORRUPTION]
    again = train(sets, settings, SMALL)
    images = sets[0].batch(np.arange(8))
    torch.testing.assert_close(network(images), again(images))
    assert isinstance(network, FeatureNetwork)
    found = network(torch.cat([each.batch(np.arange(48)) for each in sets]))
    torch.testing.assert_close(found.mean(0), torch.zeros(16), rtol=0, atol=1e-3)
    torch.testing.assert_close(found.std(0), torch.ones(16), rtol=1e-2, atol=0)


def test_frozen_network_has_statistics_of_whole_images():
    """The frozen network's maps have the statistics of whole images: zero mean before the activation's bend."""
    network = train([image_set(48)], FeatureTrainingSettings(steps=0), SMALL)
    first = network.stem(image_set(48).batch(np.arange(48)))
    torch.testing.assert_close(first.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=0.02)
    assert statistics([first]).shape == (48, 8)


def test_too_few_images_are_refused_before_training():
    with pytest.raises(TrainingError, match="24 images are too few for 16 features; give at least 32"):
        train([image_set(24)], FeatureTrainingSettings(), SMALL)


def test_command_writes_a_feature_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    (tmp_path / "images").mkdir()
    for index, image in enumerate(normal(32, 3, 16, 16).clamp(-1, 1)):
        pixels.write_image(tmp_path / "images" / f"{index}.png", image[None])
    out, source = tmp_path / "features.safetensors", str(tmp_path / "images")
    settings = FeatureTrainingSettings(steps=1, batch=8, crops=(24,))
    assert train_and_save((Path(source),), out, settings, SMALL) == out
    assert "step 1 of 1: instance" in capsys.readouterr().err
    assert load_features(out).architecture == SMALL
    assert run(study, [source, "--out", str(out), "--threads", "1"]) == 2
    assert "32 images are too few" in capsys.readouterr().err
