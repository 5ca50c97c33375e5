"""Commands that go on from a recipe: each adds its operation, and the whole makes the same image again, to the bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.images.pixels import read_image
from tests.cli.conftest import Run

EYE, MOUTH = "box:0.1,0.1,0.4,0.4", "box:0.6,0.6,0.9,0.9"
QUICK = ("--steps", "2")


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    """Return a sketch, half of it transparent."""
    values = np.random.RandomState(0).randint(0, 256, (16, 16, 4), dtype=np.uint8)
    values[:, :8, 3] = 0
    Image.fromarray(values).save(tmp_path / "drawn.png")
    return tmp_path / "drawn.png"


@pytest.mark.slow
def test_commands_add_operations_to_a_recipe(
    run: Run, small_model: Path, small_directions: Path, drawing: Path, tmp_path: Path
):
    def call(command: str, *options: object) -> Path:
        out = tmp_path / f"{command}-{len(list(tmp_path.iterdir()))}"
        outcome = run(command, small_model, *options, "--out", out)
        assert (outcome.code, outcome.err) == (0, "")
        return out / f"{command}.recipe"

    begun = call("sketch", drawing, *QUICK, "--nearest", "0", "--candidates", "1")
    edited = call("edit", small_directions, "--strength", "3", "--add", "1:2", "--recipe", begun, "--inside", EYE)
    dragged = call("drag", "--point", "0.7,0.7:0.8,0.7", *QUICK, "--recipe", edited, "--inside", MOUTH)
    drawn = call("sketch", drawing, *QUICK, "--recipe", dragged)
    recipe = ganvas.load_recipe(drawn)
    assert [one.change.kind for one in recipe.operations] == ["move", "move", "drag", "sketch"]
    assert run("render", drawn, "--model", small_model, "--out", tmp_path / "again.png").code == 0
    (last,) = (drawn.parent / "images").glob("*.png")
    assert torch.equal(read_image(last), read_image(tmp_path / "again.png"))
    base = read_image(begun.parent / "drawn-image.png")
    (confined,) = (dragged.parent / "images").glob("*.png")
    changed = (read_image(confined) != base).any(dim=1)[0]
    assert changed.any()
    assert not changed[:9, 9:].any()  # neither the eye nor the mouth, nor their rims
    assert not changed[9:, :7].any()


def test_photo_or_latent_begins_a_recipe(run: Run, small_model: Path, small_directions: Path, tmp_path: Path):
    generator = ganvas.load(small_model)
    latent = ganvas.sample(generator, [4], truncation=0.7).save(tmp_path / "four.safetensors")
    given = (small_model, small_directions, "--strength", "3", "--recipe", latent, "--inside", EYE)
    assert run("edit", *given, "--out", tmp_path / "out").code == 0
    plain = ("--strength", "3", "--seeds", "4", "--inside", EYE, "--frames", "0", "--out", tmp_path / "plain")
    assert run("edit", small_model, small_directions, *plain).code == 0
    image = read_image(tmp_path / "plain" / "images" / "seed0004_+3.png")
    assert torch.equal(read_image(tmp_path / "out" / "images" / "seed0004.png"), image)
    assert run("edit", *given, "--out", tmp_path / "one.png").code == 0
    assert torch.equal(read_image(tmp_path / "one.png"), image)


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("edit", ("--strength", "1,2"), "has one strength"),
        ("edit", (), "has one strength"),
        ("edit", ("--strength", "1", "--seeds", "3"), "leave --seeds"),
        ("edit", ("--strength", "1", "--truncation", "0.5"), "its own truncation"),
        ("edit", ("--strength", "1", "--inside", EYE, "--rim", "0.3"), "has its own; leave --rim out"),
        ("drag", ("--point", "0.5,0.5:0.6,0.5", "--seed", "3"), "leave --seed"),
        ("drag", (), "No point was given"),
        ("sketch", ("--candidates", "2"), "leave candidates"),
    ],
)
def test_what_a_recipe_says_itself_is_refused(
    run: Run,
    small_model: Path,
    small_directions: Path,
    drawing: Path,
    tmp_path: Path,
    command: str,
    options: tuple[str, ...],
    message: str,
):
    generator = ganvas.load(small_model)
    recipe = ganvas.Recipe(ganvas.sample(generator, [4], truncation=0.7))
    direction = ganvas.load_directions(small_directions)[0]
    path = recipe.move(direction, 2.0, inside=ganvas.Region.box(0.1, 0.1, 0.4, 0.4)).save(tmp_path / "a.recipe")
    named = {"edit": (small_directions,), "drag": (), "sketch": (drawing,)}[command]
    outcome = run(command, small_model, *named, *options, "--recipe", path, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


def test_sketch_inside_needs_an_image(run: Run, small_model: Path, drawing: Path, tmp_path: Path):
    outcome = run("sketch", small_model, drawing, "--inside", EYE, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "give the image by --recipe" in outcome.err
