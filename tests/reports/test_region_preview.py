"""A region drawn with a ruler, and named regions as boxes that can be typed."""

import pytest
import torch

from ganvas.errors import RegionError
from ganvas.regions.named import FACES
from ganvas.regions.region import Region
from ganvas.regions.text import parse_region
from ganvas.reports.region_preview import SIDE, box_text, region_lines, region_preview


def test_a_small_image_is_enlarged_and_darkened_outside_the_region():
    image = torch.full((1, 3, 32, 16), 0.5)
    plain, drawn = region_preview(image, None), region_preview(image, Region.box(0.25, 0.25, 0.75, 0.75))
    assert plain.shape == drawn.shape
    assert plain.shape[2] > SIDE > plain.shape[3]
    inside, outside = drawn[0, :, SIDE // 2 + 60, 36 + SIDE // 4 + 7], drawn[0, :, 36 + 30, 36 + 30]
    assert torch.allclose(inside, torch.tensor(0.5), atol=0.01)
    assert (outside < 0.2).all()


def test_the_box_of_a_box_is_itself_and_can_be_typed():
    assert box_text(Region.box(0.1, 0.25, 0.5, 0.75)) == "box:0.10,0.25,0.50,0.75"
    for line in region_lines(FACES):
        assert isinstance(parse_region(line.split()[-1], {}), Region)


def test_a_line_for_each_region_by_name():
    assert [line.split()[0] for line in region_lines(FACES)] == list(FACES)
    assert region_lines({}) == []
    with pytest.raises(RegionError):
        parse_region("(empty)", {})
