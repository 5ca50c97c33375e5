"""StyleGAN3's training step, its blur, its augmentation, and that what is trained stays equivariant."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.checkpoints.own_format import save_generator
from ganvas.errors import TrainingError
from ganvas.generators.protocol import About
from ganvas.training.gan.augment import EQUIVARIANT_PARTS
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.losses import gradient_penalty
from ganvas.training.gan.networks import InitialNetworks, Networks
from ganvas.training.gan.step import Step
from ganvas.training.gan.stylegan3 import StyleGAN3Settings, blur_at, blurred
from ganvas.training.gan.task import RunSchedule
from ganvas.training.launch import RunOptions, call_of
from ganvas.training.randomness import Randomness
from tests.generators.small import small_stylegan2
from tests.training.tiny import CPU, STYLE3, images_at

pytestmark = pytest.mark.usefixtures("one_thread")
REAL = images_at(16).batch(torch.arange(8).numpy())
SHARP = replace(STYLE3, blur_images=0)


def step(settings: StyleGAN3Settings, networks: Networks, index: int = 0) -> dict[str, Tensor]:
    return settings.step(networks, Step(index, REAL, Randomness(0, index)))


@pytest.mark.float32
def test_step_equals_the_published_one():
    """Non-saturating losses and lazy R1, from their definitions, on images of the generator's own synthesis."""
    networks = SHARP.build(CPU)
    generator, discriminator = copy.deepcopy(networks.generator), copy.deepcopy(networks.discriminator)
    seen = step(SHARP, networks)
    for (_, own), (_, moved) in zip(
        generator.synthesis.named_layers(), networks.generator.synthesis.named_layers(), strict=True
    ):
        own.magnitude.copy_(moved.magnitude)
    with torch.no_grad():
        fake = generator.synthesize(Randomness(0, 0).normal(8, SHARP.z_dim), "z")
    real_scores, fake_scores = discriminator(torch.cat([REAL, fake])).chunk(2)
    expected = F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()
    assert float(seen["D"]) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert float(seen["R1"]) == pytest.approx(float(gradient_penalty(discriminator, REAL).detach()), rel=1e-4)
    fooled = F.softplus(-networks.discriminator(fake)).mean()  # of the discriminator that has just learned
    assert float(seen["G"]) == pytest.approx(float(fooled.detach()), rel=1e-4)


