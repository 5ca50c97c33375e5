"""BigGAN's training step against a plain one, its batch statistics, and the exported generator."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import ganvas
from ganvas.errors import LatentError, TrainingError
from ganvas.generators.biggan.layers import Condition, ConditionalNorm
from ganvas.training.gan import standing_statistics
from ganvas.training.gan.biggan import BigGANSettings, matrices, orthogonality, truncated_normal
from ganvas.training.gan.networks import InitialNetworks, Networks
from ganvas.training.gan.step import Step
from ganvas.training.randomness import Randomness
from tests.training.tiny import BIG, CPU, begin, check_learned, finish, images_at

pytestmark = pytest.mark.usefixtures("one_thread")
REAL = images_at(16).batch(torch.arange(8).numpy())
CLASSES = torch.arange(8) % 2


def step(settings: BigGANSettings, networks: Networks, index: int = 0) -> dict[str, Tensor]:
    draws = Randomness(settings.seed, index)
    return settings.step(networks, Step(index, REAL, draws, classes=CLASSES))


def with_exact_norms(network: torch.nn.Module, names: list[str]) -> None:
    """Divide the weights of these names by their largest singular values."""
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name in names:
            parameters[name].div_(torch.linalg.matrix_norm(parameters[name].flatten(1), ord=2))


@pytest.mark.slow
@pytest.mark.float32
def test_step_equals_a_plain_one():
    """Losses of both networks from their definitions, with exact singular values instead of power iteration."""
    settings = replace(BIG, orthogonal=0.0)
    networks = settings.build(CPU)
    for weight in networks.generator.parameters():
        weight.data.add_(0.01)  # no longer orthogonal, whose singular values are all the same
    generator, discriminator = (
        copy.deepcopy(part).requires_grad_(False) for part in (networks.generator, networks.discriminator)
    )
    for _ in range(12):  # the vectors get there in as many steps
        settings_only = replace(settings, learning_rate=1e-12, discriminator_learning_rate=1e-12)
        step(settings_only, networks)
    for part, original in ((networks.generator, generator), (networks.discriminator, discriminator)):
        part.load_state_dict(original.state_dict() | {k: v for k, v in part.state_dict().items() if k.endswith(".u")})
    with_exact_norms(generator, [name for name, _ in matrices(generator)])
    draws = Randomness(0, 7)
    fake_classes = draws.integers(2, 8)
    fake = generator(truncated_normal(draws, 8, 6), F.one_hot(fake_classes, 2).float())
    of_real, of_fake = discriminator(REAL, CLASSES), discriminator(fake, fake_classes)
    seen = step(settings, networks, 7)
    assert float(seen["D"]) == pytest.approx(float(F.relu(1 - of_real).mean() + F.relu(1 + of_fake).mean()), rel=1e-2)
    assert float(seen["D(G(z))"]) == pytest.approx(float(of_fake.sigmoid().mean()), rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_discriminator_loss_falls_and_weights_stay_float32(precision: str):
    settings = replace(BIG, precision=precision, learning_rate=1e-3, discriminator_learning_rate=4e-3)
    networks = settings.build(CPU)
    seen = [step(settings, networks, index) for index in range(12)]
    check_learned(networks, seen, 0.7)


def test_generator_learns_at_every_other_step_where_the_discriminator_does_two():
    settings = replace(BIG, discriminator_steps=2)
    networks = settings.build(CPU)
    for index, learns in enumerate([False, True, False, True]):
        before = [p.detach().clone() for p in networks.generator.parameters()]
        metrics = step(settings, networks, index)
        unchanged = all(torch.equal(a, b) for a, b in zip(before, networks.generator.parameters(), strict=True))
        assert (unchanged, "G" in metrics) == (not learns, learns)


def test_conditional_normalization_in_training_is_its_formula():
    random = torch.Generator().manual_seed(0)
    norm = ConditionalNorm(5, 4, 3, 1e-4)
    for parameter in norm.parameters():
        parameter.data.normal_(generator=random)
    x, code = torch.randn(6, 5, 3, 3, generator=random), torch.randn(6, 4, generator=random)
    mean, variance = x.mean(dim=(0, 2, 3), keepdim=True), x.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
    scale, offset = (1 + code @ norm.scale.T)[..., None, None], (code @ norm.offset.T)[..., None, None]
    expected = F.relu((x - mean) / (variance + 1e-4).sqrt() * scale + offset)
    torch.testing.assert_close(norm(x, Condition(code, torch.eye(3)[2])), expected, atol=1e-5, rtol=1e-5)


def test_codes_are_those_of_the_truncated_normal_distribution():
    z = truncated_normal(Randomness(3, 1), 2000, 50)
    assert z.abs().max() <= 2
    # Its variance is 1 - 2 * 2 phi(2) / (2 Phi(2) - 1) = 0.774; 100,000 draws give it within 0.005 (six std).
    assert float(z.var()) == pytest.approx(0.7737, abs=0.012)
    assert abs(float(z.mean())) < 0.02


def test_orthogonality_is_what_the_gram_matrix_has_beside_its_diagonal():
    weight = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    rows = weight.flatten(1)
    expected = sum(float(rows[i] @ rows[j]) ** 2 for i in range(4) for j in range(4) if i != j)
    assert float(orthogonality([weight])) == pytest.approx(expected, rel=1e-4)
    assert float(orthogonality([torch.eye(4) * 3])) == 0


def trained(settings: BigGANSettings = BIG) -> Networks:
    networks = settings.build(CPU)
    for index in range(3):
        step(settings, networks, index)
    networks.average.load_state_dict(networks.generator.state_dict())
    return networks


def test_exported_generator_has_the_statistics_of_its_own_maps(monkeypatch: pytest.MonkeyPatch):
    """At a truncation of the table, an image is what a batch of these very codes gives in training mode."""
    monkeypatch.setattr(standing_statistics, "BATCHES", 1)
    monkeypatch.setattr(standing_statistics, "BATCH", 16)
    kept = BIG.exported(trained())
    z, classes = kept.sample(range(16)), torch.arange(16) % 2
    own = copy.deepcopy(kept).train()
    with torch.no_grad():
        expected = own(z, F.one_hot(classes, 2).float())
    torch.testing.assert_close(kept.synthesize(z, "z", label=classes), expected, atol=1e-4, rtol=1e-4)


def test_exported_weights_have_largest_singular_value_one():
    for name, weight in matrices(BIG.exported(trained())):
        norm = float(torch.linalg.matrix_norm(weight.flatten(1), ord=2))
        assert norm == pytest.approx(1, abs=0.02), name


@pytest.mark.slow
def test_export_leaves_the_run_unchanged():
    networks = trained()
    before = {name: t.clone() for name, t in networks.average.state_dict().items()}
    kept = BIG.exported(networks)
    assert not kept.training
    assert all(torch.equal(t, networks.average.state_dict()[name]) for name, t in before.items())


@pytest.mark.slow
def test_trained_generator_knows_its_classes_and_has_a_derivative(tmp_path: Path):
    finish(begin(BIG, tmp_path / "run", 16))
    generator = ganvas.load(tmp_path / "run" / "generator.safetensors")
    assert generator.class_names == ("day", "night")
    by_name, by_number = (ganvas.sample(generator, [3], label=label, truncation=0.5) for label in ("Night", 1))
    assert torch.equal(generator.synthesize(by_name), generator.synthesize(by_number))
    image, push = generator.linearize(by_name.codes, "z", label="night")
    assert push(torch.eye(6)).shape == (6, *image.shape[1:])
    with pytest.raises(LatentError, match="training mode"):
        generator.train().linearize(by_name.codes, "z", label=0)


def test_run_starts_from_an_exported_generator():
    source = InitialNetworks(BIG.exported(trained()))
    networks = replace(BIG, seed=4).build(CPU, source)
    for (name, one), (_, other) in zip(matrices(networks.generator), matrices(source.generator), strict=True):
        assert torch.equal(one, other), name
    with pytest.raises(TrainingError, match="same sizes"):
        replace(BIG, z_dim=7).build(CPU, source)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch": 1}, "at least 2 images"),
        ({"learning_rate": 0.0}, "learning rate 0.0 is not possible"),
        ({"depth": 0}, "depth 0 is not possible"),
        ({"orthogonal": -1.0}, "orthogonal -1.0"),
        ({"statistics": 1}, "statistics 1 is not possible; give 2 to 1,000"),
        ({"discriminator_steps": 0}, "discriminator steps 0"),
    ],
)
def test_setting_out_of_range_is_refused(changes: dict, said: str):
    with pytest.raises(TrainingError, match=said):
        replace(BIG, **changes)


def test_networks_need_classes():
    with pytest.raises(TrainingError, match="has classes: give data"):
        replace(BIG, classes=()).build(CPU)


def test_left_vectors_are_those_of_the_weights_that_a_run_begins_from():
    source = trained()
    for parameter in source.generator.parameters():
        parameter.data.mul_(torch.linspace(0.5, 1.5, parameter.numel()).reshape(parameter.shape))
    networks = BIG.build(CPU, source)
    for name, weight in matrices(networks.generator):
        u = networks.extra[f"u.{name}"]
        norm = torch.linalg.matrix_norm(weight.detach().flatten(1), ord=2)
        assert float((u @ weight.detach().flatten(1)).norm() / norm) > 0.9, name
