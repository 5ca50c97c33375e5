"""StyleGAN2's step against the sums that it is meant to descend, and its settings."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.training.distributed import Team
from ganvas.training.gan import augment, stylegan2
from ganvas.training.gan.losses import gradient_penalty
from ganvas.training.gan.networks import Networks
from ganvas.training.gan.stylegan2 import StyleGAN2Recipe, draw_codes, every_nth_group, paint, standard_channels
from ganvas.training.randomness import Randomness
from tests.training.tiny import CPU, STYLE, images_at

pytestmark = pytest.mark.usefixtures("one_thread")
REAL = images_at(16).batch(torch.arange(8).numpy())


def step(recipe: StyleGAN2Recipe, networks: Networks, index: int = 0) -> dict[str, Tensor]:
    return recipe.step(networks, REAL, index, Randomness(0, index), augment.unchanged, Team())


def weights(module: torch.nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_discriminator_descends_the_loss_and_the_penalty():
    """Its gradient is that of the whole sum, written down once more."""
    recipe = replace(STYLE, r1=2.0, r2=3.0, penalty_every=4)
    networks, draws = recipe.build(CPU), Randomness(0, 0)
    discriminator = networks.discriminator
    made = paint(networks.generator, draw_codes(networks.generator, draws, 8, 0.5), draws, 8, torch.float32).detach()
    real = REAL.clone().requires_grad_()
    made.requires_grad_()
    real_scores, made_scores = discriminator(torch.cat([real, made])).chunk(2)
    total = F.softplus(-real_scores).mean() + F.softplus(made_scores).mean()
    for images, gamma in ((real, 2.0), (made, 3.0)):
        (slope,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
        total = total + gamma / 2 * 4 * slope.square().sum() / 8
    expected = torch.autograd.grad(total, list(discriminator.parameters()))
    stylegan2.discriminator_step(recipe, networks, REAL, 0, Randomness(0, 0), augment.unchanged, Team())
    for parameter, gradient in zip(discriminator.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-3)


def test_penalties_come_every_so_many_steps():
    networks = STYLE.build(CPU)
    assert ["R1" in step(STYLE, networks, index) for index in range(7)] == [True, False, False] * 2 + [True]
    assert "R1" not in step(replace(STYLE, r1=0.0), networks)
    assert "R2" in step(replace(STYLE, r2=1.0), networks)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_penalty_of_some_images_is_that_of_the_same_ones_for_any_team(processes: int):
    batch = torch.arange(32.0)[:, None, None, None].expand(-1, 3, 2, 2)
    some = torch.cat([every_nth_group(part, 2) for part in batch.chunk(processes)])
    assert some[:, 0, 0, 0].tolist() == [*range(4), *range(8, 12), *range(16, 20), *range(24, 28)]
    seen = step(replace(STYLE, penalty_images=4), STYLE.build(CPU))["R1"]
    expected = gradient_penalty(STYLE.build(CPU).discriminator, REAL[:4])
    torch.testing.assert_close(seen, expected.detach())


def test_path_penalty_goes_to_the_running_mean():
    recipe = replace(STYLE, path=2.0, path_every=2)
    networks = recipe.build(CPU)
    seen = [step(recipe, networks, index) for index in range(4)]
    assert ["path" in numbers for numbers in seen] == [True, False, True, False]
    assert float(networks.extra["path_mean"]) > 0
    untouched = STYLE.build(CPU)
    step(STYLE, untouched)
    assert float(untouched.extra["path_mean"]) == 0


def test_at_first_only_the_discriminator_learns():
    recipe = replace(STYLE, discriminator_warmup=2)
    networks = recipe.build(CPU)
    before = weights(networks.generator)
    for index in range(2):
        assert "G" not in step(recipe, networks, index)
    assert all(torch.equal(a, b) for a, b in zip(before, networks.generator.parameters(), strict=True))
    assert "G" in step(recipe, networks, 2)
    assert not all(torch.equal(a, b) for a, b in zip(before, networks.generator.parameters(), strict=True))


@pytest.mark.parametrize("objective", ["bce", "hinge", "relativistic"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_learn(objective: str, precision: str):
    """Against a generator that stands still the discriminator comes to know; against a discriminator that stands still
    the generator comes to please it.
    """
    recipe = replace(STYLE, objective=objective, precision=precision, rate=0.01, discriminator_rate=0.01)
    networks, team = recipe.build(CPU), Team()
    same = [stylegan2.discriminator_step, stylegan2.generator_step]
    for part, name in zip(same, "DG", strict=True):
        losses = [
            float(part(recipe, networks, REAL, index + 1, Randomness(0, index), augment.unchanged, team)[name])
            for index in range(25)
        ]
        assert sum(losses[-5:]) < 0.8 * sum(losses[:5]) if losses[0] > 0 else sum(losses[-5:]) < sum(losses[:5]) - 0.5


def test_half_precision_s_losses_are_near_those_of_float32():
    seen = [step(replace(STYLE, precision=name), STYLE.build(CPU)) for name in ("float32", "bfloat16")]
    for name in ("D", "G"):
        assert float(seen[1][name]) == pytest.approx(float(seen[0][name]), rel=0.05)


def test_weights_do_not_depend_on_what_was_drawn_before():
    torch.manual_seed(1)
    one = STYLE.build(CPU)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    other = STYLE.build(CPU)
    assert all(torch.equal(a, b) for a, b in zip(weights(one.generator), weights(other.generator), strict=True))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_codes_of_one_and_of_two():
    generator = STYLE.build(CPU).generator
    alone = draw_codes(generator, Randomness(0, 0), 64, 0.0)
    assert torch.equal(alone, alone[:, :1].expand(-1, generator.layers, -1))
    mixed = draw_codes(generator, Randomness(0, 0), 64, 1.0)
    assert torch.equal(mixed[:, 0], alone[:, 0])
    changes = (mixed[:, 1:] != mixed[:, :-1]).any(dim=2).sum(dim=1)
    assert (changes == 1).all()
    half = draw_codes(generator, Randomness(0, 0), 64, 0.5)
    assert 16 < int((half[:, -1] != half[:, 0]).any(dim=1).sum()) < 48


def test_painted_as_synthesis_does():
    generator = STYLE.build(CPU).generator
    with torch.no_grad():
        for _, layer in generator.synthesis.convolutions():
            layer.noise_strength.fill_(0.5)
        ws = draw_codes(generator, Randomness(0, 0), 4, 0.5)
        found = paint(generator, ws, Randomness(0, 1), 4, torch.float32)
        draws = Randomness(0, 1)
        noise = {
            name: draws.normal(4, 1, layer.resolution, layer.resolution)
            for name, layer in generator.synthesis.convolutions()
        }
        torch.testing.assert_close(found, generator.synthesize(ws, "w+", noise=noise))


def test_mean_w_follows():
    networks = STYLE.build(CPU)
    step(STYLE, networks)
    ws = draw_codes(STYLE.build(CPU).generator, Randomness(0, 0), 8, 0.5)
    assert networks.generator.mapping.w_avg.shape == ws[0, 0].shape
    assert networks.generator.mapping.w_avg.abs().max() > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "wasserstein"}, "'wasserstein' is not known; give one of bce, hinge, relativistic"),
        ({"batch": 2}, "at least 4 images"),
        ({"discriminator_channels": (8, 8)}, "same number of maps"),
        ({"rate": 0.0}, "rate 0.0 is not possible; give a number above 0"),
        ({"rate": float("nan")}, "rate nan"),
        ({"r1": -1.0}, "r1 -1.0 is not possible; give 0 or more"),
        ({"r2": float("inf")}, "r2 inf"),
        ({"mixing": 1.5}, "mixing 1.5 is not possible; give 0 to 1"),
        ({"penalty_every": 0}, "penalty every 0 is not possible; give 1 or more"),
        ({"penalty_images": 16}, "penalty images 16 is not possible; give 0 to 8"),
        ({"z_dim": 0}, "z dim 0"),
        ({"mapping_layers": 0}, "mapping layers 0"),
        ({"discriminator_warmup": -1}, "judge first -1"),
    ],
)
def test_settings_that_make_no_sense(changes: dict, said: str):
    with pytest.raises(TrainingError, match=said):
        replace(STYLE, **changes)


def test_channels():
    assert standard_channels(128) == (256, 256, 256, 128, 64, 32)
    assert standard_channels(1024, 32768, 512) == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    for resolution in (4, 48, 0, -8):
        with pytest.raises(TrainingError, match="power of two from 8 up"):
            standard_channels(resolution)
