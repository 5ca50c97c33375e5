"""Images for people: what `show` lays out, and what it refuses."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.errors import ImageError
from ganvas.images.pixels import to_bytes
from ganvas.images.show import MOST_COLUMNS, show

NOISE = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_single_image_is_shown_as_its_pixels():
    assert np.array_equal(np.array(show(NOISE[0])), to_bytes(NOISE[:1])[0].numpy())


def test_a_series_has_a_row_for_each_image_and_a_column_for_each_strength():
    series = torch.stack([NOISE, -NOISE])
    assert show(series).size == (3 * 8 + 2 * 4, 2 * 8 + 4)
    assert np.array_equal(np.array(show(series))[-8:, :8], to_bytes(-NOISE[:1])[0].numpy())


def test_many_images_wrap_into_rows():
    assert show(NOISE[:1].expand(MOST_COLUMNS + 1, 3, 8, 8)).size[1] == 2 * 8 + 4
    assert show(NOISE, columns=1).size == (8, 3 * 8 + 2 * 4)


def test_notebooks_get_a_png():
    png = show(NOISE, labels=[-1, 0.5, "two"], scale=2)._repr_png_()
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (torch.zeros(8, 8), {}, r"you gave \[8, 8\]"),
        (torch.zeros(1, 1, 8, 8), {}, r"\[1, 1, 8, 8\]"),
        (torch.zeros(0, 3, 8, 8), {}, r"\[0, 3, 8, 8\]"),
        (NOISE, {"scale": 0}, "scale 0 is not possible"),
        (NOISE, {"labels": ["one"]}, "1 column labels"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(images, options, message):
    with pytest.raises(ImageError, match=message):
        show(images, **options)
