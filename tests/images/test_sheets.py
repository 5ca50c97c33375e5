"""Sheets: grids with their labels, and outlines of regions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.errors import ImageError
from ganvas.images import pixels, sheets
from tests.images.samples import noise


@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=30)
def test_grid_puts_each_image_in_its_cell(count, columns, gap):
    images = noise(count, 3, 2, 3)
    sheet = sheets.grid(images, columns, gap)
    rows = -(-count // columns)
    assert sheet.shape == (1, 3, rows * 2 + (rows - 1) * gap, columns * 3 + (columns - 1) * gap)
    for index, image in enumerate(images):
        top, left = index // columns * (2 + gap), index % columns * (3 + gap)
        assert torch.equal(sheet[0, :, top : top + 2, left : left + 3], image)
    assert torch.isclose(sheet.double().sum(), images.double().sum() + sheet.numel() - images.numel())


def test_strip_is_one_row():
    images = noise(3, 3, 4, 4)
    assert torch.equal(sheets.strip(images, 1), sheets.grid(images, 3, 1))


@pytest.mark.parametrize(("count", "columns", "gap"), [(0, 2, 1), (2, 0, 1), (2, 2, -1)])
def test_grids_without_images_or_columns_are_refused(count, columns, gap):
    with pytest.raises(ImageError, match="Cannot lay out"):
        sheets.grid(torch.zeros(count, 3, 2, 2), columns, gap)


def test_labeled_grid_leaves_the_images_whole_and_writes_beside_them():
    images = -torch.ones(6, 3, 40, 50)
    sheet = sheets.labeled_grid(images, 3, ["−1", "0", "a label that is far too long"], ["seed 4", "é"], gap=4)
    plain = sheets.grid(images, 3, 4)
    height, width = plain.shape[2:]
    assert torch.equal(sheet[..., -height:, -width:], plain)
    top, left = sheet[..., :-height, -width:], sheet[..., -height:, :-width]
    for column in range(3):
        assert top[..., column * 54 : column * 54 + 50].amin() < 0
    for row in range(2):
        assert left[..., row * 44 : row * 44 + 40, :].amin() < 0
    assert sheet[..., :-height, :-width].amin() == 1
    assert torch.equal(
        sheet, sheets.labeled_grid(images, 3, ["-1", "0", "a label that is far too long"], ["seed 4", "e"])
    )


def test_labels_may_be_left_out_but_not_miscounted():
    images = noise(4, 3, 20, 20)
    assert torch.equal(sheets.labeled_grid(images, 2), sheets.grid(images, 2, 4))
    with pytest.raises(ImageError, match="3 column labels and 0 row labels"):
        sheets.labeled_grid(images, 2, ["a", "b", "c"])


def disc(side: int, radius: float) -> torch.Tensor:
    axis = torch.arange(side) + 0.5 - side / 2
    return (radius + 0.5 - (axis[:, None].square() + axis.square()).sqrt()).clamp(0, 1)[None]


def test_outline_follows_the_contour_and_is_thin():
    image = torch.zeros(2, 3, 128, 128)
    changed = (sheets.outline(image, disc(128, 40), thickness=1.5) != image).any(1)[0]
    axis = torch.arange(128) + 0.5 - 64
    radius = (axis[:, None].square() + axis.square()).sqrt()
    assert not changed[(radius - 40).abs() > 3.5].any()
    assert changed[(radius - 40).abs() < 1].all()


def test_outline_has_its_color_on_the_line():
    painted = sheets.outline(torch.ones(1, 3, 64, 64), disc(64, 20), color=(255, 0, 0), thickness=2.0)
    assert pixels.to_bytes(painted)[0].flatten(0, 1).tolist().count([255, 0, 0]) > 60


def test_outline_of_a_coarse_mask_on_a_large_image():
    box = torch.zeros(1, 16, 16)
    box[:, 4:12, 4:12] = 1
    changed = (sheets.outline(torch.zeros(1, 3, 64, 64), box) != 0).any(1)[0]
    assert changed[32, 14:19].any()
    assert not changed[22:42, 22:42].any()
    assert not changed[:11].any()


def test_outline_along_the_border_and_none_without_a_contour():
    image = torch.zeros(1, 3, 20, 20)
    framed = (sheets.outline(image, torch.ones(1, 20, 20)) != 0).any(1)[0]
    assert framed[0].all()
    assert not framed[4:-4, 4:-4].any()
    assert torch.equal(sheets.outline(image, torch.zeros(1, 20, 20)), image)
    plateau = (sheets.outline(image, torch.full((1, 20, 20), 0.5)) != 0).any(1)[0]
    assert not plateau[4:-4, 4:-4].any()
