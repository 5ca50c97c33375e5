"""``--inside``: the files of confined edits are those of the originals beyond the rim, and the numbers say so."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.edits.confine import Confinement
from ganvas.edits.rim import rim_around
from ganvas.generators.protocol import About
from ganvas.images.pixels import read_image
from ganvas.regions import Region
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2

BOX = "box:0.3,0.3,0.6,0.6"
OUTSIDE = torch.from_numpy(~rim_around(Region.box(0.3, 0.3, 0.6, 0.6), 16, 16, 0.1, within=False).limit)


def outside(path: Path) -> torch.Tensor:
    return read_image(path)[..., OUTSIDE]


def test_edited_files_are_the_original_beyond_the_rim(
    run: Run, small_model: Path, small_directions: Path, tmp_path: Path
):
    out = tmp_path / "out"
    options = ["--strength", "-3,3", "--seeds", "4,5", "--frames", "2", "--json", "--inside", BOX, "--out", out]
    outcome = run("edit", small_model, small_directions, *options)
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


def test_one_confined_edit_becomes_one_file(run: Run, small_model: Path, small_directions: Path, tmp_path: Path):
    out, before = tmp_path / "edited.png", tmp_path / "before.png"
    assert run("sample", small_model, "--seeds", "4", "--out", before).code == 0
    options = ["--strength", "3", "--seeds", "4", "--frames", "0", "--inside", BOX]
    assert run("edit", small_model, small_directions, *options, "--out", out).code == 0
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
    run: Run, small_model: Path, small_directions: Path, tmp_path: Path, options: list[str], message: str
):
    outcome = run("edit", small_model, small_directions, *options, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


def test_mixed_files_are_the_content_beyond_the_rim(run: Run, small_model: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = ["--seeds", "1,2", "--mix", "7", "--layers", "0-2", "--inside", BOX, "--out", out]
    assert run("sample", small_model, *options).code == 0
    for seed in ("seed0001", "seed0002"):
        (mixed,) = (path for path in (out / "images").glob(f"{seed}-*"))
        assert torch.equal(outside(mixed), outside(out / "images" / f"{seed}.png"))
        assert not torch.equal(read_image(mixed), read_image(out / "images" / f"{seed}.png"))


def test_a_dragged_image_is_the_start_beyond_the_rim(run: Run, small_model: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = ["--point", "0.4,0.45>0.5,0.45", "--steps", "2", "--frames", "2", "--inside", BOX, "--out", out]
    assert run("drag", small_model, *options).code == 0
    assert torch.equal(outside(out / "end.png"), outside(out / "start.png"))
    assert not torch.equal(read_image(out / "end.png"), read_image(out / "start.png"))
    again = run(
        "drag", small_model, "--replay", out / "trace.json", "--inside", BOX, "--frames", "0", "--out", tmp_path / "2"
    )
    assert again.code == 0
    assert torch.equal(read_image(tmp_path / "2" / "end.png"), read_image(out / "end.png"))
    beyond = run("drag", small_model, "--point", "0.4,0.4>0.9,0.9", "--inside", BOX, "--out", tmp_path / "no")
    assert beyond.code == 2
    assert "target 0.9,0.9 lies beyond the rim" in beyond.err


def test_a_confined_path_is_its_first_image_beyond_the_rim():
    generator = small_stylegan2(16)
    path = ganvas.path_through(generator, ganvas.sample(generator, [1, 2]))
    confined = replace(path, confinement=Confinement(Region.box(0.3, 0.3, 0.6, 0.6)))
    images = torch.cat(list(confined.images(generator, np.linspace(0, 1, 3))))
    first = generator.synthesize(path.at(np.zeros(1)))
    assert len(images) == 3
    assert torch.equal(images[..., OUTSIDE], first[..., OUTSIDE].expand(3, -1, -1))
    assert float((images[2] - images[0]).abs().max()) > 0.1


@pytest.mark.slow
def test_a_confined_video_is_made(run: Run, tmp_path: Path):
    model = save_generator(tmp_path / "larger.safetensors", small_stylegan2(32, channels=3), About("small", ""))
    options = ["--frames", "2", "--inside", BOX, "--out", tmp_path / "out"]
    assert run("interpolate", model, "seed:1", "seed:2", *options).code == 0
    assert (tmp_path / "out" / "interpolate.webp").is_file()


def test_samples_without_a_mix_are_not_confined(run: Run, small_model: Path):
    outcome = run("sample", small_model, "--seeds", "1", "--inside", BOX)
    assert (outcome.code, "give --mix" in outcome.err) == (2, True)
