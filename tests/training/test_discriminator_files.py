"""A discriminator on disk: it scores as it did, and only with its own generator."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.checkpoints import load as files
from ganvas.errors import TrainingError
from ganvas.io.tensor_files import write_tensors
from ganvas.training.adapt.adaptation import AdaptationRecipe
from ganvas.training.gan.discriminator_files import (
    DISCRIMINATOR,
    KIND,
    discriminator_beside,
    load_discriminator,
    save_discriminator,
)
from ganvas.training.gan.discriminators import StyleDiscriminator
from tests.training.tiny import CPU, DC, STYLE, begin, finish

pytestmark = pytest.mark.usefixtures("one_thread")


def test_scores_as_it_did(tmp_path: Path):
    torch.manual_seed(0)
    discriminator, images = StyleDiscriminator((8, 8, 6)), torch.randn(4, 3, 16, 16)
    loaded, made_for = load_discriminator(save_discriminator(tmp_path / "d.safetensors", discriminator, "abc"))
    assert (made_for, loaded.resolution) == ("abc", 16)
    torch.testing.assert_close(loaded(images), discriminator(images), atol=0.01, rtol=0.01)


def test_a_run_leaves_its_discriminator(tmp_path: Path):
    run = begin(STYLE, tmp_path / "run", 32)
    finish(run)
    model = tmp_path / "run" / "generator.safetensors"
    path = discriminator_beside(str(model))
    assert path == tmp_path / "run" / DISCRIMINATOR
    discriminator, made_for = load_discriminator(path)
    assert made_for == ganvas.load(model).about.hash
    for name, weight in run.networks.discriminator.state_dict().items():
        torch.testing.assert_close(discriminator.state_dict()[name], weight, atol=2e-3, rtol=1e-3)
    finish(begin(DC, tmp_path / "dcgan", 8))  # one with batch normalization is not left: it judges by its batch
    assert discriminator_beside(str(tmp_path / "dcgan" / "generator.safetensors")) is None


def test_of_bundled_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("ganvas.training.gan.discriminator_files.bundled_path", lambda name: tmp_path / name)
    (tmp_path / "faces-discriminator").write_bytes(b"")
    assert discriminator_beside("faces") == tmp_path / "faces-discriminator"
    assert discriminator_beside("faces-dcgan") is None
    assert files.BUNDLED[0] == "faces"


def test_of_a_name_of_the_zoo_none_is_taken_from_where_one_happens_to_be(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / DISCRIMINATOR).write_bytes(b"")
    assert discriminator_beside("stylegan3-t-ffhq") is None


@pytest.mark.parametrize("name", files.BUNDLED)
def test_bundled_ones_belong_to_their_generators(name: str):
    path = discriminator_beside(name)
    if path is None:
        pytest.skip(f"no discriminator comes with {name}")
    discriminator, made_for = load_discriminator(path)
    generator = ganvas.load(name)
    assert made_for in generator.about.hashes
    assert discriminator.resolution == generator.resolution


def test_adaptation_begins_with_it(tmp_path: Path):
    finish(begin(STYLE, tmp_path / "run", 32))
    model = tmp_path / "run" / "generator.safetensors"
    generator = ganvas.load(model)
    recipe = AdaptationRecipe(
        str(model), generator.about.hash, 16, discriminator=str(tmp_path / "run" / DISCRIMINATOR), batch=4
    )
    trained, _ = load_discriminator(tmp_path / "run" / DISCRIMINATOR)
    made = recipe.build(CPU).discriminator.state_dict()
    assert all(torch.equal(made[name], weight) for name, weight in trained.state_dict().items())
    beside = replace(recipe, discriminator="beside").build(CPU).discriminator.state_dict()
    assert all(torch.equal(beside[name], weight) for name, weight in made.items())
    finish(begin(recipe, tmp_path / "adapted", 8))
    again = tmp_path / "adapted" / "generator.safetensors"
    assert load_discriminator(tmp_path / "adapted" / DISCRIMINATOR)[1] == ganvas.load(again).about.hash
    other = replace(recipe, discriminator=str(tmp_path / "adapted" / DISCRIMINATOR))
    with pytest.raises(TrainingError, match="not the discriminator of"):
        other.build(CPU)


def test_none_comes_with_it(tmp_path: Path):
    finish(begin(DC, tmp_path / "run", 8))
    model = tmp_path / "run" / "generator.safetensors"
    recipe = AdaptationRecipe(str(model), ganvas.load(model).about.hash, 32, discriminator="beside")
    with pytest.raises(TrainingError, match="No discriminator comes with"):
        recipe.build(CPU)


def test_what_is_none(tmp_path: Path):
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
