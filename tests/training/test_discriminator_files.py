"""Discriminator files: same scores after loading, and only for their own generator."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.checkpoints import load as files
from ganvas.errors import TrainingError
from ganvas.io.tensor_files import write_tensors
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.gan.discriminator_files import (
    DISCRIMINATOR,
    KIND,
    companion_discriminator_path,
    load_discriminator,
    save_discriminator,
)
from ganvas.training.gan.discriminators import StyleDiscriminator
from tests.training.tiny import CPU, DC, STYLE, begin, finish

pytestmark = pytest.mark.usefixtures("one_thread")


def test_loaded_discriminator_gives_the_same_scores(tmp_path: Path):
    torch.manual_seed(0)
    discriminator, images = StyleDiscriminator((8, 8, 6)), torch.randn(4, 3, 16, 16)
    loaded, made_for = load_discriminator(save_discriminator(tmp_path / "d.safetensors", discriminator, "abc"))
    assert (made_for, loaded.resolution) == ("abc", 16)
    torch.testing.assert_close(loaded(images), discriminator(images), atol=0.01, rtol=0.01)


def test_stylegan2_run_writes_its_discriminator_and_dcgan_none(tmp_path: Path):
    run = begin(STYLE, tmp_path / "run", 32)
    finish(run)
    model = tmp_path / "run" / "generator.safetensors"
    path = companion_discriminator_path(str(model))
    assert path == tmp_path / "run" / DISCRIMINATOR
    discriminator, made_for = load_discriminator(path)
    assert made_for == ganvas.load(model).about.hash
    for name, weight in run.networks.discriminator.state_dict().items():
        torch.testing.assert_close(discriminator.state_dict()[name], weight, atol=2e-3, rtol=1e-3)
    finish(begin(DC, tmp_path / "dcgan", 8))  # its batch normalization depends on the batch
    assert companion_discriminator_path(str(tmp_path / "dcgan" / "generator.safetensors")) is None


def test_companion_of_a_bundled_name_is_bundled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("ganvas.training.gan.discriminator_files.bundled_path", lambda name: tmp_path / name)
    (tmp_path / "faces-discriminator").write_bytes(b"")
    assert companion_discriminator_path("faces") == tmp_path / "faces-discriminator"
    assert companion_discriminator_path("faces-dcgan") is None
    assert files.BUNDLED[0] == "faces"


def test_zoo_name_has_no_companion_in_the_working_folder(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / DISCRIMINATOR).write_bytes(b"")
    assert companion_discriminator_path("stylegan3-t-ffhq") is None


@pytest.mark.parametrize("name", files.BUNDLED)
def test_bundled_discriminators_belong_to_their_generators(name: str):
    path = companion_discriminator_path(name)
    if path is None:
        pytest.skip(f"no discriminator comes with {name}")
    discriminator, made_for = load_discriminator(path)
    generator = ganvas.load(name)
    assert made_for in generator.about.hashes
    assert discriminator.resolution == generator.resolution


@pytest.mark.slow
def test_adaptation_starts_from_the_companion_discriminator(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 32))
    model = tmp_path / "run" / "generator.safetensors"
    generator = ganvas.load(model)
    settings = AdaptationSettings(
        str(model), generator.about.hash, 16, discriminator=str(tmp_path / "run" / DISCRIMINATOR), batch=4
    )
    trained, _ = load_discriminator(tmp_path / "run" / DISCRIMINATOR)
    made = settings.build(CPU).discriminator.state_dict()
    assert all(torch.equal(made[name], weight) for name, weight in trained.state_dict().items())
    companion = replace(settings, discriminator="companion").build(CPU).discriminator.state_dict()
    assert all(torch.equal(companion[name], weight) for name, weight in made.items())
    finish(begin(settings, tmp_path / "adapted", 8))
    again = tmp_path / "adapted" / "generator.safetensors"
    assert load_discriminator(tmp_path / "adapted" / DISCRIMINATOR)[1] == ganvas.load(again).about.hash
    other = replace(settings, discriminator=str(tmp_path / "adapted" / DISCRIMINATOR))
    with pytest.raises(TrainingError, match="not the discriminator of"):
        other.build(CPU)


def test_missing_companion_is_refused(tmp_path: Path):
    finish(begin(DC, tmp_path / "run", 8))
    model = tmp_path / "run" / "generator.safetensors"
    settings = AdaptationSettings(str(model), ganvas.load(model).about.hash, 32, discriminator="companion")
    with pytest.raises(TrainingError, match="No discriminator comes with"):
        settings.build(CPU)


def test_files_that_are_no_discriminator_are_refused(tmp_path: Path):
    with pytest.raises(TrainingError):
        load_discriminator(tmp_path / "missing.safetensors")
    noise = tmp_path / "noise.safetensors"
    noise.write_bytes(os.urandom(100))
    with pytest.raises(TrainingError):
        load_discriminator(noise)
    for header in ({}, {"channels": [8, 8, 8]}, {"channels": "x"}):
        write_tensors(noise, KIND, {"from_rgb.bias": torch.zeros(3)}, header, TrainingError)
        with pytest.raises(TrainingError, match="damaged discriminator"):
            load_discriminator(noise)
