"""StyleGAN2's training step against its loss written down a second time, and its settings."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.training.gan import stylegan2
from ganvas.training.gan.channels import standard_channels
from ganvas.training.gan.losses import gradient_penalty
from ganvas.training.gan.networks import Networks
from ganvas.training.gan.sampling import sample_ws, synthesize
from ganvas.training.gan.step import Step
from ganvas.training.gan.stylegan2 import StyleGAN2Settings, every_nth_group
from ganvas.training.randomness import Randomness
from tests.training.tiny import CPU, STYLE, images_at

pytestmark = pytest.mark.usefixtures("one_thread")
REAL = images_at(16).batch(torch.arange(8).numpy())


def step(settings: StyleGAN2Settings, networks: Networks, index: int = 0) -> dict[str, Tensor]:
    return settings.step(networks, Step(index, REAL, Randomness(0, index)))


def weights(module: torch.nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_discriminator_gradient_is_that_of_loss_and_penalties():
    """The whole sum is written down a second time and differentiated at once."""
    settings = replace(STYLE, r1=2.0, r2=3.0, penalty_every=4)
    networks, draws = settings.build(CPU), Randomness(0, 0)
    discriminator = networks.discriminator
    fake = synthesize(
        networks.generator, sample_ws(networks.generator, draws, 8, 0.5), draws, 8, torch.float32
    ).detach()
    real = REAL.clone().requires_grad_()
    fake.requires_grad_()
    real_scores, fake_scores = discriminator(torch.cat([real, fake])).chunk(2)
    total = F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()
    for images, gamma in ((real, 2.0), (fake, 3.0)):
        (slope,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
        total = total + gamma / 2 * 4 * slope.square().sum() / 8
    expected = torch.autograd.grad(total, list(discriminator.parameters()))
    stylegan2.discriminator_step(settings, networks, Step(0, REAL, Randomness(0, 0)))
    for parameter, gradient in zip(discriminator.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-3)


def test_penalties_are_computed_every_so_many_steps():
    networks = STYLE.build(CPU)
    assert ["R1" in step(STYLE, networks, index) for index in range(7)] == [True, False, False] * 2 + [True]
    assert "R1" not in step(replace(STYLE, r1=0.0), networks)
    assert "R2" in step(replace(STYLE, r2=1.0), networks)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_penalty_takes_the_same_images_for_any_number_of_processes(processes: int):
    batch = torch.arange(32.0)[:, None, None, None].expand(-1, 3, 2, 2)
    some = torch.cat([every_nth_group(part, 2) for part in batch.chunk(processes)])
    assert some[:, 0, 0, 0].tolist() == [*range(4), *range(8, 12), *range(16, 20), *range(24, 28)]
    seen = step(replace(STYLE, penalty_images=4), STYLE.build(CPU))["R1"]
    expected = gradient_penalty(STYLE.build(CPU).discriminator, REAL[:4])
    torch.testing.assert_close(seen, expected.detach())


def test_path_regularizer_updates_the_mean_length():
    settings = replace(STYLE, path=2.0, path_every=2)
    networks = settings.build(CPU)
    seen = [step(settings, networks, index) for index in range(4)]
    assert ["path" in numbers for numbers in seen] == [True, False, True, False]
    assert float(networks.extra["path_mean"]) > 0
    untouched = STYLE.build(CPU)
    step(STYLE, untouched)
    assert float(untouched.extra["path_mean"]) == 0


def test_generator_is_unchanged_during_the_discriminator_warmup():
    settings = replace(STYLE, discriminator_warmup=2)
    networks = settings.build(CPU)
    before = weights(networks.generator)
    for index in range(2):
        assert "G" not in step(settings, networks, index)
    assert all(torch.equal(a, b) for a, b in zip(before, networks.generator.parameters(), strict=True))
    assert "G" in step(settings, networks, 2)
    assert not all(torch.equal(a, b) for a, b in zip(before, networks.generator.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["bce", "hinge", "relativistic"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_each_network_learns_against_a_fixed_other(loss: str, precision: str):
    settings = replace(STYLE, loss=loss, precision=precision, learning_rate=0.01, discriminator_learning_rate=0.01)
    networks = settings.build(CPU)
    same = [stylegan2.discriminator_step, stylegan2.generator_step]
    for part, name in zip(same, "DG", strict=True):
        losses = [
            float(part(settings, networks, Step(index + 1, REAL, Randomness(0, index)))[name]) for index in range(25)
        ]
        assert sum(losses[-5:]) < 0.8 * sum(losses[:5]) if losses[0] > 0 else sum(losses[-5:]) < sum(losses[:5]) - 0.5


def test_bfloat16_losses_are_near_those_of_float32():
    seen = [step(replace(STYLE, precision=name), STYLE.build(CPU)) for name in ("float32", "bfloat16")]
    for name in ("D", "G"):
        assert float(seen[1][name]) == pytest.approx(float(seen[0][name]), rel=0.05)


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = STYLE.build(CPU)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    other = STYLE.build(CPU)
    assert all(torch.equal(a, b) for a, b in zip(weights(one.generator), weights(other.generator), strict=True))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_style_mixing_takes_a_second_code_with_its_probability():
    generator = STYLE.build(CPU).generator
    alone = sample_ws(generator, Randomness(0, 0), 64, 0.0)
    assert torch.equal(alone, alone[:, :1].expand(-1, generator.layers, -1))
    mixed = sample_ws(generator, Randomness(0, 0), 64, 1.0)
    assert torch.equal(mixed[:, 0], alone[:, 0])
    changes = (mixed[:, 1:] != mixed[:, :-1]).any(dim=2).sum(dim=1)
    assert (changes == 1).all()
    half = sample_ws(generator, Randomness(0, 0), 64, 0.5)
    assert 16 < int((half[:, -1] != half[:, 0]).any(dim=1).sum()) < 48


def test_training_synthesis_equals_the_generators():
    generator = STYLE.build(CPU).generator
    with torch.no_grad():
        for _, layer in generator.synthesis.convolutions():
            layer.noise_strength.fill_(0.5)
        ws = sample_ws(generator, Randomness(0, 0), 4, 0.5)
        found = synthesize(generator, ws, Randomness(0, 1), 4, torch.float32)
        draws = Randomness(0, 1)
        noise = {
            name: draws.normal(4, 1, layer.resolution, layer.resolution)
            for name, layer in generator.synthesis.convolutions()
        }
        torch.testing.assert_close(found, generator.synthesize(ws, "w+", noise=noise))


def test_mean_w_is_updated():
    networks = STYLE.build(CPU)
    step(STYLE, networks)
    ws = sample_ws(STYLE.build(CPU).generator, Randomness(0, 0), 8, 0.5)
    assert networks.generator.mapping.w_avg.shape == ws[0, 0].shape
    assert networks.generator.mapping.w_avg.abs().max() > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": "wasserstein"}, "'wasserstein' is not known; give one of bce, hinge, relativistic"),
        ({"batch": 2}, "at least 4 images"),
        ({"discriminator_channels": (8, 8)}, "same number of maps"),
        ({"learning_rate": 0.0}, "learning rate 0.0 is not possible; give above 0 to 1"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"r1": -1.0}, "r1 -1.0 is not possible; give 0 to"),
        ({"r2": float("inf")}, "r2 inf"),
        ({"mixing": 1.5}, "mixing 1.5 is not possible; give 0 to 1"),
        ({"penalty_every": 0}, "penalty every 0 is not possible; give 1 to"),
        ({"penalty_images": 16}, "penalty images 16 is not possible; give 0 to 8"),
        ({"z_dim": 0}, "z dim 0"),
        ({"mapping_layers": 0}, "mapping layers 0"),
        ({"discriminator_warmup": -1}, "discriminator warmup -1"),
    ],
)
def test_setting_out_of_range_is_refused(changes: dict, said: str):
    with pytest.raises(TrainingError, match=said):
        replace(STYLE, **changes)


def test_standard_channels_follow_the_rule():
    assert standard_channels(128) == (256, 256, 256, 128, 64, 32)
    assert standard_channels(1024, 32768, 512) == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    for resolution in (4, 48, 0, -8):
        with pytest.raises(TrainingError, match="power of two from 8 up"):
            standard_channels(resolution)