@pytest.mark.slow
def test_penalty_is_lazy_and_has_the_weight_of_all_steps():
    """With gradients of the penalty alone, a step at an interval of 3 has three times those at an interval of 1."""
    gradients = []
    for every in (1, 3):
        networks = replace(SHARP, penalty_every=every, discriminator_learning_rate=1e-9).build(CPU)
        with_penalty, without = (replace(SHARP, penalty_every=every, r1=r1) for r1 in (1.0, 0.0))
        found = []
        for settings in (with_penalty, without):
            step(settings, networks)
            found.append(networks.discriminator.from_rgb.weight.grad.clone())
            networks.generator.load_state_dict(SHARP.build(CPU).generator.state_dict())
        gradients.append(found[0] - found[1])
    torch.testing.assert_close(gradients[1], 3 * gradients[0], rtol=1e-2, atol=1e-5)
    networks = SHARP.build(CPU)
    assert ["R1" in step(SHARP, networks, index) for index in range(4)] == [True, False, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("rotation", [False, True])
def test_discriminator_loss_falls_and_weights_stay_float32(precision: str, rotation: bool):
    rates = {"learning_rate": 1e-5, "discriminator_learning_rate": 1e-2}
    settings = replace(SHARP, precision=precision, rotation=rotation, r1=0.0, **rates)
    networks = settings.build(CPU)
    seen = [step(settings, networks, index) for index in range(12)]
    assert float(seen[-1]["D"]) < 0.9 * float(seen[0]["D"])
    assert all(value.isfinite() for numbers in seen for value in numbers.values())
    assert all(p.dtype == torch.float32 for p in networks.generator.parameters())


@pytest.mark.parametrize("rotation", [False, True])
def test_trained_generator_stays_equivariant_to_translation(rotation: bool):
    """Moved by two pixels, the image is the old one two pixels further on; beyond the border nothing is compared."""
    settings = replace(
        STYLE3, resolution=32, discriminator_channels=(8, 8, 8, 8), channels=(8,) * 5, rotation=rotation, batch=4
    )
    networks = settings.build(CPU)
    real = images_at(32).batch(torch.arange(4).numpy())
    for index in range(2):
        settings.step(networks, Step(index, real, Randomness(0, index)))
    generator = networks.generator.eval().requires_grad_(False)
    ws = generator.map(generator.sample([0, 1]))
    still = generator.synthesize(ws, "w+")
    moved = generator.transformed(translate=(2 / 32, 0.0)).synthesize(ws, "w+")
    difference = (moved[..., 4:-4, 6:-4] - still[..., 4:-4, 4:-6]).square().mean()
    assert difference < 0.05**2 * still.var(), float(difference / still.var())


def test_blur_fades_linearly_and_is_ten_pixels_of_256():
    settings = replace(STYLE3, resolution=256, discriminator_channels=(8,) * 7, blur_images=1000)
    assert [blur_at(settings, images) for images in (0, 250, 1000, 5000)] == [10.0, 7.5, 0.0, 0.0]
    assert blur_at(SHARP, 0) == 0


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_blur_is_a_gaussian(sigma: float):
    image = torch.zeros(1, 3, 41, 41)
    image[..., 20, 20] = 1
    soft = blurred(image, sigma)
    assert float(soft.sum()) == pytest.approx(3, abs=1e-4)
    offsets = (torch.arange(41) - 20).float()
    for axis in (2, 3):
        profile = soft[0, 0].sum(dim=axis - 2)
        assert float((profile * offsets.square()).sum()) == pytest.approx(sigma**2, rel=0.12)  # cut at three sigma
    flat = torch.full((1, 3, 8, 8), 0.3)
    torch.testing.assert_close(blurred(flat, sigma), flat)
    assert blurred(image, 0.0) is image


def test_augmentation_is_reduced_to_what_commutes_with_moving_and_turning():
    call = call_of("data", STYLE3, Path(), Augmentation("adaptive"), RunSchedule(), RunOptions())
    assert call.augmentation.parts == EQUIVARIANT_PARTS
    for kind in ("diff", "adaptive"):
        chosen = replace(call.augmentation, kind=kind)
        extra: dict[str, Tensor] = {}
        chosen.prepare(extra, CPU)
        if extra:
            extra["strength"] = torch.tensor(0.8)
        change = chosen.before_discriminator(extra)
        moved = change(REAL.roll((3, 5), dims=(2, 3)).rot90(1, (2, 3)), Randomness(0, 0))
        torch.testing.assert_close(moved, change(REAL, Randomness(0, 0)).roll((3, 5), dims=(2, 3)).rot90(1, (2, 3)))


def test_standard_settings_are_the_published_form():
    settings = StyleGAN3Settings.standard(64)
    assert len(settings.channels) == 14
    assert settings.channels[0] == 256
    assert settings.channels[-3:] == (32, 32, 32) or settings.channels[-1] == 32
    assert (settings.architecture.kernel, settings.architecture.radial) == (3, False)
    turning = StyleGAN3Settings.standard(64, rotation=True)
    assert turning.channels == tuple(2 * width for width in settings.channels)
    assert (turning.architecture.kernel, turning.architecture.radial) == (1, True)
    assert StyleGAN3Settings.standard(64, "32,32,16").channels == (32, 32, 16)


def test_run_starts_from_a_generator_of_the_same_sizes():
    source = InitialNetworks(STYLE3.build(CPU).average)
    networks = replace(STYLE3, seed=4).build(CPU, source)
    assert torch.equal(networks.generator.synthesis.input.weight, source.generator.synthesis.input.weight)
    with pytest.raises(TrainingError, match="same sizes"):
        replace(STYLE3, z_dim=7).build(CPU, source)


def test_generator_waits_while_the_discriminator_warms_up():
    settings = replace(STYLE3, discriminator_warmup=2)
    networks = settings.build(CPU)
    for index, learns in enumerate([False, False, True]):
        before = [p.detach().clone() for p in networks.generator.parameters()]
        assert ("G" in step(settings, networks, index)) == learns
        unchanged = all(torch.equal(a, b) for a, b in zip(before, networks.generator.parameters(), strict=True))
        assert unchanged != learns


@pytest.mark.slow
def test_student_learns_its_teachers_images_with_the_teachers_mapping(tmp_path: Path):
    teacher = small_stylegan2(16, width=8, z_dim=8)
    path = str(save_generator(tmp_path / "teacher.safetensors", teacher, About("teacher", "")))
    settings = replace(SHARP, distill=path, distill_images=160, mapping_layers=2, learning_rate=1e-2)
    networks = settings.build(CPU)
    seen = [step(settings, networks, index) for index in range(20)]
    assert float(seen[-1]["distance"]) < 0.9 * float(seen[0]["distance"])
    assert all("G" not in metrics for metrics in seen)
    for name, tensor in teacher.mapping.named_parameters():
        assert torch.equal(tensor, networks.generator.mapping.state_dict()[name]), name
    last = step(settings, networks, 20)
    assert "G" in last
    assert "distance" not in last
    with pytest.raises(TrainingError, match="mapping network has z_dim 8, not 7"):
        replace(settings, z_dim=7).build(CPU)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch": 2}, "at least 4 images"),
        ({"resolution": 32}, "a map for each size from 4 to 32 pixels"),
        ({"learning_rate": 0.0}, "learning rate 0.0"),
        ({"r1": -1.0}, "r1 -1.0"),
        ({"blur_images": -1}, "blur images -1"),
        ({"penalty_every": 0}, "penalty every 0"),
    ],
)
def test_setting_out_of_range_is_refused(changes: dict, said: str):
    with pytest.raises(TrainingError, match=said):
        replace(STYLE3, **changes)
