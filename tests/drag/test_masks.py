"""Masks of the movable region: white, black and soft ones, from files and as pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.masks import check_movable, read_movable, stored_mask
from ganvas.drag.request import DragRequest, PointPair
from ganvas.errors import RegionError

PAIR: PointPair = ((0.3, 0.3), (0.5, 0.5))


def request(*points: PointPair, movable: ganvas.Region) -> DragRequest:
    return DragRequest(points, DragGANSettings(), movable)


def file(folder: Path, values: np.ndarray) -> Path:
    path = folder / "mask.png"
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def test_stored_masks_come_back_exactly():
    region = stored_mask(ganvas.Region.from_mask(torch.rand(7, 7)), 16)
    assert region is not None
    again = stored_mask(region, 16)
    assert again is not None
    assert torch.equal(again.mask(16, 16), region.mask(16, 16))
    box = ganvas.Region.box(0.1, 0.1, 0.2, 0.2)
    assert stored_mask(box, 16) is box
    assert stored_mask(None, 16) is None


def test_white_mask_is_none_and_black_mask_is_refused(tmp_path: Path):
    assert read_movable(file(tmp_path, np.full((16, 16), 255))) is None
    assert stored_mask(ganvas.Region.from_mask(torch.full((8, 8), 0.999)), 16) is None
    with pytest.raises(RegionError, match="black all over"):
        read_movable(file(tmp_path, np.zeros((16, 16))))
    faint = torch.zeros(64, 64)
    faint[5, 5] = 0.02
    with pytest.raises(RegionError, match="lets nothing move"):
        stored_mask(ganvas.Region.from_mask(faint), 16)


def test_soft_mask_lets_a_handle_move_and_black_allows_a_pin_only(tmp_path: Path):
    """A handle under a gray of 110 may move; under black it may not, but a pin may lie there."""
    values = np.zeros((64, 64))
    values[10:30, 10:30] = 110
    with pytest.warns(UserWarning, match="the brightest value is 110 of 255, so nothing counts in full"):
        region = read_movable(file(tmp_path, values))
    assert region is not None
    assert float(region.mask(64, 64).max()) == pytest.approx(110 / 255)
    check_movable(request(PAIR, movable=region), 64, 2.0)
    outside = request(((0.7, 0.7), (0.5, 0.5)), movable=region)
    with pytest.raises(RegionError, match="lies outside"):
        check_movable(outside, 64, 2.0)
    check_movable(outside, 64, 20.0)  # what is pulled reaches into the mask
    check_movable(request(PAIR, ((0.7, 0.7), (0.7, 0.7)), movable=region), 64, 2.0)
