import numpy as np
import pytest
import torch

import ganvas
from ganvas.errors import LatentError, RegionError
from ganvas.parts.click import Clicks, connected
from tests.generators.small import small_stylegan2


@pytest.fixture(scope="module")
def generator():
    return small_stylegan2(32)


@pytest.fixture(scope="module")
def features(generator):
    return ganvas.ClickFeatures(generator, ganvas.sample(generator, [1]))


def test_a_click_holds_its_own_place(features):
    for point in ((0.1, 0.2), (0.5, 0.5), (0.97, 0.03)):
        mask = features.region([point], threshold=0.2).mask(32, 32)[0]
        assert mask[int(point[1] * 32), int(point[0] * 32)] == 1


def test_a_larger_threshold_gives_a_larger_region(features):
    sizes = [float(features.region([(0.5, 0.5)], threshold=level).mask(32, 32).sum()) for level in (0.1, 0.4, 0.8)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_a_place_outside_is_left_out(features):
    free = features.region([(0.3, 0.3)], threshold=0.8).mask(32, 32)[0]
    kept = features.region([(0.3, 0.3)], outside=[(0.8, 0.8)], threshold=0.8).mask(32, 32)[0]
    assert kept[25, 25] <= 0.5
    assert kept.sum() < free.sum()


def test_several_clicks_are_one_region(features):
    points = [(0.2, 0.2), (0.8, 0.8)]
    both = features.region(points, threshold=0.2).mask(32, 32)
    for point in points:
        alone = features.region([point], threshold=0.2).mask(32, 32)
        assert (both >= alone - 0.5).all()


def test_a_click_part_is_the_region_of_its_session(generator, features):
    part, latent = ganvas.part(generator, "click:0.5,0.5:0.4"), ganvas.sample(generator, [1])
    assert torch.equal(part.mask_for(generator, latent)[0], features.region([(0.5, 0.5)], threshold=0.4).mask(32, 32))


def test_a_click_is_found_in_the_other_images_too(generator):
    latent = ganvas.sample(generator, [1, 1, 2])
    masks = ganvas.part(generator, "click:0.5,0.5").mask_for(generator, latent)
    assert masks.shape == (3, 1, 32, 32)
    assert (masks.amax((1, 2, 3)) > 0).all()


NONE = (
    "click:",
    "click:0.5",
    "click:0.5,x",
    "click:0.5,0.5:0.3:0.2,0.2",
    "click:not:0.1,0.1",
    "click:2,0.5",
    "click:0.5,0.5:nan",
    "click:0.5,0.5:-1",
    "click:nan,0.5",
)


@pytest.mark.parametrize("text", NONE)
def test_a_click_that_is_none_is_refused(generator, text: str):
    with pytest.raises(RegionError):
        ganvas.part(generator, text)


def test_the_text_of_clicks_gives_them_back(generator):
    for text in ("click:0.5,0.25", "click:0.5,0.25:0.1,0.2:not:0.75,0.5:0.3"):
        assert str(ganvas.part(generator, text)) == text


def test_a_session_is_of_one_image(generator):
    with pytest.raises(LatentError, match="one image"):
        ganvas.ClickFeatures(generator, ganvas.sample(generator, [1, 2]))


def test_clicks_need_a_point_inside():
    with pytest.raises(RegionError, match="needs a point"):
        Clicks((), ((0.5, 0.5),))


def test_the_connected_piece_holds_the_point():
    inside = np.zeros((8, 8), bool)
    inside[1:3, 1:3] = inside[5:7, 5:7] = True
    assert connected(inside, (1, 2)).sum() == 4
    assert connected(inside, (0, 7)).sum() == 0
