"""Color profiles: photos of other color spaces become sRGB, checked by a second implementation of the mathematics."""

import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import ganvas
from ganvas.errors import ImageError
from ganvas.images import color, icc, pixels
from ganvas.images.datasets import open_images
from tests.images.samples import smooth

pytestmark = pytest.mark.usefixtures("home", "one_thread")
D65, D50 = (0.3127, 0.3290), (0.3457, 0.3585)
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
Curve = Callable[[np.ndarray], np.ndarray]


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * np.maximum(values, 1e-9) ** (1 / 2.4) - 0.055)


# name -> primaries (x, y), white, curve
SPACES: dict[str, tuple[tuple[tuple[float, float], ...], tuple[float, float], Curve]] = {
    "Display P3": (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65, srgb_to_linear),
    "Adobe RGB": (((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), D65, lambda values: values ** (563 / 256)),
    "ProPhoto": (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), D50, lambda values: values**1.8),
    "Rec. 2020": (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65, lambda values: values**2.4),
    "linear sRGB": (SRGB_PRIMARIES, D65, lambda values: values),
}


def to_xyz(place: tuple[float, float]) -> np.ndarray:
    return np.array([place[0] / place[1], 1, (1 - place[0] - place[1]) / place[1]])


def rgb_to_xyz(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> np.ndarray:
    columns = np.stack([to_xyz(place) for place in primaries], axis=1)
    return columns * np.linalg.solve(columns, to_xyz(white))


def adapt(source: tuple[float, float], target: tuple[float, float]) -> np.ndarray:
    scale = np.diag(BRADFORD @ to_xyz(target) / (BRADFORD @ to_xyz(source)))
    return np.linalg.solve(BRADFORD, scale @ BRADFORD)


def expected_srgb(name: str, levels: np.ndarray) -> np.ndarray:
    """The second implementation: linear light, matrices, clipping, curve; [..., 3] levels of sRGB."""
    primaries, white, curve = SPACES[name]
    matrix = np.linalg.solve(rgb_to_xyz(SRGB_PRIMARIES, D65), adapt(white, D65) @ rgb_to_xyz(primaries, white))
    return linear_to_srgb(np.clip(curve(levels / 255) @ matrix.T, 0, 1)) * 255


def profile_bytes(name: str) -> bytes:
    """An ICC profile with the space's primaries relative to D50, and its curve as a table."""
    primaries, white, curve = SPACES[name]
    columns = (adapt(white, D50) @ rgb_to_xyz(primaries, white)).T
    table = np.rint(curve(np.linspace(0, 1, 1024)) * 65535).astype(">u2").tobytes()
    tag = b"curv" + struct.pack(">2I", 0, 1024) + table
    tags = {f"{letter}XYZ": icc.xyz(tuple(column)) for letter, column in zip("rgb", columns, strict=True)}
    return icc.profile("RGB ", tags | dict.fromkeys(("rTRC", "gTRC", "bTRC"), tag), name)


def levels_of(image: torch.Tensor) -> np.ndarray:
    return pixels.to_bytes(image)[0].numpy().astype(float)


PHOTO = Image.fromarray(pixels.to_bytes(smooth(1, 40) * 1.6)[0].numpy())


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_photos_of_other_spaces_become_srgb(tmp_path: Path, name: str, kind: str):
    path = tmp_path / "photo"
    PHOTO.save(path, kind, icc_profile=profile_bytes(name), **({"lossless": True} if kind == "WEBP" else {}))
    found = levels_of(ganvas.read_image(path))
    expected = expected_srgb(name, np.array(PHOTO, dtype=float))
    assert np.abs(found - expected).max() < 1.2
    assert np.abs(np.array(PHOTO) - expected).mean() > 2  # so much it was off without
    photo = levels_of(ganvas.read_photo(path, 40))
    assert np.abs(photo - found).max() < 1.2


def test_jpeg_heic_and_avif_carry_their_profile(tmp_path: Path):
    pillow_heif = pytest.importorskip("pillow_heif")
    profile = profile_bytes("Display P3")
    PHOTO.save(tmp_path / "JPEG", "JPEG", quality=100, subsampling=0, icc_profile=profile)
    PHOTO.save(tmp_path / "AVIF", "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile)
    marked = PHOTO.copy()
    marked.info["icc_profile"] = profile
    pillow_heif.from_pillow(marked).save(tmp_path / "HEIC", quality=-1, chroma=444)
    expected = expected_srgb("Display P3", np.array(PHOTO, dtype=float))
    for kind in ("JPEG", "AVIF", "HEIC"):
        assert np.abs(levels_of(ganvas.read_image(tmp_path / kind)) - expected).mean() < 1.5


def test_heic_that_says_display_p3_by_a_number_is_believed(tmp_path: Path):
    pillow_heif = pytest.importorskip("pillow_heif")
    numbers = {"transfer_characteristics": 13, "matrix_coefficients": 0, "full_range_flag": 1}
    for primaries, name in ((12, "Display P3"), (1, "")):
        pillow_heif.from_pillow(PHOTO).save(
            tmp_path / "a.heic", quality=-1, chroma=444, color_primaries=primaries, **numbers
        )
        levels = np.array(PHOTO, dtype=float)
        expected = expected_srgb(name, levels) if name else levels
        assert np.abs(levels_of(ganvas.read_image(tmp_path / "a.heic")) - expected).mean() < 1.5


def test_camera_that_says_adobe_rgb_in_exif_alone_is_believed(tmp_path: Path):
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, color.INTEROPERABILITY_IFD: {1: "R03", 2: b"0100"}}
    PHOTO.save(tmp_path / "_DSC1.png", exif=exif)
    with Image.open(tmp_path / "_DSC1.png") as image:
        assert color.profile_of(image) == icc.ADOBE_RGB
    found = levels_of(ganvas.read_image(tmp_path / "_DSC1.png"))
    assert np.abs(found - expected_srgb("Adobe RGB", np.array(PHOTO, dtype=float))).max() < 1.2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_srgb_profiles_and_none_leave_every_bit(tmp_path: Path, mode: str):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = PHOTO.convert(mode)
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "marked.png", icc_profile=srgb)
    assert torch.equal(*(ganvas.read_image(tmp_path / name) for name in ("plain.png", "marked.png")))


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA"])
def test_every_mode_is_converted_and_keeps_its_opacity(tmp_path: Path, mode: str):
    """As the same colors in RGB are, in any mode that a file with a profile of red, green and blue may have."""
    image = PHOTO.convert(mode)
    opaque = Image.fromarray(np.array(image.convert("RGB")))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").resize((40, 40)))
    image.save(tmp_path / "in.png", icc_profile=profile_bytes("Display P3"))
    opaque.save(tmp_path / "rgb.png", icc_profile=profile_bytes("Display P3"))
    colors, alpha = ganvas.read_sketch(tmp_path / "in.png", 40)
    expected, _ = ganvas.read_sketch(tmp_path / "rgb.png", 40)
    seen = alpha[0] > 0.5
    assert (colors - expected)[0, :, seen].abs().max() < 0.02
    if mode in ("RGBA", "LA"):
        assert torch.equal((alpha[0] * 255).round().byte(), torch.from_numpy(np.array(image.getchannel("A"))))


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "with opacity"])
def test_gray_profiles_are_applied(tmp_path: Path, kind: str):
    profile = icc.profile("GRAY", {"kTRC": icc.power(1.0)}, "linear gray")
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(4, axis=0)
    image = Image.fromarray(ramp.astype(np.uint16) * 257 if kind == "16 bits" else ramp)
    if kind == "with opacity":
        image.putalpha(Image.new("L", image.size, 255))
    image.save(tmp_path / "gray.png", icc_profile=profile)
    found = (ganvas.read_image(tmp_path / "gray.png")[0, :, 0] + 1) * 127.5
    assert torch.equal(found[0], found[2])
    expected = linear_to_srgb(np.arange(256) / 255) * 255
    assert np.abs(found[0].numpy() - expected).max() < 1.2


