"""Masks of what may move: white, black and soft ones, from files and as pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.drag.masks import check_task, read_movable, settled
from ganvas.drag.state import Task
from ganvas.errors import RegionError

TASK = Task(((0.3, 0.3),), ((0.5, 0.5),))


def file(folder: Path, values: np.ndarray) -> Path:
    path = folder / "mask.png"
    Image.fromarray(values.astype(np.uint8)).save(path)
    return path


def test_settled_masks_come_back_exactly():
    region = settled(ganvas.Region.from_mask(torch.rand(7, 7)), 16)
    assert region is not None
    again = settled(region, 16)
    assert again is not None
    assert torch.equal(again.mask(16, 16), region.mask(16, 16))
    box = ganvas.Region.box(0.1, 0.1, 0.2, 0.2)
    assert settled(box, 16) is box
    assert settled(None, 16) is None


def test_white_is_no_mask_and_black_is_told(tmp_path: Path):
    assert read_movable(file(tmp_path, np.full((16, 16), 255))) is None
    assert settled(ganvas.Region.from_mask(torch.full((8, 8), 0.999)), 16) is None
    with pytest.raises(RegionError, match="black all over"):
        read_movable(file(tmp_path, np.zeros((16, 16))))
    with pytest.raises(RegionError, match="lets nothing move"):
        settled(ganvas.Region.from_mask(torch.full((8, 8), 0.001)), 16)


def test_soft_values_count(tmp_path: Path):
    """A handle under a gray of 110 may move; under black it may not, but a pin may lie there."""
    values = np.zeros((64, 64))
    values[10:30, 10:30] = 110
    region = read_movable(file(tmp_path, values))
    assert region is not None
    assert float(region.mask(64, 64).max()) == pytest.approx(110 / 255)
    movable = Task(TASK.handles, TASK.targets, region)
    check_task(movable, 64, 2.0)
    outside = Task(((0.7, 0.7),), ((0.5, 0.5),), region)
    with pytest.raises(RegionError, match="lies outside"):
        check_task(outside, 64, 2.0)
    check_task(outside, 64, 20.0)  # what is pulled reaches into the mask
    check_task(Task((*TASK.handles, (0.7, 0.7)), (*TASK.targets, (0.7, 0.7)), region), 64, 2.0)
