"""DCGAN's training step against the published settings in torch's layers, and the exported generator."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from ganvas.errors import TrainingError
from ganvas.training.gan.dcgan import STATISTICS_BATCH, STATISTICS_BATCHES, DCGANSettings, with_own_statistics
from ganvas.training.gan.networks import Networks
from ganvas.training.gan.step import Step
from ganvas.training.randomness import Randomness
from tests.training.tiny import CPU, DC, check_learned, images_at

pytestmark = pytest.mark.usefixtures("one_thread")
REAL = images_at(32).batch(torch.arange(8).numpy())


def step(settings: DCGANSettings, networks: Networks, index: int = 0) -> dict[str, torch.Tensor]:
    return settings.step(networks, Step(index, REAL, Randomness(0, index)))


def test_step_equals_the_published_one():
    """Binary cross entropy of sigmoids; real and fake images in separate batches; the generator with flipped labels."""
    networks = DC.build(CPU)
    generator, discriminator = copy.deepcopy(networks.generator), copy.deepcopy(networks.discriminator)
    optimizers = [
        torch.optim.Adam(part.parameters(), lr=2e-4, betas=(0.5, 0.999)) for part in (generator, discriminator)
    ]
    loss, ones = nn.BCELoss(), torch.ones(8)
    for index in range(3):
        fake = generator(Randomness(0, index).normal(8, DC.z_dim))
        optimizers[1].zero_grad()
        of_real = loss(discriminator(REAL).sigmoid(), ones)
        of_real.backward()
        of_fake = loss(discriminator(fake.detach()).sigmoid(), 0 * ones)
        of_fake.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        fooled = loss(discriminator(fake).sigmoid(), ones)
        fooled.backward()
        optimizers[0].step()
        seen = step(DC, networks, index)
        assert float(seen["D"]) == pytest.approx(float((of_real + of_fake).detach()), rel=1e-4)
        assert float(seen["G"]) == pytest.approx(float(fooled.detach()), rel=1e-4)
    for ours, theirs in ((networks.generator, generator), (networks.discriminator, discriminator)):
        for name, tensor in ours.state_dict().items():
            torch.testing.assert_close(tensor, theirs.state_dict()[name], atol=2e-5, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["bce", "hinge"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_discriminator_loss_falls_and_weights_stay_float32(loss: str, precision: str):
    settings = replace(DC, loss=loss, precision=precision, learning_rate=1e-3, discriminator_learning_rate=1e-3)
    networks = settings.build(CPU)
    seen = [step(settings, networks, index) for index in range(30)]
    check_learned(networks, seen, 0.8)


def test_kernels_are_channels_last():
    networks = DC.build(CPU)
    step(DC, networks)
    for module in (networks.generator, networks.discriminator):
        for parameter in module.parameters():
            assert parameter.ndim < 4 or parameter.is_contiguous(memory_format=torch.channels_last)


def test_exported_generator_has_the_statistics_of_its_own_maps():
    networks = DC.build(CPU)
    for index in range(3):
        step(DC, networks, index)
    kept = with_own_statistics(networks.average)
    z = torch.randn(STATISTICS_BATCHES * STATISTICS_BATCH, DC.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = kept.blocks["b4"]
        maps = first.expand(z, first.weight)
    torch.testing.assert_close(first.norm.mean, maps.mean(dim=(0, 2, 3)), atol=2e-3, rtol=0.02)
    torch.testing.assert_close(first.norm.variance, maps.var(dim=(0, 2, 3)), atol=1e-6, rtol=0.1)
    training = copy.deepcopy(kept).train()
    with torch.no_grad():
        close = (kept.synthesize(z[:256], "z") - training(z[:256])).abs().mean()
        far = (networks.average.synthesize(z[:256], "z") - training(z[:256])).abs().mean()
    assert close < 0.5 * far


def test_export_leaves_the_run_unchanged():
    networks = DC.build(CPU)
    step(DC, networks)
    before = {name: t.clone() for name, t in networks.average.state_dict().items()}
    kept = DC.exported(networks)
    assert not kept.training
    assert all(torch.equal(t, networks.average.state_dict()[name]) for name, t in before.items())
    assert torch.equal(kept.sample([3]), networks.average.sample([3]))


def test_initial_weights_depend_on_the_seed():
    one, same, other = DC.build(CPU), DC.build(CPU), replace(DC, seed=1).build(CPU)
    assert torch.equal(one.generator.colors.weight, same.generator.colors.weight)
    assert not torch.equal(one.generator.colors.weight, other.generator.colors.weight)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": "relativistic"}, "'relativistic' does not train a DCGAN; give one of bce, hinge"),
        ({"resolution": 48}, "trained at 32, 64 or 128 pixels; 48 was given"),
        ({"batch": 1}, "at least 2"),
        ({"learning_rate": -1.0}, "learning rate -1.0 is not possible"),
        ({"width": 0}, "width 0 is not possible; give 1 to"),
        ({"z_dim": -3}, "z dim -3"),
    ],
)
def test_setting_out_of_range_is_refused(changes: dict, said: str):
    with pytest.raises(TrainingError, match=said):
        replace(DC, **changes)