def test_gray_of_sixteen_bits_with_an_srgb_profile_keeps_its_depth(tmp_path: Path):
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(values).save(tmp_path / "deep.png", icc_profile=srgb)
    assert np.array_equal(((ganvas.read_image(tmp_path / "deep.png")[0, 0] + 1) * 32767.5).round(), values)


BROKEN = {
    "no profile at all": b"x" * 500,
    "short": b"x",
    "cut": profile_bytes("Display P3")[:400],
    "header alone": profile_bytes("Display P3")[:128],
    "of another space": profile_bytes("Display P3").replace(b"RGB XYZ ", b"Lab XYZ "),
    "for CMYK": profile_bytes("Display P3").replace(b"RGB XYZ ", b"CMYKXYZ "),
    "for gray": icc.profile("GRAY", {"kTRC": icc.power(1.0)}, "linear gray"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_profiles_that_cannot_be_used_are_ignored_with_a_warning(tmp_path: Path, kind: str):
    PHOTO.save(tmp_path / "photo.png", icc_profile=BROKEN[kind])
    with pytest.warns(UserWarning, match=r"photo\.png': its color profile is .*ignored; its colors are taken as sRGB"):
        image = ganvas.read_image(tmp_path / "photo.png")
    assert np.array_equal(levels_of(image), np.array(PHOTO))
    with pytest.warns(UserWarning, match="its color profile"):
        ganvas.read_photo(tmp_path / "photo.png", 40)


def test_damaged_profiles_never_crash():
    whole, random = profile_bytes("Display P3"), np.random.RandomState(0)
    for _ in range(60):
        content = bytearray(whole)
        for place in random.randint(0, 600, 6):
            content[place] = random.randint(256)
        marked = PHOTO.copy()
        marked.info["icc_profile"] = bytes(content)
        found, _ = color.to_srgb(marked)
        assert found.size == PHOTO.size


def test_damaged_profiles_in_a_dataset_are_counted(tmp_path: Path):
    for index in range(3):
        PHOTO.rotate(index).save(tmp_path / f"{index}.png", icc_profile=BROKEN["cut"] if index else None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_images(tmp_path, 32, fewest=1).summary.unprofiled == 2


def test_cmyk_without_and_with_a_wrong_profile_is_read(tmp_path: Path):
    PHOTO.convert("CMYK").save(tmp_path / "plain.tiff")
    PHOTO.convert("CMYK").save(tmp_path / "marked.tiff", icc_profile=profile_bytes("Display P3"))
    with pytest.warns(UserWarning, match="is for RGB, not for images of mode CMYK, and was ignored"):
        marked = ganvas.read_image(tmp_path / "marked.tiff")
    assert torch.equal(marked, ganvas.read_image(tmp_path / "plain.tiff"))


def press_profile() -> bytes:
    """A profile of inks of which only black counts: a table (lut8Type) from CMYK to Lab, L = 100 (1 - K)."""
    straight = bytes(range(256))
    corners = b"".join(bytes([255 * (1 - corner % 2), 128, 128]) for corner in range(16))  # K varies fastest
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    table += 4 * straight + corners + 3 * straight
    made = icc.profile("CMYK", {"A2B0": table, "A2B1": table}, "press")
    return made.replace(b"mntrCMYKXYZ ", b"prtrCMYKLab ")


def test_cmyk_is_converted_by_its_profile(tmp_path: Path):
    ink = np.arange(256, dtype=np.uint8)[None]
    inks = Image.merge("CMYK", [Image.fromarray(values) for values in (255 - ink, ink, ink // 2, ink)])
    inks.save(tmp_path / "press.tiff", icc_profile=press_profile())
    found = levels_of(ganvas.read_image(tmp_path / "press.tiff"))[0]
    lightness = 100 * (1 - ink[0] / 255)
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    assert np.abs(found - linear_to_srgb(luminance)[:, None] * 255).max() < 2


@pytest.mark.parametrize("name", ["Display P3", "Adobe RGB", "ProPhoto", "Rec. 2020"])
def test_results_go_back_into_the_colors_of_the_photo(name: str):
    """There and back again, where sRGB holds the color: within the rounding of 8 bits."""
    profile = profile_bytes(name)
    soft = Image.fromarray(pixels.to_bytes(smooth(1, 40) * 0.12)[0].numpy())
    soft.info["icc_profile"] = profile
    there, _ = color.to_srgb(soft)
    assert not np.array_equal(there, soft)
    back = np.array(color.from_srgb(there, profile)).astype(int)
    assert np.abs(back - np.array(soft)).max() <= 2


def test_results_go_back_into_gray_and_stay_where_the_profile_is_srgb():
    gray = icc.profile("GRAY", {"kTRC": icc.power(1.0)}, "linear gray")
    assert color.from_srgb(PHOTO, gray).mode == "L"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(color.from_srgb(PHOTO, srgb), PHOTO)
    with pytest.raises(color.ProfileError):
        color.from_srgb(PHOTO, BROKEN["short"])


def test_damaged_files_with_profiles_give_an_image_error_or_an_image():
    stream, random = io.BytesIO(), np.random.RandomState(1)
    PHOTO.save(stream, "PNG", icc_profile=profile_bytes("Adobe RGB"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(40):
            content = bytearray(stream.getvalue())
            for place in random.randint(0, 3000, 3):
                content[place] = random.randint(256)
            try:
                image = ganvas.read_image(io.BytesIO(bytes(content)))
            except ImageError:
                continue
            assert image.isfinite().all()
