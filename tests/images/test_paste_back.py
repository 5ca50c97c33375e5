"""The mathematics of putting an edit back: the warp against a second implementation, the formula, and what stays."""

import math

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, spline_filter

from ganvas.images.icc import DISPLAY_P3
from ganvas.images.paste_back import Placement, feathered, kept_detail, paste
from ganvas.images.profile_colors import color_space
from tests.images.stored_files import random_levels

SRGB = color_space(None, 3)
WHOLE = np.array([[1.0, 0, 0], [0, 1, 0]])


def turned_frame(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    turn = scale * np.exp(1j * math.radians(degrees))
    return np.array([[turn.real, -turn.imag, x], [turn.imag, turn.real, y]])


def smooth(channels: int, side: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.RandomState(seed).uniform(-1, 1, (channels, 4, 4))
    at = np.linspace(0, 3, side)
    return np.stack([map_coordinates(one, np.meshgrid(at, at, indexing="ij"), order=3) for one in coarse])


def test_at_the_same_size_the_warp_is_the_image_itself():
    image = smooth(3, 12)
    splines = np.stack([spline_filter(one, 3, mode="mirror") for one in image])
    warped = Placement(WHOLE, 12, 12).warp(splines, (2, 3, 9, 12), "mirror")
    assert np.abs(warped - np.moveaxis(image, 0, -1)[3:12, 2:9]).max() < 1e-12


@pytest.mark.parametrize("degrees", [0, 20, -130])
def test_each_pixel_takes_the_value_at_its_place(degrees):
    image, frame = smooth(1, 16), turned_frame(0.5, degrees, 0.4, 0.3)
    placement = Placement(frame, 60, 60)
    splines = np.stack([spline_filter(image[0], 3, mode="mirror")])
    warped = placement.warp(splines, (0, 0, 60, 60), "mirror")[..., 0]
    for u, v in ((0.5, 0.5), (0.3, 0.6), (0.71, 0.22)):
        x, y = (frame @ [u, v, 1]) * 60 - 0.5  # in pixels of the photo, from the middle of the first
        if 1 < x < 58 and 1 < y < 58:
            found = map_coordinates(warped, [[y], [x]], order=3)[0]
            expected = map_coordinates(image[0], [[v * 16 - 0.5], [u * 16 - 0.5]], order=3, mode="mirror")[0]
            assert found == pytest.approx(expected, abs=2e-3)


def test_a_smaller_photo_takes_means():
    checkers = np.indices((16, 16)).sum(axis=0) % 2 * 2.0 - 1
    splines = np.stack([spline_filter(checkers, 3, mode="mirror")])
    warped = Placement(WHOLE, 4, 4).warp(splines, (0, 0, 4, 4), "mirror")
    assert np.abs(warped).max() < 1e-9  # one point of each would be -1 or 1


def test_adding_and_blending_are_the_ends_of_the_dial():
    before, after, side = smooth(3, 16), smooth(3, 16, seed=1), 64
    mask = feathered(np.pad(np.ones((6, 6)), 5), 0.1)
    photo = random_levels(side, side, 3)
    placement = Placement(WHOLE, side, side)
    middle = (slice(28, 36), slice(28, 36))  # where the mask is 1
    warp = {
        name: placement.warp(
            np.stack([spline_filter(one, 3, mode="mirror") for one in image]), (28, 28, 36, 36), "mirror"
        )
        for name, image in (("before", before), ("after", after))
    }
    for k, expected in (
        (1.0, photo[middle] + 127.5 * (warp["after"] - warp["before"])),
        (0.0, 127.5 * warp["after"] + 127.5),
        (0.5, photo[middle] / 2 + 127.5 * (warp["after"] - warp["before"] / 2) + 63.75),
    ):
        changed = photo.copy()
        paste(changed, placement, before, after, mask, np.full((16, 16), k), SRGB)
        assert np.abs(changed[middle] - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("profile", [None, DISPLAY_P3])
@pytest.mark.parametrize("degrees", [0, 33])
def test_outside_the_mask_and_alpha_stay_bit_for_bit(dtype, profile, degrees):
    photo = random_levels(40, 50, 4, dtype)
    changed = photo.copy()
    mask = feathered(np.pad(np.ones((4, 5)), ((3, 9), (6, 5))), 0.05)
    placement = Placement(turned_frame(0.5, degrees, 0.3, 0.2), 40, 50)
    inside = paste(
        changed, placement, smooth(3, 16), smooth(3, 16, 1), mask, np.ones((16, 16)), color_space(profile, 3)
    )
    assert (changed[~inside] == photo[~inside]).all()
    assert (changed[..., 3] == photo[..., 3]).all()
    assert 0.02 < inside.mean() < 0.2
    assert (changed[inside] != photo[inside]).any(axis=-1).mean() > 0.6


@pytest.mark.parametrize("profile", [None, DISPLAY_P3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_edit_that_changes_nothing_changes_no_bit(dtype, profile):
    photo = random_levels(30, 30, 3, dtype)
    changed, image = photo.copy(), smooth(3, 8)
    inside = paste(
        changed,
        Placement(WHOLE, 30, 30),
        image,
        image,
        feathered(np.ones((8, 8)), 0.05),
        np.ones((8, 8)),
        color_space(profile, 3),
    )
    assert inside.any()
    assert (changed == photo).all()


def test_photos_of_the_same_colors_become_the_same_in_every_profile():
    space, image = color_space(DISPLAY_P3, 3), smooth(3, 8)
    srgb = np.rint(65535 * np.random.RandomState(0).uniform(0.2, 0.8, (24, 24, 3))).astype(np.uint16)
    p3 = np.rint(65535 * space.from_srgb(srgb / 65535)).astype(np.uint16)
    for levels, its in ((srgb, SRGB), (p3, space)):
        paste(
            levels, Placement(WHOLE, 24, 24), image, image + 0.1, feathered(np.ones((8, 8)), 0.05), np.ones((8, 8)), its
        )
    assert np.abs(space.to_srgb(p3 / 65535) - srgb / 65535).max() < 4 / 65535


def test_bands_of_a_large_photo_meet(monkeypatch):
    photo, images = random_levels(50, 40, 3), (smooth(3, 8), smooth(3, 8, 1))
    whole, parts = photo.copy(), photo.copy()
    given = (
        Placement(turned_frame(0.7, 10, 0.2, 0.1), 50, 40),
        *images,
        feathered(np.ones((8, 8)), 0.1),
        np.ones((8, 8)),
        SRGB,
    )
    inside = paste(whole, *given)
    monkeypatch.setattr("ganvas.images.paste_back.BAND_POINTS", 100)
    assert (paste(parts, *given) == inside).all()
    assert (whole == parts).all()


def test_a_region_off_the_photo_touches_nothing():
    photo = random_levels(20, 20, 3)
    changed = photo.copy()
    frame = np.array([[0.5, 0, 1.2], [0, 0.5, 0.2]])
    mask = feathered(np.ones((8, 8)), 0.05)
    assert not paste(
        changed, Placement(frame, 20, 20), smooth(3, 8), smooth(3, 8, 1), mask, np.ones((8, 8)), SRGB
    ).any()
    assert (changed == photo).all()


def test_a_face_at_the_edge_of_the_photo_is_pasted_as_far_as_there_is_photo():
    changed = random_levels(20, 20, 3)
    frame = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]])
    mask = feathered(np.ones((8, 8)), 0.05)
    inside = paste(changed, Placement(frame, 20, 20), smooth(3, 8), smooth(3, 8, 1), mask, np.ones((8, 8)), SRGB)
    rows, columns = inside.nonzero()
    assert (rows.min(), columns.min()) == (0, 0)
    assert max(rows.max(), columns.max()) < 5


def test_detail_stays_where_edges_stay_and_goes_where_they_move():
    ramp = np.clip((np.arange(64) - 31.5) / 2, -1, 1)
    edge = np.broadcast_to(ramp, (3, 64, 64))
    assert kept_detail(edge, edge).min() == pytest.approx(1)
    assert kept_detail(edge, 0.9 * edge + 0.1).min() > 0.98  # the same edge in another light
    moved = kept_detail(edge, np.roll(edge, 6, axis=2))[32]
    assert moved[35] < 0.2
    assert moved[20] > 0.99  # flat in both
    shifts = [kept_detail(edge, np.roll(edge, shift, axis=2))[32, 32] for shift in range(5)]
    assert shifts == sorted(shifts, reverse=True)


def test_the_mask_is_whole_in_half_of_the_rim_and_falls_to_nothing_in_the_other_and_at_the_edge_of_the_image():
    region = np.zeros((40, 40))
    region[10:20, 0:20] = 1
    mask = feathered(region, 0.1)  # four pixels
    assert mask[15, 10] == mask[21, 10] == 1
    assert 0 < mask[22, 10] < 1
    assert (mask[24:] == 0).all()
    assert (mask[:, :2] == 0).all()
    assert (np.diff(mask[10:, 10]) <= 0).all()
    assert feathered(region, 0.0)[15, 10] == 1
