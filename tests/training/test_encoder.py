"""Training an encoder: its losses, that it learns, and that a stopped training goes on bit for bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.inversion.encoder import Architecture, load_encoder
from ganvas.metrics.features import Architecture as FeatureArchitecture
from ganvas.metrics.features import FeatureNetwork
from ganvas.training.encoder import run as encoder_run
from ganvas.training.encoder.run import EncoderPlan, EncoderRun, hash_of
from ganvas.training.encoder.training import EncoderRecipe, new_encoder, step
from ganvas.training.gan.networks import adam
from ganvas.training.log import read_log
from ganvas.training.randomness import Randomness
from tests.training.tiny import STYLE, images_at, unequal

RECIPE = EncoderRecipe(batch=8, real_from=2, steps=6, rate=3e-3)
PIXELS = 16
SMALL = Architecture(PIXELS, 6, 8, (8, 16, 16), 16)


@pytest.fixture(scope="module")
def generator() -> StyleGAN2:
    torch.manual_seed(0)
    made = StyleGAN2(STYLE.architecture).eval().requires_grad_(False)
    made.mapping.w_avg.copy_(made.mapping(torch.randn(4000, 8), None).mean(0))
    return made


@pytest.fixture(scope="module")
def features() -> FeatureNetwork:
    torch.manual_seed(0)
    return FeatureNetwork(FeatureArchitecture(PIXELS, (4, 8), 4)).eval().requires_grad_(False)


def pixel_distance(images: Tensor, others: Tensor) -> Tensor:
    return (images - others).square().mean((1, 2, 3))


def test_rate_falls_over_the_last_third():
    recipe = EncoderRecipe(steps=90, rate=0.5)
    assert [recipe.rate_at(index) for index in (0, 59, 60, 75, 90)] == pytest.approx([0.5, 0.5, 0.5, 0.25, 0.0])


def test_guessing_the_mean_costs_one(generator: StyleGAN2):
    """Codes count in the deviations of the space, so that a loss of 1 is knowing nothing."""
    encoder = new_encoder(generator, architecture=SMALL)
    torch.nn.init.zeros_(encoder.common.weight)
    torch.nn.init.zeros_(encoder.common.bias)
    recipe = replace(RECIPE, batch=512, mixing=0.0)
    optimizer = adam(encoder, 1e-3, (0.9, 0.99))
    args = (optimizer, torch.zeros(0, 3, PIXELS, PIXELS), 0, Randomness(1, 0), pixel_distance)
    assert step(recipe, encoder, generator, *args)["codes"] == pytest.approx(1.0, abs=0.1)


def test_it_learns_where_codes_lie(generator: StyleGAN2):
    encoder = new_encoder(generator, architecture=SMALL)
    recipe = replace(RECIPE, batch=16, real_from=1000, steps=60, mixing=0.0, rate=1e-2)
    optimizer = adam(encoder, recipe.rate, (0.9, 0.99))
    nothing = torch.zeros(0, 3, PIXELS, PIXELS)
    losses = [
        float(
            step(recipe, encoder, generator, optimizer, nothing, index, Randomness(0, index), pixel_distance)["codes"]
        )
        for index in range(recipe.steps)
    ]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_real_images_are_rebuilt(generator: StyleGAN2):
    """Without known codes it learns to look like the images; the prior holds codes near the mean."""
    with torch.no_grad():
        real = generator.synthesize(generator.map(generator.sample(range(16))), "w+")
    found = {}
    for prior in (0.0, 10.0):
        encoder = new_encoder(generator, architecture=SMALL)
        recipe = replace(RECIPE, batch=16, real_from=0, steps=40, prior=prior, codes=0.0, rate=1e-2)
        optimizer = adam(encoder, recipe.rate, (0.9, 0.99))
        found[prior] = [
            step(recipe, encoder, generator, optimizer, real, index, Randomness(0, index), pixel_distance)
            for index in range(recipe.steps)
        ]
    pixels = [float(seen["pixels"]) for seen in found[0.0]]
    assert sum(pixels[-10:]) < 0.9 * sum(pixels[:10])
    assert found[10.0][-1]["prior"] < 0.5 * found[0.0][-1]["prior"]


def begin(folder: Path, generator: StyleGAN2, features: FeatureNetwork, recipe: EncoderRecipe = RECIPE) -> EncoderRun:
    folder.mkdir(exist_ok=True)
    return encoder_run.begin(recipe, EncoderPlan(folder, 2, 2), generator, images_at(PIXELS), features)


def test_stopped_and_gone_on_bit_for_bit(tmp_path: Path, generator: StyleGAN2, features: FeatureNetwork):
    whole = begin(tmp_path / "whole", generator, features)
    list(whole.events())
    stopped = begin(tmp_path / "stopped", generator, features)
    for event in stopped.events():
        stopped.stopping = event.images >= 3 * RECIPE.batch
    assert stopped.done == 3
    plan = EncoderPlan(tmp_path / "stopped", 2, 2)
    resumed = encoder_run.resume(RECIPE, plan, generator, images_at(PIXELS), features)
    assert resumed.done == 3
    list(resumed.events())
    assert unequal(whole.encoder.state_dict(), resumed.encoder.state_dict()) == []
    assert [line["step"] for line in read_log(tmp_path / "whole")] == [2, 4, 6]
    encoder, of = load_encoder(tmp_path / "whole" / "encoder.safetensors")
    assert of == hash_of(generator)
    assert encoder(torch.zeros(1, 3, PIXELS, PIXELS)).shape == (1, generator.layers, 8)


def test_refusals(tmp_path: Path, generator: StyleGAN2, features: FeatureNetwork):
    data, plan = images_at(PIXELS), EncoderPlan(tmp_path, 2, 2)
    with pytest.raises(TrainingError, match="no snapshot to go on from"):
        encoder_run.resume(RECIPE, plan, generator, data, features)
    begin(tmp_path, generator, features).save()
    with pytest.raises(TrainingError, match="holds a training already"):
        begin(tmp_path, generator, features)
    with pytest.raises(TrainingError, match=r"other settings \(rate 0.003\)"):
        encoder_run.resume(replace(RECIPE, rate=1.0), plan, generator, data, features)
    other = StyleGAN2(STYLE.architecture)
    with pytest.raises(TrainingError, match="another generator"):
        encoder_run.resume(RECIPE, plan, other, data, features)
    broken = begin(tmp_path / "broken", generator, features)
    with torch.no_grad():
        broken.encoder.enter.bias[0] = torch.nan
    with pytest.raises(TrainingError, match=r"enter\.bias"):
        broken.save()
    assert not (tmp_path / "broken" / "encoder.safetensors").exists()


@pytest.mark.parametrize("change", [{"steps": 0}, {"rate": 0.0}, {"batch": 1}, {"prior": -1.0}, {"mixing": 2.0}])
def test_wrong_settings(change: dict):
    with pytest.raises(TrainingError, match=next(iter(change))):
        replace(RECIPE, **change)
