"""What objects show in a notebook: their repr, small images as PNG data, a table; all text escaped."""

import base64
import io
import re
from dataclasses import replace

import pytest
import torch
from PIL import Image

import ganvas
from ganvas.generators.protocol import About
from ganvas.images.notebook import notebook_cell
from ganvas.latents.photo_origin import PhotoOrigin
from tests.generators.small import small_stylegan2

HOSTILE = "<script>alert('&')</script>"


def images_in(cell: str) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([\w+/=]+)", cell)]


def test_images_are_at_most_128_pixels_and_keep_their_shape():
    cell = notebook_cell("x", torch.rand(10, 3, 200, 400))
    assert [image.size for image in images_in(cell)] == [(128, 64)] * 8
    assert "and 2 more images" in cell
    assert images_in(notebook_cell("x", torch.full((1, 3, 16, 16), torch.nan)))[0].size == (16, 16)


def test_long_tables_say_how_many_rows_they_leave_out():
    cell = notebook_cell("x", columns=("a",), rows=[(number,) for number in range(12)])
    assert (cell.count("<tr>"), "and 2 more rows" in cell) == (11, True)


@pytest.mark.parametrize("width", [64, 128])
def test_region_shows_its_mask(width: int):
    mask = torch.zeros(1, 64, width)
    mask[:, :, : width // 2] = 1
    picture = images_in(ganvas.Region.from_mask(mask)._repr_html_())[0]
    assert picture.size == (128, 128 * 64 // width)
    left, right = picture.getpixel((10, 32)), picture.getpixel((120, 32))
    assert left > right


def test_region_of_masks_that_fit_no_image_shows_its_line():
    region = ganvas.Region.from_mask(torch.eye(8)) | ganvas.Region.from_mask(torch.eye(4, 8))
    assert images_in(region._repr_html_()) == []


def test_latent_shows_its_photos():
    latent = ganvas.Latent(torch.zeros(2, 4), "w", names=(HOSTILE, "b"))
    assert images_in(latent._repr_html_()) == []
    photo = PhotoOrigin(torch.ones(2, 3, 8, 8), torch.zeros(2, 2, 3))
    assert len(images_in(replace(latent, photo=photo)._repr_html_())) == 2


@pytest.fixture(scope="module")
def generator():
    made = small_stylegan2(16)
    made.about = About(HOSTILE, "ab" * 32, regions={"corner": ganvas.Region.box(0, 0, 0.5, 0.5)})
    return made


def test_directions_show_their_region_and_a_row_for_each(generator):
    found = ganvas.find_directions(generator, ganvas.sample(generator, [1]), "corner", count=3)
    cell = found._repr_html_()
    assert (len(images_in(cell)), cell.count("<tr>")) == (1, 4)
    assert f"{float(found.predicted_ratios[2]):.3g}" in cell
    assert images_in(replace(found, mask=None)._repr_html_()) == []
    assert "<td>seeds</td><td>1</td>" in found[0]._repr_html_()


@pytest.mark.parametrize("channels", ["all", "luma"])
def test_cached_search_shows_its_images_and_what_may_be_asked_for(generator, channels: str):
    method = ganvas.ReSeFa(channels=channels)
    cell = ganvas.cache_jacobians(generator, ganvas.sample(generator, [1, 2]), method=method)._repr_html_()
    assert len(images_in(cell)) == 2
    assert "corner" in cell


def test_generator_shows_facts(generator):
    cell = generator._repr_html_()
    for text in ("w [", "corner", "abababababab"):
        assert text in cell


def test_text_is_escaped(generator):
    latent = ganvas.Latent(torch.zeros(1, 4), "w", names=(HOSTILE,))
    found = ganvas.find_directions(generator, ganvas.sample(generator, [1]), "corner", count=1)
    region = ganvas.Region.from_mask(torch.eye(4), origin=HOSTILE)
    for shown in (latent, found, found[0], region, generator):
        assert "<script" not in shown._repr_html_()
        assert "\n" not in repr(shown)
