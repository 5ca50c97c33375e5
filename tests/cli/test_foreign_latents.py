"""Codes and directions of others on the command line: the generator decides, what is left open is asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_generator(tmp_path / "small.safetensors", small_stylegan2(16), About("small", "a" * 64, {}))


def test_codes_of_others_are_sampled_in_the_space_that_is_said(run: Run, model: Path, tmp_path: Path):
    generator = ganvas.load(model)
    z = generator.sample([3])
    images = []
    for folder, codes, options in (("z", z, ("--latent-space", "z")), ("ws", generator.map(z, "w+"), ())):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "x.npy", codes.numpy())  # of one name, which stands under the image
        done = run("sample", model, "--latent", tmp_path / folder / "x.npy", *options, "--out", tmp_path / folder)
        assert done.code == 0, done.err
        images.append(ganvas.read_image(tmp_path / folder / "sample.png"))
    assert torch.equal(*images)


def test_codes_that_may_be_of_two_spaces_are_asked_for(run: Run, model: Path, tmp_path: Path):
    generator = ganvas.load(model)
    rows = generator.map(generator.sample([3]), "w+")[0]
    np.save(tmp_path / "x.npy", rows.numpy())
    done = run("sample", model, "--latent", tmp_path / "x.npy", "--out", tmp_path)
    assert done.code == 2
    assert f"{len(rows)} codes [6] of space w or 1 code [{len(rows)}, 6] of space w+" in " ".join(done.err.split())
    assert "--latent-space" in done.err
    for space, count in (("w", len(rows)), ("w+", 1)):
        options = ("--latent-space", space, "--samples", f"0-{count}", "--out", tmp_path)
        done = run("sample", model, "--latent", tmp_path / "x.npy", *options)
        assert f"there are samples 0-{count - 1}" in done.err


def test_space_of_a_latent_without_a_latent_is_refused(run: Run, model: Path, tmp_path: Path):
    done = run("sample", model, "--latent-space", "w", "--out", tmp_path)
    assert (done.code, "give --latent FILE" in done.err) == (2, True)


def test_flattened_direction_of_others_is_read_with_the_generator(run: Run, model: Path, tmp_path: Path):
    layers, width = ganvas.load(model).dimensions("w+")
    np.save(tmp_path / "x.npy", np.random.RandomState(0).randn(1, layers * width))
    options = ("--index", "0", "--strength", "1", "--seeds", "4", "--frames", "0", "--out", tmp_path)
    done = run("edit", model, tmp_path / "x.npy", *options)
    assert done.code == 0, done.err
    assert f"x.npy is read as: flattened w+ [{layers}, {width}]; not of unit length" in done.out
