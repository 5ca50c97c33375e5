"""``--correct`` and ``--follow``: the codes are those of the library, and a recipe repeats them."""

from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.images.pixels import read_image
from tests.cli.conftest import Run

BOX = "box:0.3,0.3,0.6,0.6"
METHODS = {"--correct": ganvas.CorrectedEdit, "--follow": ganvas.FollowedEdit}


@pytest.mark.slow
@pytest.mark.parametrize("option", METHODS)
def test_codes_are_those_of_the_library_and_the_recipe_repeats_the_image(
    run: Run, small_model: Path, small_directions: Path, tmp_path: Path, option: str
):
    out, again = tmp_path / "out", tmp_path / "again.png"
    options = ["--strength", "-0.5,0.75", "--seeds", "4", "--frames", "0", "--step", "0.5", "--out", out]
    outcome = run("edit", small_model, small_directions, option, *options)
    assert (outcome.code, outcome.err) == (0, "")
    generator, found = ganvas.load(str(small_model)), ganvas.load_directions(small_directions)
    latent = ganvas.load_latent(out / "latent.safetensors")
    begun, method = ganvas.sample(generator, [4], truncation=0.7), METHODS[option](step=0.5)
    for row, strength in enumerate((-0.5, 0.75)):
        edited = ganvas.edit(generator, begun, found[0], strength, method=method)
        torch.testing.assert_close(latent[row].codes, edited.codes)
        straight = ganvas.edit(generator, begun, found[0], strength)
        # Ten directions of the small generator are all that it has: followed, none is turned.
        assert torch.allclose(latent[row].codes, straight.codes, atol=1e-3) == (option == "--follow")
    assert run("render", out / "edit.recipe", "--model", small_model, "--out", again).code == 0
    assert torch.equal(read_image(again), read_image(out / "images" / "seed0004_+0.75.png"))
    assert METHODS[option].name in (out / "edit.html").read_text("utf-8")


@pytest.mark.slow
def test_a_confined_edit_is_corrected_for_its_region_and_a_mask_of_the_directions_counts(
    run: Run, small_model: Path, tmp_path: Path
):
    generator = ganvas.load(str(small_model))
    mask = ganvas.Region.from_mask(ganvas.Region.box(0.3, 0.3, 0.6, 0.6).mask(16, 16))
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0]), mask, count=1)
    path = found.save(tmp_path / "masked.safetensors")
    options = ["--correct", "--strength", "1", "--seeds", "4", "--frames", "0"]
    for number, (more, region) in enumerate([((), mask), (("--inside", BOX), ganvas.Region.box(0.3, 0.3, 0.6, 0.6))]):
        out = tmp_path / str(number)
        assert run("edit", small_model, path, *options, *more, "--out", out).code == 0
        begun = ganvas.sample(generator, [4], truncation=0.7)
        expected = ganvas.edit(generator, begun, found[0], 1.0, method=ganvas.CorrectedEdit(region))
        torch.testing.assert_close(ganvas.load_latent(out / "latent.safetensors").codes, expected.codes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--correct", "--follow"], "two ways to go along a direction"),
        (["--step", "0.5"], "--step is the length of the steps of --correct or --follow"),
        (["--correct", "--step", "0"], "above 0"),
        (["--correct", "--step", "0.0001", "--strength", "9"], "takes more than 10,000 steps"),
        (["--correct", "--region", "elbow"], "elbow"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    run: Run, small_model: Path, small_directions: Path, tmp_path: Path, options: list[str], message: str
):
    out = tmp_path / "out"
    outcome = run("edit", small_model, small_directions, *options, "--seeds", "4", "--out", out)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert not out.exists() or not list(out.iterdir())
