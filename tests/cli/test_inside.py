"""``--inside``: the files of confined edits are those of the originals beyond the rim, and the numbers say so."""

import json
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.edits.rim import rim_around
from ganvas.generators.protocol import About
from ganvas.images.pixels import read_image
from ganvas.regions import Region
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2

BOX = "box:0.3,0.3,0.6,0.6"
OUTSIDE = torch.from_numpy(~rim_around(Region.box(0.3, 0.3, 0.6, 0.6), 16, 16, 0.1, within=False).limit)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the file of a small generator."""
    return save_generator(tmp_path / "small.safetensors", small_stylegan2(16), About("small", ""))


@pytest.fixture
def direction(tmp_path: Path, model: Path) -> Path:
    """Return a file with one direction."""
    generator = ganvas.load(str(model))
    method = ganvas.ReSeFa(resolution=8)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0]), BOX, method=method, count=1)
    return found.save(tmp_path / "found.safetensors")


def outside(path: Path) -> torch.Tensor:
    return read_image(path)[..., OUTSIDE]


def test_edited_files_are_the_original_beyond_the_rim(run: Run, model: Path, direction: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = ["--strength", "-3,3", "--seeds", "4,5", "--frames", "2", "--json", "--inside", BOX, "--out", out]
    outcome = run("edit", model, direction, *options)
    assert (outcome.code, outcome.err) == (0, "")
    for seed in ("seed0004", "seed0005"):
        original = read_image(out / "images" / f"{seed}.png")
        for strength in ("-3", "+3"):
            edited = out / "images" / f"{seed}_{strength}.png"
            assert torch.equal(outside(edited), original[..., OUTSIDE])
            assert not torch.equal(read_image(edited), original)
    facts = json.loads(outcome.out)
    assert all(change["outside"] == [0, 0] and min(change["seam"]) > 0 for change in facts["changes"])
    assert all(min(change["inside"]) > 0 for change in facts["changes"])
    page = (out / "edit.html").read_text("utf-8")
    assert "no pixel differs" in page
    assert "with a rim of 0.1 around it" in page


def test_one_confined_edit_becomes_one_file(run: Run, model: Path, direction: Path, tmp_path: Path):
    out, before = tmp_path / "edited.png", tmp_path / "before.png"
    assert run("sample", model, "--seeds", "4", "--out", before).code == 0
    options = ["--strength", "3", "--seeds", "4", "--frames", "0", "--inside", BOX]
    assert run("edit", model, direction, *options, "--out", out).code == 0
    assert torch.equal(outside(out), outside(before))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rim", "0.2"], "give --inside REGION"),
        (["--within"], "give --inside REGION"),
        (["--inside", BOX, "--region", BOX], "leave --region out"),
        (["--inside", "box:0.05,0.05,1,1"], "make it smaller, or the rim"),
        (["--inside", BOX, "--rim", "2"], "give 0 to 1"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_written(
    run: Run, model: Path, direction: Path, tmp_path: Path, options: list[str], message: str
):
    outcome = run("edit", model, direction, *options, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "out").exists()
