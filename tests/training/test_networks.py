"""The training state as tensors and back: nothing is lost, other networks are refused."""

from dataclasses import replace

import pytest
import torch

from ganvas.errors import TrainingError
from ganvas.training.gan.networks import (
    Networks,
    adam,
    lr_decay,
    lr_warmup,
    restore,
    scale_learning_rates,
    tensors,
    weights_only,
)
from ganvas.training.gan.step import Step
from ganvas.training.gan.task import GANSettings
from ganvas.training.randomness import Randomness
from tests.training.tiny import CPU, DC, STYLE, differing, images_at

pytestmark = pytest.mark.usefixtures("one_thread")


def trained(settings: GANSettings, steps: int = 2) -> Networks:
    networks = settings.build(CPU)
    real = images_at(settings.resolution).batch(torch.arange(settings.batch).numpy())
    for index in range(steps):
        settings.step(networks, Step(index, real, Randomness(0, index)))
    return networks


@pytest.mark.parametrize("settings", [STYLE, DC], ids=["stylegan2", "dcgan"])
def test_restored_state_is_bit_identical(settings: GANSettings):
    networks, fresh = trained(settings), settings.build(CPU)
    assert differing(networks, networks) == []
    assert restore(fresh, {name: t.clone() for name, t in tensors(networks).items()}) is True
    assert differing(networks, fresh) == []


def test_restoring_keeps_the_memory_layout():
    networks, fresh = trained(DC), DC.build(CPU)
    restore(fresh, {name: t.contiguous() for name, t in tensors(networks).items()})
    for one, other in zip(networks.discriminator.parameters(), fresh.discriminator.parameters(), strict=True):
        assert one.stride() == other.stride()


@pytest.mark.parametrize("settings", [STYLE, DC], ids=["stylegan2", "dcgan"])
def test_weights_only_state_holds_weights_in_bfloat16(settings: GANSettings):
    networks, fresh = trained(settings), settings.build(CPU)
    held = weights_only(networks)
    assert not any(name.startswith("optimizer") for name in held)
    assert restore(fresh, held) is False
    for name, weight in networks.generator.named_parameters():
        torch.testing.assert_close(fresh.generator.state_dict()[name], weight.detach(), atol=0, rtol=2**-8)
    assert fresh.extra.keys() == networks.extra.keys()
    assert all(torch.equal(fresh.extra[name], networks.extra[name]) for name in fresh.extra)


def test_state_of_other_networks_is_refused():
    held = tensors(trained(STYLE, steps=0))
    with pytest.raises(TrainingError, match="generator has other layers"):
        restore(replace(STYLE, channels=(8, 8, 4)).build(CPU), held)
    with pytest.raises(TrainingError, match="discriminator has other layers"):
        restore(replace(STYLE, discriminator_channels=(8, 8, 4)).build(CPU), held)
    with pytest.raises(TrainingError, match="other layers"):
        restore(DC.build(CPU), held)


def test_adam_is_corrected_for_lazy_regularization():
    network = torch.nn.Linear(2, 2)
    plain, lazy = adam(network, 1e-3, (0.5, 0.99)), adam(network, 1e-3, (0.5, 0.99), 16)
    assert (plain.defaults["lr"], plain.defaults["betas"]) == (1e-3, (0.5, 0.99))
    assert lazy.defaults["lr"] == pytest.approx(1e-3 * 16 / 17)
    assert lazy.defaults["betas"] == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))


def test_learning_rate_warms_up_linearly():
    factors = [lr_warmup(step) for step in range(300)]
    assert lr_warmup(-1) == lr_warmup(-50) == 0  # before its first step
    assert 0 < factors[0] < 0.01
    assert factors == sorted(factors)
    assert factors[-1] == 1
    networks = DC.build(CPU)
    scale_learning_rates(networks, generator=0.25, discriminator=0.5)
    assert [o.param_groups[0]["lr"] for o in networks.optimizers.values()] == [
        0.25 * DC.learning_rate,
        0.5 * DC.discriminator_learning_rate,
    ]


def test_learning_rate_decays_linearly_to_zero():
    assert [lr_decay(left, 40) for left in (100, 40, 20, 1, 0, -8)] == [1, 1, 0.5, 1 / 40, 0, 0]
    assert lr_decay(0, 0) == lr_decay(7, 0) == 1
