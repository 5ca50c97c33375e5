"""``ganvas render``: the recipes of edits and drags make their images again, to the bit."""

from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.images.pixels import read_image
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2

BOX = "box:0.3,0.3,0.6,0.6"


@pytest.mark.parametrize("confined", [(), ("--inside", BOX, "--rim", "0.2", "--within")], ids=["free", "confined"])
def test_the_recipe_of_an_edit_makes_its_image_again(
    run: Run, small_model: Path, small_directions: Path, tmp_path: Path, confined: tuple[str, ...]
):
    edit = ["--seeds", "4", "--strength", "-3,1,3", "--add", "1:2", "--frames", "0", "--out", tmp_path / "edited"]
    assert run("edit", small_model, small_directions, *edit, *confined).code == 0
    rendered = ["--model", small_model, "--out", tmp_path / "again"]
    outcome = run("render", tmp_path / "edited" / "edit.recipe", *rendered)
    assert (outcome.code, outcome.err) == (0, "")
    edited = read_image(tmp_path / "edited" / "images" / "seed0004_+3.png")
    assert torch.equal(read_image(tmp_path / "again" / "images" / "seed0004.png"), edited)
    assert (tmp_path / "again" / "render.png").exists()
    one = tmp_path / "one.png"
    assert run("render", tmp_path / "edited" / "edit.recipe", "--model", small_model, "--out", one).code == 0
    assert torch.equal(read_image(one), edited)


@pytest.mark.slow
@pytest.mark.parametrize("confined", [(), ("--inside", "box:0.2,0.2,0.7,0.7")], ids=["free", "confined"])
def test_the_recipe_of_drags_makes_their_image_again(
    run: Run, small_model: Path, tmp_path: Path, confined: tuple[str, ...]
):
    drag = ["--seed", "4", "--point", "0.4,0.4:0.6,0.4", "--steps", "3", "--out", tmp_path / "out"]
    assert run("drag", small_model, *drag, *confined).code == 0
    outcome = run("render", tmp_path / "out" / "drag.recipe", "--model", small_model, "--out", tmp_path / "again.png")
    assert (outcome.code, outcome.err) == (0, "")
    assert torch.equal(read_image(tmp_path / "again.png"), read_image(tmp_path / "out" / "end.png"))


def test_what_cannot_be_rendered_is_refused(run: Run, small_model: Path, tmp_path: Path):
    nothing = run("render", tmp_path / "none.recipe")
    assert nothing.code == 2
    assert "There is no file" in nothing.err
    other = small_stylegan2(16, width=8)
    path = ganvas.Recipe(ganvas.sample(other, [4])).save(tmp_path / "other.recipe")
    unnamed = run("render", path, "--out", tmp_path / "out")
    assert "give --model" in unnamed.err
    wrong = run("render", path, "--model", small_model, "--out", tmp_path / "out")
    assert wrong.code == 2
    assert "another shape" in wrong.err
    assert not (tmp_path / "out").exists()
