"""Paper: found under drawings whatever its color, its light and the JPEG noise, and never in photos."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ganvas.errors import ImageError
from ganvas.images.paper import read_drawn

SIDE = 64


def drawn(paper: tuple[int, int, int] | str, thin: bool = False, size: tuple[int, int] = (256, 256)) -> Image.Image:
    """A face of flat colors, or of lines, on paper."""
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    draw.ellipse((50, 60, 200, 220), fill=None if thin else (200, 140, 80), outline=(20, 20, 20), width=4)
    for x in (95, 150):
        draw.ellipse((x - 12, 110, x + 12, 140), fill=None if thin else (50, 110, 60), outline=(20, 20, 20), width=3)
    return image


def photographed(image: Image.Image, shade: float) -> Image.Image:
    """The same with light that falls off to the right, and noise."""
    values = np.asarray(image).astype(float) * (1 - shade * np.linspace(0, 1, image.width))[None, :, None]
    values += np.random.RandomState(0).randn(*values.shape) * 2
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("paper", [(255, 255, 255), (170, 170, 170), (250, 240, 210)])
@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("shade", [0.0, 0.25])
def test_paper_under_a_drawing_is_free(tmp_path: Path, paper: tuple[int, int, int], thin: bool, shade: float):
    path = tmp_path / "a.jpg"
    photographed(drawn(paper, thin), shade).save(path, quality=60)
    found = read_drawn(path, SIDE)
    assert "--paper none counts it" in found.note
    assert float(found.alpha[0, :8].max()) < 0.05
    assert float(found.alpha[0, :, -8:].max()) < 0.05
    assert (float(found.alpha[0, 28:40, 18:44].mean()) > 0.9) != thin
    assert float(found.alpha.max()) > 0.7


@pytest.mark.slow
def test_a_drawing_that_is_not_square_has_a_free_margin(tmp_path: Path):
    drawn("white", size=(256, 400)).save(tmp_path / "a.png")
    found = read_drawn(tmp_path / "a.png", SIDE)
    assert "paper" in found.note
    assert float(found.alpha[0, :, :10].max()) == 0


@pytest.mark.parametrize("kind", ["noise", "backdrop", "saturated", "dark", "gradient"])
def test_photos_count_everywhere_and_that_is_said(tmp_path: Path, kind: str):
    random = np.random.RandomState(0)
    values = {
        "noise": random.randint(0, 256, (256, 256, 3)),
        "saturated": np.asarray(drawn((90, 160, 240))),
        "dark": np.asarray(drawn((20, 20, 20))),
        "gradient": np.broadcast_to(np.linspace(60, 250, 256)[:, None, None], (256, 256, 3)),
        "backdrop": np.full((256, 256, 3), 235),
    }[kind].astype(np.uint8)
    if kind == "backdrop":  # something with the texture of hair
        values[64:192, 64:192] = random.randint(40, 200, (128, 128, 3))
    Image.fromarray(values).save(tmp_path / "a.jpg", quality=90)
    found = read_drawn(tmp_path / "a.jpg", SIDE)
    assert "counts everywhere" in found.note
    assert bool((found.alpha == 1).all())


@pytest.mark.slow
def test_no_shared_photo_is_taken_for_paper(shared: Path):
    photos = [path for kind in ("dogs", "people", "wild") for path in (shared / "photos" / kind).glob("*.jpg")]
    assert photos
    assert all("counts everywhere" in read_drawn(path, SIDE).note for path in photos)


@pytest.mark.slow
def test_paper_is_named_or_left(tmp_path: Path):
    path = tmp_path / "a.png"
    drawn((90, 160, 240)).save(path)
    assert float(read_drawn(path, SIDE, "#5aa0f0").alpha[0, 0, 0]) == 0
    assert bool((read_drawn(path, SIDE, "none").alpha == 1).all())
    with pytest.raises(ImageError, match="hardly any white"):
        read_drawn(path, SIDE, "white")
    with pytest.raises(ImageError, match="'blurple' is no paper"):
        read_drawn(path, SIDE, "blurple")
    Image.new("RGB", (64, 64), "white").save(path)
    with pytest.raises(ImageError, match="nothing but paper"):
        read_drawn(path, SIDE)


def test_a_transparent_drawing_keeps_its_white(tmp_path: Path):
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).rectangle((8, 8, 55, 55), fill=(255, 255, 255, 255))
    image.save(tmp_path / "a.png")
    found = read_drawn(tmp_path / "a.png", 32)
    assert (found.note, float(found.alpha[0, 16, 16])) == ("", 1.0)
    assert torch.equal(found.alpha, read_drawn(tmp_path / "a.png", 32, "none").alpha)


@pytest.mark.parametrize("side", [64, 512])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_small_drawing_that_was_enlarged_shows_its_paper(tmp_path: Path, side: int, kind: str):
    """Its soft lines are no photo: they are looked at in the size in which they were drawn."""
    small = Image.new("RGB", (64, 64), "white")
    pen = ImageDraw.Draw(small)
    pen.ellipse((12, 10, 52, 54), outline="black", width=2)
    pen.line((20, 40, 44, 40), fill="red", width=3)
    small.resize((side, side), Image.Resampling.LANCZOS).save(tmp_path / f"drawing.{kind}", quality=90)
    drawn = read_drawn(tmp_path / f"drawing.{kind}", 128)
    assert "its paper, #ff" in drawn.note
    assert float(drawn.alpha[0, 60, 64]) < 0.1


def test_a_small_photo_that_was_enlarged_is_none(tmp_path: Path):
    random = np.random.default_rng(0)
    page = np.full((64, 64, 3), 255, np.uint8)
    page[16:48, 16:48] = random.integers(0, 200, (32, 32, 3))
    Image.fromarray(page).resize((512, 512), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    assert "shows no paper" in read_drawn(tmp_path / "photo.png", 128).note
