"""``ganvas sample``: mixing, and generators of every kind of prior."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return small generators: z only, with layers, and with classes."""
    folder = tmp_path_factory.mktemp("generators")
    made = {"dcgan": small_dcgan(), "plain": small_stylegan2(16), "classes": small_stylegan2(8, label_dim=3)}
    return {
        name: save_generator(folder / f"{name}.safetensors", one, About(name, "", {})) for name, one in made.items()
    }


def test_mixing_writes_a_sheet_and_the_mixed_codes(run: Run, tmp_path: Path):
    options = ("--seeds", "42,54", "--mix", "7,38,24", "--layers", "coarse", "--layers", "8-9", "--truncation", "0.5")
    outcome = run("sample", "faces", *options, "--out", tmp_path, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    summary = json.loads(outcome.out)
    assert list(summary["layers"].values()) == [[0, 1, 2, 3], [8, 9]]
    latent = ganvas.load_latent(tmp_path / "latent.safetensors")
    assert (latent.space, len(latent), latent.seeds[:4]) == ("w+", 12, (42, 42, 42, 54))
    assert latent.names[0] == "seed 42, coarse layers (0-3) of seed 7"
    faces = ganvas.load("faces")
    kept, taken = (ganvas.sample(faces, seeds, truncation=0.5) for seeds in ([42, 54], [7, 38, 24]))
    expected = torch.cat([ganvas.mix_grid(faces, kept, taken, layers).codes for layers in ("0-3", "8-9")])
    torch.testing.assert_close(latent.codes, expected)
    with Image.open(tmp_path / "sample.png") as sheet:
        assert sheet.width > 4 * 128
        assert sheet.height > 5 * 128


def test_mixing_takes_the_groups_that_there_are(run: Run, files: dict[str, Path], tmp_path: Path):
    outcome = run("sample", files["plain"], "--mix", "9", "--out", tmp_path, "--json")
    assert outcome.err == ""
    assert list(json.loads(outcome.out)["layers"].values()) == [[0, 1, 2, 3], [4, 5]]
    assert ganvas.load_latent(tmp_path / "latent.safetensors").seeds[:5] == (0, 1, 2, 3, 0)


def test_a_latent_file_can_be_mixed(run: Run, files: dict[str, Path], tmp_path: Path):
    assert run("sample", files["classes"], "--seeds", "0-1", "--label", "2", "--out", tmp_path / "a").code == 0
    options = ("--latent", tmp_path / "a" / "latent.safetensors", "--mix", "5", "--layers", "0-1")
    assert run("sample", files["classes"], *options, "--out", tmp_path / "b").err == ""
    mixed = ganvas.load_latent(tmp_path / "b" / "latent.safetensors")
    generator = ganvas.load(files["classes"])
    source = generator.map(generator.sample([5]), "w", label=2, truncation=0.7)
    assert (mixed.label, mixed.truncation) == (2, 0.7)
    torch.testing.assert_close(mixed.codes[:, :2], source.expand(2, 2, -1))


def test_z_only_generators_are_sampled_at_their_truncated_codes(run: Run, files: dict[str, Path], tmp_path: Path):
    outcome = run("sample", files["dcgan"], "--seeds", "3,5", "--truncation", "0.5", "--out", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    latent = ganvas.load_latent(tmp_path / "latent.safetensors")
    generator = ganvas.load(files["dcgan"])
    assert (latent.space, latent.truncation) == ("z", 0.5)
    assert torch.equal(latent.codes, generator.sample([3, 5]))
    torch.testing.assert_close(next(latent.images(generator)), generator.synthesize(0.5 * latent.codes, "z"))


def test_generators_with_classes_need_a_label(run: Run, files: dict[str, Path], tmp_path: Path):
    assert "needs a label" in run("sample", files["classes"], "--out", tmp_path).err
    assert run("sample", files["classes"], "--seeds", "0", "--label", "1", "--out", tmp_path).code == 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dcgan", ("--mix", "3"), "Styles cannot be mixed here"),
        ("dcgan", ("--label", "3"), "no classes"),
        ("dcgan", ("--truncation-layers", "2"), "Truncation of 2 layers is not possible"),
        ("plain", ("--layers", "0-3"), "give --mix, or leave --layers out"),
        ("plain", ("--mix", "3", "--columns", "2"), "leave --columns out"),
        ("plain", ("--mix", "3", "--layers", "fine"), "has no fine layers"),
        ("plain", ("--mix", "x"), "'x' does not name seeds"),
        ("plain", ("--mix", "0-99", "--seeds", "0-99"), "are too many for one sheet"),
        ("plain", ("--columns", "0"), "give at least 1"),
    ],
)
def test_sample_refuses_wrong_options(
    run: Run, files: dict[str, Path], tmp_path: Path, name: str, options: tuple[str, ...], message: str
):
    outcome = run("sample", files[name], *options, "--out", tmp_path / "none")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "none").exists()


def test_z_only_generators_get_directions_and_edits_and_take_arrays(run: Run, files: dict[str, Path], tmp_path: Path):
    region = ("--region", "box:0.2,0.2,0.6,0.6", "--seeds", "0", "--count", "2", "--strength", "-2:2:3")
    outcome = run("directions", files["dcgan"], *region, "--space", "z", "--out", tmp_path / "found", "--json")
    assert outcome.err == ""
    found = ganvas.load_directions(tmp_path / "found" / "directions.safetensors")
    array = tmp_path / "z.npy"
    np.save(array, found.vectors.numpy())
    for directions, space in ((tmp_path / "found" / "directions.safetensors", ()), (array, ("--space", "z"))):
        options = ("--seeds", "1", "--strength", "-2,0,2", "--frames", "0", "--region", "box:0.2,0.2,0.6,0.6", "--json")
        edited = run("edit", files["dcgan"], directions, *options, *space, "--out", tmp_path / "edit", "--overwrite")
        assert (edited.code, edited.err) == (0, "")
        inside, outside = (json.loads(edited.out)["changes"][0][where] for where in ("inside", "outside"))
        assert inside[0] > outside[0] > 0
    wrong = run("edit", files["dcgan"], array, "--space", "w", "--out", tmp_path / "edit", "--overwrite")
    assert (wrong.code, "space" in wrong.err) == (2, True)
