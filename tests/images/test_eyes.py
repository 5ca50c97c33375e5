"""Eyes found in photos: near where they are, and what is said where there is no face, or no OpenCV."""

import math
import sys

import numpy as np
import pytest
from PIL import Image

from ganvas.errors import GanvasError, ImageError
from ganvas.images.eyes import find_eyes, in_photo

FFHQ = ((0.385, 0.48), (0.615, 0.48))  # where photos that are cut as for FFHQ have them
NO_CASCADES = "needs the extra align: pip install 'opencv-python-headless<5'"


def test_positions_are_fractions_of_the_photo():
    assert in_photo((256.0, 256.0), 300, 100) == pytest.approx((0.5, 0.5))
    assert in_photo((0.0, 512 / 3), 300, 100) == pytest.approx((0, 0))
    assert in_photo((512 * 0.75, 512.0), 100, 200) == pytest.approx((1, 1))


def test_eyes_of_shared_photos_are_found(shared, tmp_path):
    pytest.importorskip("cv2", reason=NO_CASCADES)
    files = sorted((shared / "photos" / "people").glob("*.jpg"))[:4]
    for file in files:
        for eye, place in zip(find_eyes(file), FFHQ, strict=True):
            assert math.dist(eye, place) < 0.2 * 0.23, file.name
    # The same on a wide page, turned by ten degrees.
    with Image.open(files[0]) as image:
        page = Image.new("RGB", (1536, 1024), "gray")
        page.paste(image.rotate(10, Image.Resampling.BICUBIC, fillcolor="gray"), (512, 0))
    page.save(tmp_path / "page.png")
    (x1, y1), (x2, y2) = find_eyes(tmp_path / "page.png")
    assert x1 > 1 / 3
    assert math.degrees(math.atan2((y1 - y2) * 1024, (x2 - x1) * 1536)) == pytest.approx(10, abs=6)


def test_error_without_a_face_says_what_to_give(tmp_path):
    pytest.importorskip("cv2", reason=NO_CASCADES)
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))).save(tmp_path / "ramp.png")
    with pytest.raises(ImageError, match=r"No face was found in .*ramp.png.*--eyes X,Y;X,Y"):
        find_eyes(tmp_path / "ramp.png")


def test_error_without_opencv_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(GanvasError, match=r"ganvas\[align\]"):
        find_eyes(tmp_path / "any.png")
