"""``--paste-back`` of edit and drag: the photo itself with the edit in it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.directions.direction import Directions
from ganvas.generators.protocol import About
from ganvas.images.photos import read_photo_in_frame
from ganvas.images.stored_photo import read_stored
from ganvas.latents.photo_origin import PhotoOrigin
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2
from tests.images.stored_files import random_levels, write_photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a generator, a photo, its latent and directions."""
    generator = small_stylegan2(16)
    save_generator(tmp_path / "G.safetensors", generator, About("G", "g" * 64, {}))
    generator = ganvas.load(tmp_path / "G.safetensors")
    path = write_photo(tmp_path / "me.png", random_levels(48, 60, 3, np.uint16), 6)
    image, frame = read_photo_in_frame(path, 16, box=(0.1, 0.1, 0.9, 0.9))
    latent = ganvas.sample(generator, [1], truncation=0.5)
    replace(latent, photo=PhotoOrigin(image, frame[None]), source=str(path), names=("me",)).save(
        tmp_path / "me.safetensors"
    )
    region = ganvas.Region.box(0.3, 0.3, 0.7, 0.7)
    found = ganvas.find_directions(generator, latent, region, count=1)
    assert isinstance(found, Directions)
    found.save(tmp_path / "found.safetensors")
    return tmp_path


def differing(folder: Path, written: Path) -> np.ndarray:
    return (read_stored(folder / "me.png").levels != read_stored(written).levels).any(axis=-1)


def test_an_edit_is_written_into_the_photo_at_every_strength(run: Run, folder: Path):
    command = ("edit", folder / "G.safetensors", folder / "found.safetensors", "--latent", folder / "me.safetensors")
    outcome = run(*command, "--strength", "-2,0,2", "--frames", "0", "--paste-back", "--out", folder / "out")
    assert outcome.code == 0, outcome.err
    written = sorted((folder / "out" / "photos").glob("*.png"))
    assert [one.name for one in written] == ["me_+2.png", "me_-2.png", "me_0.png"]
    assert "kept bit for bit" in outcome.out
    changes = [differing(folder, one) for one in written]
    assert [change.any() for change in changes] == [True, True, False]
    assert changes[0].mean() < 0.5  # the region of the directions, and its margin
    assert read_stored(written[0]).levels.dtype == np.uint16


def test_one_photo_is_written_into_the_file_of_out(run: Run, folder: Path):
    command = ("edit", folder / "G.safetensors", folder / "found.safetensors", "--latent", folder / "me.safetensors")
    outcome = run(*command, "--strength", "2", "--paste-back", "--detail", "1", "--out", folder / "new.png")
    assert outcome.code == 0, outcome.err
    assert differing(folder, folder / "new.png").any()
    outcome = run(*command, "--strength", "2", "--paste-back", "--out", folder / "new.png")
    assert (outcome.code, "exists already" in outcome.err) == (2, True)
    # The photo has moved.
    (folder / "me.png").rename(folder / "moved.png")
    outcome = run(*command, "--strength", "2", "--paste-back", "--out", folder / "lost.png")
    assert (outcome.code, "me.png" in outcome.err) == (2, True)
    outcome = run(
        *command, "--strength", "2", "--paste-back", "--into", folder / "moved.png", "--out", folder / "b.png"
    )
    assert outcome.code == 0, outcome.err


def test_a_drag_is_written_into_the_photo(run: Run, folder: Path):
    command = ("drag", folder / "G.safetensors", "--latent", folder / "me.safetensors", "--paste-back", "--steps", "2")
    options = ("--point", "0.4,0.5:0.6,0.5", "--mask", "box:0.2,0.2,0.8,0.8", "--frames", "0")
    outcome = run(*command, *options, "--out", folder / "out")
    assert outcome.code == 0, outcome.err
    changed = differing(folder, folder / "out" / "photos" / "end.png")
    assert 0 < changed.mean() < 0.6
    outcome = run(*command, *options, "--out", folder / "one.png")
    assert outcome.code == 0, outcome.err
    assert (differing(folder, folder / "one.png") == changed).all()


def test_options_that_do_not_fit_are_refused_before_the_work(run: Run, folder: Path):
    command = (
        "edit",
        folder / "G.safetensors",
        folder / "found.safetensors",
        "--strength",
        "2",
        "--out",
        folder / "out",
    )
    latent = ("--latent", folder / "me.safetensors")
    for options, said in (
        (("--seeds", "1", "--paste-back"), "photo's latent"),
        ((*latent, "--into", folder / "me.png"), "--paste-back"),
        ((*latent, "--detail", "0.5"), "--paste-back"),
        ((*latent, "--paste-back", "--detail", "2"), "0 to 1"),
        ((*latent, "--paste-back", "--detail", "much"), "auto"),
        ((*latent, "--paste-back", "--into", folder / "none.png"), "none.png"),
    ):
        outcome = run(*command, *options)
        assert (outcome.code, said in outcome.err) == (2, True), outcome.err
    assert not (folder / "out").exists()


def test_one_photo_is_not_for_several_images(run: Run, folder: Path):
    latent = ganvas.load_latent(folder / "me.safetensors")
    twice = latent.rows([0, 0])
    replace(twice, codes=twice.codes + torch.tensor([0.0, 0.1])[:, None, None]).save(folder / "two.safetensors")
    command = ("edit", folder / "G.safetensors", folder / "found.safetensors", "--latent", folder / "two.safetensors")
    outcome = run(*command, "--strength", "2", "--paste-back", "--into", folder / "me.png", "--out", folder / "out")
    assert (outcome.code, "--samples" in outcome.err) == (2, True)


def test_a_confined_edit_changes_the_photo_within_its_rim_only(run: Run, folder: Path):
    command = ("edit", folder / "G.safetensors", folder / "found.safetensors", "--latent", folder / "me.safetensors")
    options = ("--strength", "2", "--paste-back", "--inside", "box:0.4,0.4,0.6,0.6", "--detail", "1")
    changed = {}
    for rim in ("0.1", "0.3"):
        outcome = run(*command, *options, "--rim", rim, "--out", folder / f"{rim}.png")
        assert outcome.code == 0, outcome.err
        changed[rim] = differing(folder, folder / f"{rim}.png")
    assert 0 < changed["0.1"].sum() < changed["0.3"].sum()
    assert not (changed["0.1"] & ~changed["0.3"]).any()
