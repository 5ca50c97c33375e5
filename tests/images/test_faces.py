"""Faces found in photos: their eyes, their order, and what is said where nothing can be found."""

import math
from importlib import util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.errors import GanvasError, ImageError
from ganvas.images import faces
from ganvas.images.faces import find_faces, in_photo
from ganvas.images.pixels import resize
from ganvas.regions.eyes import eye_places_of

NO_DLIB = "needs the extra align"
FFHQ = ((0.385, 0.48), (0.615, 0.48))  # where photos that are cut as for FFHQ have them


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated face, 256 pixels wide."""
    pytest.importorskip("dlib", reason=NO_DLIB)
    generator = ganvas.load("faces")
    image = generator.synthesize(ganvas.sample(generator, [4], truncation=0.5))
    return ganvas.write_image(tmp_path_factory.mktemp("faces") / "portrait.png", resize(image, 256, 256))


def placed(portrait: Path, out: Path, *, side: int, at: list[tuple[int, int]], degrees: float = 0.0) -> Path:
    """Write a gray page of 900 x 600 pixels with the portrait at some places, each `side` pixels wide."""
    page = Image.new("RGB", (900, 600), "gray")
    with Image.open(portrait) as image:
        turned = image.resize((side, side)).rotate(degrees, Image.Resampling.BICUBIC, fillcolor="gray")
    for place in at:
        page.paste(turned, place)
    page.save(out)
    return out


def test_positions_are_fractions_of_the_photo():
    side = faces.SIDE
    assert in_photo((side / 2, side / 2), 300, 100) == pytest.approx((0.5, 0.5))
    assert in_photo((0.0, side / 3), 300, 100) == pytest.approx((0, 0))
    assert in_photo((side * 0.75, float(side)), 100, 200) == pytest.approx((1, 1))


@pytest.mark.slow
def test_eyes_of_generated_faces_are_where_the_generator_has_them(tmp_path: Path):
    pytest.importorskip("dlib", reason=NO_DLIB)
    generator, seeds = ganvas.load("faces"), range(8)
    places = eye_places_of(ganvas.named_regions(generator))
    images = resize(generator.synthesize(ganvas.sample(generator, seeds, truncation=0.5)), 256, 256)
    found = [find_faces(ganvas.write_image(tmp_path / f"{seed}.png", images[seed : seed + 1])) for seed in seeds]
    distance = math.dist(*places)
    assert [len(several) for several in found] == [1] * len(seeds)
    for face in (face for several in found for face in several):
        assert all(math.dist(eye, place) < 0.2 * distance for eye, place in zip(face.eyes, places, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [-15.0, 10.0, 15.0])
def test_a_rotated_face_has_rotated_eyes(portrait: Path, tmp_path: Path, degrees: float):
    (face,) = find_faces(placed(portrait, tmp_path / "page.png", side=256, at=[(500, 200)], degrees=degrees))
    (x1, y1), (x2, y2) = face.eyes
    assert x1 > 500 / 900
    assert math.degrees(math.atan2((y1 - y2) * 600, (x2 - x1) * 900)) == pytest.approx(degrees, abs=6)


class Box:
    """A face as dlib's detector gives it, `wide` pixels, with corners of eyes around two places."""

    def __init__(self, wide: int, x: float) -> None:
        self.wide, self.x = wide, x

    def width(self) -> int:
        return self.wide

    def part(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(x=self.x + (10, 20, 50, 60)[index], y=300)


def test_the_largest_of_several_faces_is_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    boxes = [Box(100, 50.0), Box(300, 600.0), Box(200, 300.0)]
    models = (lambda pixels, twice: boxes, lambda pixels, box: box)
    monkeypatch.setattr(faces, "_models", lambda: models)
    Image.new("RGB", (64, 64)).save(tmp_path / "page.png")
    found = find_faces(tmp_path / "page.png")
    assert [face.width for face in found] == [300 / faces.SIDE, 200 / faces.SIDE, 100 / faces.SIDE]
    assert found[0].left_eye == pytest.approx((615.5 / faces.SIDE, 300.5 / faces.SIDE))
    assert found[0].right_eye == pytest.approx((655.5 / faces.SIDE, 300.5 / faces.SIDE))


@pytest.mark.parametrize("size", [(64, 64), (90, 60), (33, 57)])
def test_dlib_is_given_contiguous_pixels_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]):
    """It frees the copy that it makes of others, and reads it after that."""
    given = []

    def detect(pixels: np.ndarray, twice: int) -> list[Box]:
        given.append(pixels)
        return [Box(100, 50.0)] if twice else []

    def predict(pixels: np.ndarray, box: Box) -> Box:
        given.append(pixels)
        return box

    monkeypatch.setattr(faces, "_models", lambda: (detect, predict))
    colors = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(colors).save(tmp_path / "page.png")
    find_faces(tmp_path / "page.png")
    assert len(given) == 3
    for pixels in given:
        assert pixels.flags["C_CONTIGUOUS"]
        assert (pixels.shape, pixels.dtype) == ((faces.SIDE, faces.SIDE, 3), np.uint8)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_pixels_for_dlib_are_contiguous_whatever_the_order(order: torch.memory_format):
    image = torch.randn(1, 3, 5, 7).contiguous(memory_format=order)
    pixels = faces.for_dlib(image)
    assert pixels.flags["C_CONTIGUOUS"]
    assert np.array_equal(pixels, ((image[0].movedim(0, 2) + 1) * 127.5).clamp(0, 255).round().byte().numpy())


def test_a_photo_without_a_face_has_none(tmp_path: Path):
    pytest.importorskip("dlib", reason=NO_DLIB)
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))).save(tmp_path / "ramp.png")
    assert find_faces(tmp_path / "ramp.png") == []
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageError, match=r"text\.png"):
        find_faces(tmp_path / "text.png")


@pytest.mark.slow
def test_eyes_of_labeled_faces_are_near_the_centers_of_their_masks(shared: Path, tmp_path: Path):
    """At most a tenth of the eye distance, on 12 faces; the command of docs/results/alignment.md has all 50."""
    pytest.importorskip("dlib", reason=NO_DLIB)
    from studies.alignment.labeled import labeled_faces

    for name, image, eyes in labeled_faces(shared / "data" / "faces-with-labels.zip", range(12)):
        image.save(tmp_path / name)
        found = find_faces(tmp_path / name)[0].eyes
        size = torch.tensor(image.size)
        errors = ((torch.tensor(found) - torch.tensor(eyes)) * size).norm(dim=1)
        assert errors.max() < 0.1 * ((torch.tensor(eyes[0]) - torch.tensor(eyes[1])) * size).norm(), name


def test_error_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    faces._models.cache_clear()
    real = util.find_spec
    monkeypatch.setattr(faces, "find_spec", lambda name: None if name == "dlib" else real(name))
    with pytest.raises(GanvasError, match=r"ganvas\[align\].*--eyes X,Y:X,Y"):
        find_faces(tmp_path / "any.png")
    assert not faces.can_find_faces()
    faces._models.cache_clear()
