"""Training an encoder: its losses, that it learns, and that a stopped run resumes bit for bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.inversion.encoder import EncoderArchitecture, load_encoder
from ganvas.metrics.features import Architecture as FeatureArchitecture
from ganvas.metrics.features import FeatureNetwork
from ganvas.training.encoder import run as encoder_run
from ganvas.training.encoder.run import EncoderSchedule, EncoderTask, hash_of
from ganvas.training.encoder.training import EncoderSettings, new_encoder, step
from ganvas.training.gan.networks import adam
from ganvas.training.log import read_log
from ganvas.training.randomness import Randomness
from tests.training.tiny import STYLE, AlwaysDue, images_at, unequal

SETTINGS = EncoderSettings(batch=8, real_from=2, steps=6, learning_rate=3e-3)
PIXELS = 16
SMALL = EncoderArchitecture(PIXELS, 6, 8, (8, 16, 16), 16)


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


def test_learning_rate_decays_over_the_last_third():
    settings = EncoderSettings(steps=90, learning_rate=0.5)
    assert [settings.learning_rate_at(index) for index in (0, 59, 60, 75, 90)] == pytest.approx(
        [0.5, 0.5, 0.5, 0.25, 0.0]
    )


def test_codes_loss_of_the_mean_code_is_one(generator: StyleGAN2):
    """Codes are compared in std of the space: 1 is the loss of an encoder that knows nothing."""
    encoder = new_encoder(generator, architecture=SMALL)
    torch.nn.init.zeros_(encoder.common.weight)
    torch.nn.init.zeros_(encoder.common.bias)
    settings = replace(SETTINGS, batch=512, mixing=0.0)
    optimizer = adam(encoder, 1e-3, (0.9, 0.99))
    args = (optimizer, torch.zeros(0, 3, PIXELS, PIXELS), 0, Randomness(1, 0), pixel_distance)
    assert step(settings, encoder, generator, *args)["codes"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_encoder_learns_the_codes_of_fake_images(generator: StyleGAN2):
    encoder = new_encoder(generator, architecture=SMALL)
    settings = replace(SETTINGS, batch=16, real_from=1000, steps=60, mixing=0.0, learning_rate=1e-2)
    optimizer = adam(encoder, settings.learning_rate, (0.9, 0.99))
    nothing = torch.zeros(0, 3, PIXELS, PIXELS)
    losses = [
        float(
            step(settings, encoder, generator, optimizer, nothing, index, Randomness(0, index), pixel_distance)["codes"]
        )
        for index in range(settings.steps)
    ]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


@pytest.mark.slow
def test_encoder_learns_to_reconstruct_real_images(generator: StyleGAN2):
    """Without known codes the reconstruction improves; the prior keeps codes near the mean."""
    with torch.no_grad():
        real = generator.synthesize(generator.map(generator.sample(range(16))), "w+")
    found = {}
    for prior in (0.0, 10.0):
        encoder = new_encoder(generator, architecture=SMALL)
        settings = replace(SETTINGS, batch=16, real_from=0, steps=40, prior=prior, codes=0.0, learning_rate=1e-2)
        optimizer = adam(encoder, settings.learning_rate, (0.9, 0.99))
        found[prior] = [
            step(settings, encoder, generator, optimizer, real, index, Randomness(0, index), pixel_distance)
            for index in range(settings.steps)
        ]
    pixels = [float(seen["pixels"]) for seen in found[0.0]]
    assert sum(pixels[-10:]) < 0.9 * sum(pixels[:10])
    assert found[10.0][-1]["prior"] < 0.5 * found[0.0][-1]["prior"]


def task_of(
    folder: Path, generator: StyleGAN2, features: FeatureNetwork, settings: EncoderSettings = SETTINGS
) -> EncoderTask:
    folder.mkdir(exist_ok=True)
    return EncoderTask(settings, EncoderSchedule(2, 2), folder, generator, images_at(PIXELS), features)


@pytest.mark.slow
def test_resumed_encoder_run_is_bit_identical(tmp_path: Path, generator: StyleGAN2, features: FeatureNetwork):
    whole = encoder_run.begin(task_of(tmp_path / "whole", generator, features))
    list(whole.events())
    task = task_of(tmp_path / "stopped", generator, features)
    stopped = encoder_run.begin(task)
    for event in stopped.events():
        stopped.stopping = event.images >= 3 * SETTINGS.batch
    assert stopped.done == 3
    resumed = encoder_run.resume(task)
    assert resumed.done == 3
    list(resumed.events())
    assert unequal(whole.encoder.state_dict(), resumed.encoder.state_dict()) == []
    assert [line["step"] for line in read_log(tmp_path / "whole")] == [2, 4, 6]
    encoder, of = load_encoder(tmp_path / "whole" / "encoder.safetensors")
    assert of == hash_of(generator)
    assert encoder(torch.zeros(1, 3, PIXELS, PIXELS)).shape == (1, generator.layers, 8)


@pytest.mark.slow
def test_first_sheets_come_by_the_clock(
    tmp_path: Path, generator: StyleGAN2, features: FeatureNetwork, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(encoder_run, "SheetClock", AlwaysDue)
    run = encoder_run.begin(task_of(tmp_path, generator, features))
    found = [(event.kind, run.done) for event in run.events() if event.kind in ("sheet", "snapshot")]
    assert found == [("sheet", 1), ("snapshot", 2), ("sheet", 3), ("snapshot", 4), ("sheet", 5), ("snapshot", 6)]
    assert (tmp_path / "sheet.png").exists()


def test_missing_other_or_broken_snapshots_are_refused(tmp_path: Path, generator: StyleGAN2, features: FeatureNetwork):
    task = task_of(tmp_path / "run", generator, features)
    with pytest.raises(TrainingError, match="no snapshot to resume from"):
        encoder_run.resume(task)
    encoder_run.begin(task).save()
    with pytest.raises(TrainingError, match="holds a training already"):
        encoder_run.begin(task)
    with pytest.raises(TrainingError, match=r"other settings \(learning_rate 0.003\)"):
        encoder_run.resume(replace(task, settings=replace(SETTINGS, learning_rate=1.0)))
    with pytest.raises(TrainingError, match="another generator"):
        encoder_run.resume(replace(task, generator=StyleGAN2(STYLE.architecture)))
    broken = encoder_run.begin(task_of(tmp_path / "broken", generator, features))
    with torch.no_grad():
        broken.encoder.enter.bias[0] = torch.nan
    with pytest.raises(TrainingError, match=r"enter\.bias"):
        broken.save()
    assert not (tmp_path / "broken" / "encoder.safetensors").exists()


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"learning_rate": 0.0}, {"batch": 1}, {"prior": -1.0}, {"mixing": 2.0}]
)
def test_setting_out_of_range_is_refused_by_name(change: dict):
    with pytest.raises(TrainingError, match=next(iter(change)).replace("_", " ")):
        replace(SETTINGS, **change)
