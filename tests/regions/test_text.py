"""Regions as text: every form is parsed, and errors say what was given and what is allowed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.errors import ImageError, RegionError
from ganvas.regions.named import FACES
from ganvas.regions.region import Region
from ganvas.regions.text import parse_region

BOX = Region.box(0.11, 0.2, 0.63, 0.71)
TRIANGLE = Region.polygon([(0.3, 0.1), (0.95, 0.52), (0.2, 0.9)])
STROKE = Region.brush([(0.2, 0.2), (0.8, 0.5)], 0.1)


def save(values: np.ndarray, path: Path, mode: str | None = None) -> Path:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path)
    return path


def test_every_text_form_is_parsed(tmp_path: Path) -> None:
    assert parse_region("box:0.11,0.2,0.63,0.71", {}) == BOX
    assert parse_region(" polygon:0.3,0.1;0.95,0.52;0.2,0.9 ", {}) == TRIANGLE
    assert parse_region("brush:0.1:0.2,0.2;0.8,0.5", {}) == STROKE
    # With colons, which need no quotes in a shell.
    assert parse_region("polygon:0.3,0.1:0.95,0.52:0.2,0.9", {}) == TRIANGLE
    assert parse_region("brush:0.1:0.2,0.2:0.8,0.5", {}) == STROKE
    assert parse_region("feather:0.02:polygon:0.3,0.1:0.95,0.52:0.2,0.9", {}) == TRIANGLE.feather(0.02)
    assert parse_region("Left Eye", FACES) == parse_region("left-eye", FACES) == FACES["left_eye"]
    assert parse_region("left_eye + right_eye", FACES) == FACES["eyes"]
    odd = save(np.eye(3, dtype=np.uint8) * 255, tmp_path / "a+b:c.png")
    assert parse_region(f"mask:{odd}", {}).mask(3, 3)[0].tolist() == torch.eye(3).tolist()
    plain = save(np.eye(3, dtype=np.uint8) * 7, tmp_path / "a:c.png")
    assert torch.equal(parse_region(f"labels:{plain}:7", {}).mask(3, 3)[0], torch.eye(3))
    both = parse_region(f"labels:{plain}:0+{BOX}", {}).mask(3, 3)
    assert torch.equal(both, torch.maximum(1 - torch.eye(3), BOX.mask(3, 3)))


@pytest.mark.parametrize("region", [BOX, TRIANGLE, STROKE, BOX | TRIANGLE])
def test_text_of_drawn_regions_reads_back(region: Region) -> None:
    assert parse_region(str(region), {}) == region


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty text"),
        ("moth", "did you mean 'mouth'"),
        ("boxx:0,0,1,1", "did you mean 'box'"),
        ("box", "no region 'box'"),
        ("box:", "no number"),
        ("box:0.1,0.2,0.3", "3 numbers instead of 4"),
        ("box:0.1,0.2,0.3,x", "no number"),
        ("box:nan,0,0.5,0.5", "not a number"),
        ("box:0,0,0.5,1e400", "not a number"),
        ("polygon:0.1,0.2;0.3,0.4", "3 to"),
        ("polygon:0.1,0.2,0.3,0.4,0.5,0.6", "6 numbers instead of 2"),
        ("brush:0.1,0.2;0.3,0.4", "no number"),
        ("labels:4,5", "no labels"),
        ("mouth+", "no region ''"),
        ("eyes; rm -rf", "no region"),
        ("x" * 10_000, "no region"),
    ],
)
def test_bad_text_is_refused_in_few_words(text: str, message: str) -> None:
    with pytest.raises(RegionError, match=message) as caught:
        parse_region(text, FACES)
    assert len(str(caught.value)) < 400


def test_errors_for_missing_files_and_names_name_them() -> None:
    with pytest.raises(ImageError, match=r"Cannot read 'nowhere\.png': No such file"):
        parse_region("mask:nowhere.png", {})
    with pytest.raises(ImageError, match=r"Cannot read 'nowhere\.png': No such file"):
        parse_region("labels:nowhere.png:3", {})
    with pytest.raises(RegionError, match="no named regions"):
        parse_region("mouth", {})


def test_text_of_intersection_complement_and_feather_is_parsed() -> None:
    named = {"mouth": Region.box(0.2, 0.2, 0.8, 0.6), "nose": Region.box(0.4, 0.1, 0.6, 0.4)}
    mouth, nose = named["mouth"], named["nose"]
    for text, expected in (
        ("mouth & not:nose", mouth - nose),
        ("not:mouth", ~mouth),
        ("mouth&nose + nose", (mouth & nose) | nose),
        ("feather:0.1:not:mouth", (~mouth).feather(0.1)),
    ):
        assert torch.equal(parse_region(text, named).mask(20, 20), expected.mask(20, 20))
