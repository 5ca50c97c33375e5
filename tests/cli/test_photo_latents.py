"""Photos wherever a command takes a latent: inverted once, kept, and refused with a reason."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images import pixels
from ganvas.inversion.batch import BatchInversion
from ganvas.io.cache import home
from ganvas.latents.files import load_latent
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ganvas.inversion.open.STEPS", 3)
    monkeypatch.setattr("ganvas.inversion.open.TUNING_STEPS", 2)
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two photos, a file that is none, and generators."""
    for index, image in enumerate(torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1):
        pixels.write_image(tmp_path / f"{index}.png", image[None])
    (tmp_path / "bad.png").write_text("no image")
    made = {"layers": small_stylegan2(16), "classes": small_stylegan2(16, label_dim=3), "plain": small_dcgan(16)}
    for name, generator in made.items():
        save_generator(tmp_path / f"{name}.safetensors", generator, About(name, name * 9, {}))
    return tmp_path


AS_IS = ("--as-is", "--ood", "off")


@pytest.mark.slow
def test_a_photo_is_sampled_dragged_and_edited(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    generator, photo = folder / "layers.safetensors", folder / "0.png"
    outcome = run("sample", generator, "--latent", photo, *AS_IS, "--out", folder / "a")
    assert outcome.code == 0, outcome.err
    assert "'0.png' was taken as it is, inverted into w+ and tuned for: " in outcome.err
    first = load_latent(folder / "a" / "latent.safetensors")
    assert (first.space, first.captions) == ("w+", ("0",))

    monkeypatch.setattr(BatchInversion, "run", lambda *_: pytest.fail("it was inverted before"))
    point = ("--point", "0.4,0.4:0.6,0.5", "--steps", "1", "--frames", "0", *AS_IS)
    assert run("drag", generator, *point, "--latent", photo, "--out", folder / "b").code == 0
    region = ("--region", "box:0.2,0.2,0.7,0.7", "--seeds", "0", "--count", "1", "--out", folder / "found")
    assert run("directions", generator, *region).code == 0
    directions = folder / "found" / "directions.safetensors"
    edit = run("edit", generator, directions, "--latent", photo, *AS_IS, "--out", folder / "c")
    assert edit.code == 0
    assert edit.err == outcome.err  # the same note
    edited = load_latent(folder / "c" / "latent.safetensors")
    assert edited.source == str(photo)
    assert len(edited.photo.images) == len(edited)  # the photo stays with its edits


@pytest.mark.slow
def test_a_photo_of_which_nobody_chose_a_part_is_refused_where_it_is_far(run: Run, folder: Path):
    outcome = run("sample", folder / "layers.safetensors", "--latent", folder / "0.png", "--out", folder / "a")
    assert outcome.code == 2
    assert "'0' is out of distribution for this generator" in outcome.err
    assert "It was taken as it is: give a part of the photo with --crop, or --as-is." in outcome.err
    assert not (folder / "a").exists()


def test_a_photo_is_not_tuned_for_where_it_is_not_wanted(run: Run, folder: Path):
    outcome = run(
        "sample",
        folder / "layers.safetensors",
        "--latent",
        folder / "0.png",
        *AS_IS,
        "--no-tune",
        "--out",
        folder / "a",
    )
    assert "inverted into w+: " in outcome.err
    assert not load_latent(folder / "a" / "latent.safetensors").tuned


@pytest.mark.slow
def test_a_video_from_photo_to_photo(run: Run, folder: Path):
    photos = (folder / "0.png", folder / "1.png", "seed:3")
    outcome = run(
        "interpolate", folder / "layers.safetensors", *photos, "--frames", "4", *AS_IS, "--out", folder / "video"
    )
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("inverted ") == 2
    assert (folder / "video" / "interpolate.gif").exists()


@pytest.mark.slow
def test_a_video_begins_at_the_photo_inverted_with_its_class(run: Run, folder: Path):
    command = ("interpolate", folder / "classes.safetensors", folder / "0.png", "seed:3", "--frames", "4", *AS_IS)
    outcome = run(*command, "--label", "1", "--out", folder / "video")
    assert outcome.code == 0, outcome.err
    (kept,) = (home() / "inversions").glob("*.safetensors")
    latent = load_latent(kept)
    assert latent.label == 1
    expected = next(latent.images(ganvas.load(folder / "classes.safetensors"))).clamp(-1, 1)
    with Image.open(folder / "video" / "interpolate.gif") as video:
        assert video.n_frames >= 4
        first = torch.from_numpy(np.array(video.convert("RGB"))).movedim(2, 0)[None] / 127.5 - 1
    shown = pixels.resize(first.float(), *expected.shape[-2:])
    assert float((shown - expected).abs().mean()) < 0.1  # a palette of 256 colors
    outcome = run(*command, "--out", folder / "other")
    assert (outcome.code, "needs a label" in outcome.err) == (2, True)


def test_unreadable_photos_and_options_that_photos_refuse_keep_nothing(run: Run, folder: Path):
    generator = folder / "layers.safetensors"
    for path, said in ((folder / "bad.png", "bad.png"), (folder / "none.jpg", "none.jpg")):
        outcome = run("sample", generator, "--latent", path, "--out", folder / "a")
        assert (outcome.code, said in outcome.err) == (2, True)
    outcome = run(
        "sample", generator, "--latent", folder / "0.png", "--truncation", "0.5", *AS_IS, "--out", folder / "a"
    )
    assert (outcome.code, "A photo has its own truncation" in outcome.err) == (2, True)
    more = ("--latent", folder / "0.png", *AS_IS, "--label", "0,1", "--out", folder / "a")
    outcome = run("sample", folder / "classes.safetensors", *more)
    assert (outcome.code, "one class" in outcome.err) == (2, True)
    assert not (home() / "inversions").exists()
