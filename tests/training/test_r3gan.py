"""R3GAN's training step against its definition, its burn-in, and what it refuses."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import ganvas
from ganvas.errors import TrainingError
from ganvas.training.gan.networks import InitialNetworks, Networks, scale_learning_rates
from ganvas.training.gan.r3gan import R3GANSettings, anneal
from ganvas.training.gan.step import Step
from ganvas.training.randomness import Randomness
from tests.training.tiny import CPU, R3, begin, finish, images_at

pytestmark = pytest.mark.usefixtures("one_thread")
REAL = images_at(16).batch(torch.arange(8).numpy())


def step(settings: R3GANSettings, networks: Networks, index: int = 0) -> dict[str, Tensor]:
    scale_learning_rates(networks, generator=1.0, discriminator=1.0)
    return settings.step(networks, Step(index, REAL, Randomness(settings.seed, index)))


def opened(settings: R3GANSettings) -> Networks:
    """Return networks whose residual blocks are no longer nothing."""
    networks = settings.build(CPU)
    random = torch.Generator().manual_seed(2)
    for network in (networks.generator, networks.discriminator):
        for parameter in network.parameters():
            parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=random))
    return networks


@pytest.mark.float32
def test_step_equals_a_plain_one():
    """Losses, penalties and the discriminator's step from their definitions, image by image."""
    settings = replace(R3, gamma=3.0, last_gamma=3.0)
    networks = opened(settings)
    generator, discriminator = copy.deepcopy(networks.generator), copy.deepcopy(networks.discriminator)
    fake = generator(Randomness(0, 4).normal(8, 8)).detach()
    penalties = []
    for images in (REAL, fake):
        gradients = [torch.func.grad(lambda x: discriminator(x[None])[0])(image) for image in images]
        penalties.append(torch.stack([gradient.square().sum() for gradient in gradients]).mean())
    real_scores, fake_scores = discriminator(REAL), discriminator(fake)
    seen = step(settings, networks, 4)
    adversarial = F.softplus(fake_scores - real_scores).mean()
    for name, expected in (("D", adversarial), ("R1", penalties[0]), ("R2", penalties[1])):
        assert float(seen[name]) == pytest.approx(float(expected.detach()), rel=1e-4)
    (adversarial + 1.5 * sum(penalties)).backward()
    for ours, theirs, before in zip(
        networks.discriminator.parameters(), discriminator.parameters(), discriminator.parameters(), strict=True
    ):
        moved = (ours.detach() - before.detach()).flatten()
        assert theirs.grad is not None
        down = -theirs.grad.flatten()
        strong = down.abs() > 1e-4 * down.abs().max()
        assert torch.equal(moved[strong].sign(), down[strong].sign())  # Adam's first step: the sign of the gradient


def test_discriminator_loss_falls_where_the_generator_stands_still():
    settings = replace(R3, learning_rate=2e-3, last_learning_rate=2e-3, gamma=0.05, last_gamma=0.05)
    networks = settings.build(CPU)
    networks.generator_optimizer.defaults["lr"] = 0.0
    losses = [float(step(settings, networks, index)["D"]) for index in range(40)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_the_burn_in_goes_by_a_cosine():
    assert [round(R3.burnt_in(images), 6) for images in (0, 16, 32, 64, 1000)] == [0, 0.146447, 0.5, 1, 1]
    networks = R3.build(CPU)
    for images, rate, beta in ((0, 2e-4, 0.9), (32, 1.25e-4, 0.945), (64, 5e-5, 0.99)):
        scale_learning_rates(networks, generator=1.0, discriminator=1.0)
        anneal(R3, networks.optimizers.values(), images)
        for optimizer in networks.optimizers.values():
            assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)
            assert optimizer.param_groups[0]["betas"] == pytest.approx((0, beta))


def test_networks_begin_from_others_of_their_sizes():
    source = InitialNetworks(R3.exported(opened(R3)))
    networks = replace(R3, seed=4).build(CPU, source)
    for ours, theirs in zip(networks.generator.parameters(), source.generator.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    with pytest.raises(TrainingError, match="same sizes"):
        replace(R3, z_dim=7).build(CPU, source)


def test_a_run_leaves_a_generator(tmp_path: Path):
    finish(begin(R3, tmp_path / "run", 16))
    generator = ganvas.load(tmp_path / "run" / "generator.safetensors")
    assert (generator.family, generator.dimensions("z")) == ("r3gan", (8,))


@pytest.mark.parametrize("changes", [{"channels": (12, 8)}, {"channels": (8,)}, {"precision": "half"}, {"gamma": -1.0}])
def test_impossible_settings_are_refused(changes: dict):
    with pytest.raises(TrainingError):
        replace(R3, **changes)


def test_standard_settings_have_the_stated_channels():
    assert R3GANSettings.standard(64).channels == (128, 128, 128, 64, 32)
    assert R3GANSettings.standard(16, "16,8,8").architecture.groups == (2, 1, 1)
