"""Colors of ICC profiles in floating point: against published matrices, and against LittleCMS."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from ganvas.images.color import ProfileError, to_srgb
from ganvas.images.icc import ADOBE_RGB, DISPLAY_P3, power, profile, xyz
from ganvas.images.profile_colors import color_space
from tests.images.stored_files import random_levels

# Linear Display P3 to linear sRGB, both of white D65 (CSS Color Module Level 4, sample code).
P3_TO_SRGB = np.array([[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09828]])


def linear(colors: np.ndarray) -> np.ndarray:
    size = np.abs(colors)
    return np.sign(colors) * np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)


def test_display_p3_follows_the_published_matrix_also_beyond_srgb():
    colors = random_levels(30, 30, 3) / 255
    found = color_space(DISPLAY_P3, 3).to_srgb(colors)
    assert found.min() < -0.1  # red of P3 is none of sRGB
    assert np.abs(linear(found) - linear(colors) @ P3_TO_SRGB.T).max() < 1e-3


def curve_table(gamma: float) -> bytes:
    values = (np.linspace(0, 1, 1024) ** gamma * 65535).round().astype(">u2")
    return b"curv" + struct.pack(">2I", 0, 1024) + values.tobytes()


def parametric(kind: int, *numbers: float) -> bytes:
    return b"para" + struct.pack(f">I2H{len(numbers)}i", 0, kind, 0, *(round(one * 65536) for one in numbers))


CURVES = {
    "power": power(1.8),
    "table": curve_table(2.2),
    "identity": b"curv" + struct.pack(">2I", 0, 0),
    "para 0": parametric(0, 2.0),
    "para 1": parametric(1, 2.2, 1.05, -0.05),
    "para 2": parametric(2, 2.2, 1.05, -0.05, 0.0),
    "para 3": parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    "para 4": parametric(4, 2.4, 0.9, 0.05, 0.05, 0.04, 0.0, 0.0),
}


def rgb_profile(curve: bytes) -> bytes:
    matrix = {"rXYZ": xyz((0.60974, 0.31111, 0.01947)), "gXYZ": xyz((0.20528, 0.62567, 0.06087))}
    return profile(
        "RGB ",
        {**matrix, "bXYZ": xyz((0.14919, 0.06322, 0.74457)), **dict.fromkeys(("rTRC", "gTRC", "bTRC"), curve)},
        "x",
    )


@pytest.mark.parametrize("name", CURVES)
def test_profiles_agree_with_littlecms_where_colors_are_in_srgb(name):
    given = rgb_profile(CURVES[name])
    levels = random_levels(40, 40, 3)
    image = Image.fromarray(levels)
    image.info["icc_profile"] = given
    expected = np.asarray(to_srgb(image)[0]) / 255
    found = color_space(given, 3).to_srgb(levels / 255)
    inside = (found > 0.02).all(axis=-1) & (found < 0.98).all(axis=-1)  # black point compensation acts on the darkest
    assert inside.sum() > 50
    assert np.abs(found - expected)[inside].max() < 1.6 / 255


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (parametric(2, 2.0, 2.0, -0.5, 0.1), [0.1, 0.1, 0.35, 2.35]),  # 0.1 below 0.25, (2 x - 0.5)^2 + 0.1 above
        (parametric(4, 2.0, 1.0, 0.0, 0.5, 0.6, 0.2, 0.05), [0.05, 0.175, 0.3, 1.2]),
    ],
    ids=["para 2", "para 4"],
)
def test_curves_with_an_offset_follow_the_formula_of_the_standard(curve, expected):
    places = np.array([0.0, 0.25, 0.5, 1.0])[:, None, None]
    found = linear(color_space(profile("GRAY", {"kTRC": curve}, "gray"), 1).to_srgb(places))
    assert found[:, 0, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("given", [DISPLAY_P3, ADOBE_RGB, rgb_profile(CURVES["para 4"]), None])
def test_levels_of_16_bits_come_back(given):
    colors = random_levels(50, 50, 3, np.uint16) / 65535
    space = color_space(given, 3)
    assert np.abs(space.from_srgb(space.to_srgb(colors)) - colors).max() < 0.1 / 65535


def test_gray_profiles_are_curves():
    colors = np.linspace(0, 1, 65536)[:, None, None]
    for given in (profile("GRAY", {"kTRC": power(1.8)}, "gray"), DISPLAY_P3):
        space = color_space(given, 1)
        assert np.abs(space.from_srgb(space.to_srgb(colors)) - colors).max() < 0.1 / 65535
    assert linear(color_space(profile("GRAY", {"kTRC": power(2.0)}, "gray"), 1).to_srgb(np.array([[[0.5]]]))) == (
        pytest.approx(0.25)
    )


def test_profiles_of_tables_are_left_to_littlecms():
    # The tag of a table is enough for the choice.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tagged = bytearray(srgb)
    count = struct.unpack_from(">I", tagged, 128)[0]
    name = tagged.index(b"cprt", 132, 132 + 12 * count)
    tagged[name : name + 4] = b"A2B0"
    colors = random_levels(5, 5, 3) / 255
    with pytest.raises(ProfileError):  # the table is none: LittleCMS refuses it
        color_space(bytes(tagged), 3)
    assert np.abs(color_space(srgb, 3).to_srgb(colors) - colors).max() < 0.003


@pytest.mark.parametrize(
    "damaged", [b"", b"none", DISPLAY_P3[:200], rgb_profile(parametric(3, 2.4)), rgb_profile(parametric(0, -2.0))]
)
def test_damaged_profiles_are_a_profile_error(damaged):
    with pytest.raises(ProfileError):
        color_space(damaged, 3)


def test_profiles_for_other_channels_are_refused():
    with pytest.raises(ProfileError):
        color_space(profile("GRAY", {"kTRC": power(2.0)}, "gray"), 3)
