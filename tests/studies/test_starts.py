"""The study of starts: its methods start and end as their titles claim, and it resumes where it stopped."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from studies.command import run as run_study
from studies.inversion import command
from studies.inversion.starts import WAYS, Way, run

from ganvas.checkpoints.own_format import save_generator
from ganvas.comparisons.reconstruction import ReconstructionMetrics
from ganvas.errors import CheckpointError, GanvasError
from ganvas.generators.protocol import About
from ganvas.inversion.encoder import Encoder, EncoderArchitecture, encoder_for, save_encoder
from ganvas.inversion.features import bundled_features
from ganvas.latents.files import load_latent
from tests.generators.small import small_stylegan2
from tests.training.tiny import write_images

SHORT = (Way(True, 0), Way(False, 3), Way(True, 3))


@pytest.fixture
def generator():
    torch.set_num_threads(1)
    made = small_stylegan2(16)
    made.about = About("small", "0" * 64)
    return made


@pytest.mark.slow
def test_a_perfect_encoder_needs_no_steps_and_the_mean_does(generator, tmp_path: Path):
    """An encoder that sees the very code is at its goal with no step; the mean is not, after three."""
    ws = generator.map(generator.sample([0, 1]), "w+")
    photos = generator.synthesize(ws, "w+")
    metrics = ReconstructionMetrics(bundled_features())
    cells = run(generator, lambda _: ws, photos, tmp_path, metrics, SHORT)
    assert list(cells) == ["encoder alone", "mean, 3 steps", "encoder, 3 steps"]
    alone, mean, _ = cells.values()
    torch.testing.assert_close(load_latent(tmp_path / alone.latent).codes, ws)
    assert min(alone.psnr) > 60 > max(mean.psnr)

    def fail(_):
        raise AssertionError("computed again")

    assert run(generator, fail, photos, tmp_path, metrics, SHORT) == cells
    generator.about = replace(generator.about, hash="1" * 64)
    with pytest.raises(GanvasError, match="another folder"):
        run(generator, fail, photos, tmp_path, metrics, SHORT)


def test_each_way_stands_below_the_one_it_is_compared_with():
    """Each way is compared with the one before it: steps with none, the encoder with the mean at equal steps."""
    assert [way.title for way in WAYS] == [
        "encoder alone",
        "mean, 100 steps",
        "encoder, 100 steps",
        "mean, 300 steps",
        "encoder, 300 steps",
    ]


@pytest.mark.slow
def test_command_refuses_another_encoder_and_writes_tables(
    generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    model = save_generator(tmp_path / "small.safetensors", generator, generator.about)
    photos = write_images(tmp_path / "photos", 16, (16, 16))
    made = Encoder(EncoderArchitecture(16, *generator.dimensions("w+"), (4, 6, 8), hidden=8))
    encoder = save_encoder(tmp_path / "encoder.safetensors", made, "1" * 64, {})
    monkeypatch.setattr(command.starts, "WAYS", SHORT)
    given = [str(model), str(photos), "--encoder", str(encoder), "--out", str(tmp_path / "out"), "--count", "2"]
    assert run_study(command.study, given) == 2
    assert "encoder of another generator" in capsys.readouterr().err
    save_encoder(encoder, made, command.load(model).about.hash, {})
    assert run_study(command.study, given) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cells", "starts.md", "starts.json", "starts.jpg"}
    table = (tmp_path / "out" / "starts.md").read_text()
    assert "encoder, 3 steps minus mean, 3 steps, photo by photo" in table
    assert "2 photos" in table


def test_error_without_an_encoder_names_the_generator(generator):
    with pytest.raises(CheckpointError, match="no encoder for 'small'"):
        encoder_for(generator)
