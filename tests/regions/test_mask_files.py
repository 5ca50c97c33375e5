"""Masks as people have them: of 0 and 1, of labels, 16-bit, palette, opacity, inverted, not square."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.drag.masks import read_movable
from ganvas.errors import RegionError
from ganvas.regions.region import Region
from ganvas.regions.text import parse_region

INSIDE = np.zeros((12, 12), np.uint8)
INSIDE[3:7, 4:9] = 1
READERS: dict[str, Callable[[Path], object]] = {
    "region": Region.from_mask_file,
    "text": lambda path: parse_region(f"mask:{path}", {}),
    "part of a text": lambda path: parse_region(f"feather:0.1:mask:{path} & box:0,0,0.9,0.9", {}),
    "inverted text": lambda path: parse_region(f"not:mask:{path}", {}),
    "movable": read_movable,
}


def save(path: Path, values: np.ndarray, mode: str | None = None, **options) -> Path:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def palette(path: Path, indices: np.ndarray, colors: list[tuple[int, int, int]]) -> Path:
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.flatten().tolist())
    image.putpalette([level for color in colors for level in color])
    image.save(path)
    return path


DARK = {
    "0 and 1": (lambda path: save(path, INSIDE), r"brightest value is 1 of 255;.*labels:.*:1\."),
    "labels": (lambda path: save(path, INSIDE * 18 + INSIDE.T * 3), r"is 21 of 255;.*labels:.*:3\."),
    "0 and 1 in three channels": (lambda path: save(path, INSIDE, "RGB"), "is 1 of 255"),
    "0 and 1 in 16 bits": (lambda path: save(path, INSIDE.astype(np.uint16)), "is 1 of 65535"),
    "8 bits stored in 16": (lambda path: save(path, INSIDE.astype(np.uint16) * 255), "is 255 of 65535"),
    "12 bits stored in 16": (lambda path: save(path, INSIDE.astype(np.uint16) * 4095), "is 4095 of 65535"),
    "0 and 1 as opacity": (
        lambda path: save(path, np.dstack([np.full((12, 12, 3), 255, np.uint8), INSIDE])),
        r"highest opacity is 1 of 255; a mask has 255 inside and 0 outside\.$",
    ),
    "0 and 1 in a palette of grays": (
        lambda path: palette(path, INSIDE, [(level, level, level) for level in range(256)]),
        "is 1 of 255",
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", DARK)
def test_dark_masks_are_refused_everywhere(tmp_path: Path, kind: str, reader: str):
    write, said = DARK[kind]
    with pytest.raises(RegionError, match=said):
        READERS[reader](write(tmp_path / "m.png"))


@pytest.mark.parametrize("kind", [kind for kind in DARK if "opacity" not in kind])
def test_labels_that_the_message_names_can_be_used(tmp_path: Path, kind: str):
    path = DARK[kind][0](tmp_path / "m.png")
    with pytest.raises(RegionError) as caught:
        Region.from_mask_file(path)
    region = parse_region(str(caught.value).rsplit("use ", 1)[1].rstrip("."), {})
    assert 0 < float(region.mask(12, 12).mean()) < 1


COLORED = {
    "a photo": lambda path: save(path, np.random.RandomState(0).randint(0, 255, (12, 12, 3), np.uint8)),
    "red on black": lambda path: save(path, INSIDE[..., None] * np.array([255, 0, 0], np.uint8)),
    "palette of classes": lambda path: palette(path, INSIDE + INSIDE.T, [(0, 0, 0), (128, 0, 0), (224, 128, 192)]),
}


@pytest.mark.parametrize("kind", COLORED)
def test_colors_are_no_mask(tmp_path: Path, kind: str):
    for reader in READERS:
        with pytest.raises(RegionError, match="has colors, so that inside and outside cannot be told"):
            READERS[reader](COLORED[kind](tmp_path / "m.png"))


FINE = {
    "white in 8 bits": lambda path: save(path, INSIDE * 255),
    "white in 16 bits": lambda path: save(path, INSIDE.astype(np.uint16) * 65535),
    "one bit": lambda path: save(path, INSIDE.astype(bool)),
    "palette of black and white": lambda path: palette(path, INSIDE, [(0, 0, 0), (255, 255, 255)]),
    "opacity of any color": lambda path: save(
        path, np.dstack([np.full((12, 12, 3), (255, 0, 9), np.uint8), INSIDE * 255])
    ),
    "gray with opacity": lambda path: save(path, np.dstack([INSIDE * 0, INSIDE * 255])),
    "white, opaque": lambda path: save(path, np.dstack([INSIDE * 255] * 3 + [INSIDE * 0 + 255])),
    "transparent color of a palette": lambda path: palette(path, INSIDE, [(255, 0, 0), (0, 0, 255)]),
}


@pytest.mark.parametrize("kind", FINE)
def test_masks_of_every_kind_hold_the_same(tmp_path: Path, kind: str):
    path = FINE[kind](tmp_path / "m.png")
    if kind.startswith("transparent"):
        with Image.open(path) as image:
            image.load()
        image.save(path, transparency=0)
    assert torch.equal(Region.from_mask_file(path).mask(12, 12)[0], torch.from_numpy(INSIDE).float())


def test_noise_of_jpeg_in_a_gray_mask_is_not_color(tmp_path: Path):
    values = np.kron(INSIDE * 255, np.ones((8, 8), np.uint8))
    path = save(tmp_path / "m.jpg", values, "RGB", quality=80)
    assert (Region.from_mask_file(path).mask(12, 12)[0] - torch.from_numpy(INSIDE)).abs().max() < 0.05


def test_mask_that_is_nowhere_white_is_a_warning(tmp_path: Path):
    with pytest.warns(UserWarning, match=r"brightest value is 150 of 255, so nothing counts in full.*labels:.*:150"):
        region = Region.from_mask_file(save(tmp_path / "m.png", INSIDE * 150))
    assert float(region.mask(12, 12).max()) == pytest.approx(150 / 255)


def test_labels_beside_an_ignored_one_of_255_are_a_warning(tmp_path: Path):
    labels = INSIDE * 11
    labels[0] = 255
    with pytest.warns(UserWarning, match=r"holds 255 and values up to 11, none between.*labels:.*:11\."):
        Region.from_mask_file(save(tmp_path / "m.png", labels))


def test_mask_that_looks_inverted_is_a_warning_unless_it_is_inverted_in_the_text(tmp_path: Path):
    path = save(tmp_path / "m.png", 255 - INSIDE * 255)
    with pytest.warns(UserWarning, match=rf"covers 86% of the image and touches all.*write not:mask:{path}\."):
        region = parse_region(f"mask:{path}", {})
    assert torch.equal(region.mask(12, 12)[0], 1 - torch.from_numpy(INSIDE).float())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inverted = parse_region(f"not:mask:{path}", {})
        read_movable(path)  # most of an image may move
        frame = 255 - INSIDE * 255
        frame[:, :1] = 0  # touches three edges
        Region.from_mask_file(save(tmp_path / "n.png", frame))
    assert torch.equal(inverted.mask(12, 12)[0], torch.from_numpy(INSIDE).float())


def test_mask_of_another_shape_than_the_image_is_refused_where_it_is_used(tmp_path: Path):
    region = Region.from_mask_file(save(tmp_path / "m.png", INSIDE[:, :10] * 255))
    with pytest.raises(RegionError, match=r"m\.png of 10x12 pixels does not fit an image of 64x64"):
        region.split(64, 64)


def test_masks_of_the_tracker(shared: Path):
    folder = shared / "cases" / "06-mask-0-1"
    for name, said in (("m01.png", r"is 1 of 255;.*labels:.*m01\.png:1\."), ("parsing.png", r"is 12 of 255")):
        for read in READERS.values():
            with pytest.raises(RegionError, match=said):
                read(folder / name)
    white = Region.from_mask_file(folder / "m255.png")
    assert torch.equal(Region.from_labels(folder / "m01.png", 1).mask(64, 64), white.mask(64, 64))
    assert 0 < float(ganvas.Region.from_labels(folder / "parsing.png", "12").mask(64, 64).mean()) < 1
