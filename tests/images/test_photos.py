"""Photos: where every pixel of the result comes from, whatever the file's orientation, kind and size; files that are
no photos.
"""

import io
import math
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganvas.errors import ImageError
from ganvas.images import photos, pixels
from ganvas.regions import Region
from ganvas.regions.eyes import eye_places_of
from ganvas.regions.named import AFHQ_CAT, FACES


def smooth(height: int, width: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return pixels.resize(torch.rand(1, 3, 6, 6, generator=random) * 2 - 1, height, width).clamp(-1, 1)


def written(path, image: torch.Tensor, **options):
    Image.fromarray(pixels.to_bytes(image)[0].numpy()).save(path, **options)
    return path


def oriented(path, orientation: int, size: tuple[int, int] = (40, 24), **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return written(path, smooth(size[1], size[0]), exif=exif, **options)


LOSSLESS = {"jpg": {"quality": 98, "subsampling": 0}, "webp": {"lossless": True}}
# What makes a stored image upright, by its orientation (EXIF 2.3: where row 0 and column 0 of the photo are seen).
BACK = {
    1: lambda x: x,
    2: lambda x: x.flip(3),
    3: lambda x: x.flip(2, 3),
    4: lambda x: x.flip(2),
    5: lambda x: x.transpose(2, 3),
    6: lambda x: x.rot90(-1, (2, 3)),
    7: lambda x: x.transpose(2, 3).flip(2, 3),
    8: lambda x: x.rot90(1, (2, 3)),
}


def test_whole_factors_are_the_exact_mean_of_the_middle_square(tmp_path):
    image = smooth(48, 80)
    path = written(tmp_path / "photo.png", image)
    exact = pixels.resize(pixels.read_image(path)[..., 16:64], 16, 16)
    assert (photos.read_photo(path, 16) - exact).abs().max() < 0.01  # a level and a rounding in between


def test_the_same_size_is_the_image_itself(tmp_path):
    path = written(tmp_path / "photo.png", smooth(32, 32))
    assert (photos.read_photo(path, 32) - pixels.read_image(path)).abs().max() < 1e-4


@pytest.mark.parametrize("side", [21, 50, 63, 150, 333])
def test_other_factors_agree_with_pillow(tmp_path, side):
    path = written(tmp_path / "photo.png", smooth(side, side))
    with Image.open(path) as image:
        other = np.array(image.resize((20, 20), Image.Resampling.BOX if side > 60 else Image.Resampling.LANCZOS))
    difference = photos.read_photo(path, 20) - pixels.from_bytes(torch.from_numpy(other)[None])
    assert difference[..., 1:-1, 1:-1].abs().mean() < 0.02


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(60, 36), (203, 301)])
@pytest.mark.parametrize("kind", ["png", "jpg", "tiff", "webp"])
def test_orientation_is_part_of_the_map(tmp_path, orientation, size, kind):
    """Held against pixels turned by hand, since each format's reader may or may not have turned them already."""
    path = oriented(tmp_path / f"turned.{kind}", orientation, size, **LOSSLESS.get(kind, {}))
    upright = written(tmp_path / "upright.png", BACK[orientation](smooth(size[1], size[0])))
    box = (0.1, 0.2, 0.7, 0.9)
    for options in ({}, {"box": box}, {"eyes": ((0.4, 0.4), (0.6, 0.5)), "eye_places": ((0.3, 0.4), (0.7, 0.4))}):
        difference = photos.read_photo(path, 16, **options) - photos.read_photo(upright, 16, **options)
        assert difference.abs().max() < 0.03


def test_a_box_is_cut_out(tmp_path):
    path = written(tmp_path / "photo.png", smooth(100, 200))
    found = photos.read_photo(path, 20, box=(0.5, 0.2, 0.7, 0.6))
    assert (found - pixels.resize(pixels.read_image(path)[..., 20:60, 100:140], 20, 20)).abs().max() < 0.01


@settings(max_examples=50)
@given(st.tuples(*[st.floats(0.05, 0.45), st.floats(0.2, 0.8), st.floats(0.55, 0.95), st.floats(0.2, 0.8)]))
def test_eyes_come_to_their_places_without_shear(points):
    eyes, places = ((points[0], points[1]), (points[2], points[3])), ((0.3, 0.35), (0.7, 0.36))
    frame = photos.square_by_eyes(300, 200, eyes, places)
    for eye, place in zip(eyes, places, strict=True):
        moved = frame @ torch.tensor([*place, 1.0], dtype=torch.float64)
        assert moved.tolist() == pytest.approx(eye, abs=1e-9)
    pixels = frame[:, :2] * torch.tensor([[300.0], [200.0]]).double()
    gram = pixels.T @ pixels
    assert gram / gram[0, 0] == pytest.approx(np.eye(2), abs=1e-9)
    assert torch.linalg.det(pixels) > 0


def test_aligned_spots_lie_where_the_eyes_belong(tmp_path):
    image = torch.ones(1, 3, 240, 320)
    rows, columns = torch.meshgrid(torch.arange(240) + 0.5, torch.arange(320) + 0.5, indexing="ij")
    spots = ((120.0, 100.0), (200.0, 130.0))
    for x, y in spots:
        image -= 1.9 * torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 60)
    path = written(tmp_path / "photo.png", image.clamp(-1, 1))
    eyes = tuple((x / 320, y / 240) for x, y in spots)
    found = photos.read_photo(path, 64, eyes=eyes, eye_places=((0.3, 0.4), (0.7, 0.4)))
    darkness = (1 - found[0, 0]).clamp_min(0.3) - 0.3
    for half, place in ((darkness[:, :32], (0.3, 0.4)), (darkness[:, 32:], (0.7 - 0.5, 0.4))):
        y, x = torch.meshgrid((torch.arange(64) + 0.5) / 64, (torch.arange(32) + 0.5) / 64, indexing="ij")
        center = [float((half * axis).sum() / half.sum()) for axis in (x, y)]
        assert center == pytest.approx(place, abs=0.004)


def test_eye_places_follow_the_regions():
    left, right = eye_places_of(FACES)
    assert left == pytest.approx((0.29, 0.29), abs=1e-3)
    assert right == pytest.approx((0.715, 0.29), abs=1e-3)
    both = eye_places_of({"eyes": AFHQ_CAT["eyes"]})
    assert np.allclose(both, eye_places_of(AFHQ_CAT), atol=0.01)
    assert eye_places_of({"mouth": Region.box(0.4, 0.4, 0.6, 0.6)}) is None


def test_transparency_is_composited_over_the_background(tmp_path):
    values = np.zeros((32, 32, 4), np.uint8)
    values[:16] = (255, 0, 0, 255)
    values[16:, :, :3] = (0, 255, 0)  # what lies under clear pixels must not be seen
    path = tmp_path / "clear.png"
    Image.fromarray(values).save(path)
    for name, color in {"white": (1, 1, 1), "#0000ff": (-1, -1, 1)}.items():
        found = photos.read_photo(path, 8, background=name)
        assert found[0, :, :4].mean((1, 2)).tolist() == pytest.approx([1, -1, -1], abs=1e-3)
        assert found[0, :, 4:].mean((1, 2)).tolist() == pytest.approx(color, abs=1e-3)


def test_sketches_keep_color_and_soft_alpha_apart(tmp_path):
    values = np.zeros((64, 64, 4), np.uint8)
    values[..., :3] = (0, 255, 0)
    values[:, :30] = (255, 0, 0, 255)
    path = tmp_path / "sketch.png"
    Image.fromarray(values).save(path)
    colors, alpha = photos.read_sketch(path, 16)
    assert alpha.shape == (1, 16, 16)
    assert alpha[0, :, 7].mean() == pytest.approx(0.5, abs=0.01)
    assert (alpha[0, :, :6].min(), alpha[0, :, 9:].max()) == pytest.approx((1, 0), abs=1e-3)
    red = colors[0][:, (alpha[0] > 0.05)]
    assert (red - torch.tensor([[1.0], [-1.0], [-1.0]])).abs().max() < 1e-3


def test_a_wide_sketch_is_kept_whole(tmp_path):
    path = written(tmp_path / "wide.png", smooth(32, 64))
    _, alpha = photos.read_sketch(path, 16)
    assert alpha[0, 4:12].min() == pytest.approx(1, abs=0.02)
    assert alpha[0, :3].max() == alpha[0, 13:].max() == 0


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "LA", "P", "RGBA", "I;16"])
def test_photos_of_every_pillow_mode_are_read(tmp_path, mode):
    gray = Image.fromarray(pixels.to_bytes(smooth(40, 40))[0].numpy()).convert("L")
    image = Image.fromarray(np.array(gray).astype(np.uint16) * 257) if mode == "I;16" else gray.convert(mode)
    path = tmp_path / ("photo.tiff" if mode == "CMYK" else "photo.png")
    image.save(path)
    found = photos.read_photo(path, 10)
    assert found.shape == (1, 3, 10, 10)
    gray.save(tmp_path / "gray.png")
    tolerance = 0.35 if mode == "1" else 0.02  # dots of black and white
    assert (found - photos.read_photo(tmp_path / "gray.png", 10)).abs().mean() < tolerance


@pytest.mark.parametrize("progressive", [False, True])
def test_large_jpegs_are_decoded_smaller(tmp_path, progressive):
    path = written(tmp_path / "large.jpg", smooth(1003, 1501), quality=95, progressive=progressive)
    lossless = written(tmp_path / "large.png", smooth(1003, 1501))
    for options in ({}, {"box": (0.5, 0.0, 1.0, 0.5)}):
        difference = photos.read_photo(path, 16, **options) - photos.read_photo(lossless, 16, **options)
        assert difference.abs().max() < 0.03


def test_a_jpeg_above_the_limit_is_read_and_a_progressive_one_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    path = written(tmp_path / "large.jpg", smooth(600, 600))
    assert photos.read_photo(path, 16).shape == (1, 3, 16, 16)
    for file, resolution in ((path, 512), (written(tmp_path / "slow.jpg", smooth(600, 600), progressive=True), 16)):
        with pytest.raises(ImageError, match="megapixels"):
            photos.read_photo(file, resolution)


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def file_of(format: str, size: tuple[int, int] = (64, 64), **options) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(stream, format, **options)
    return stream.getvalue()


BAD = {
    "tiny.png": (file_of("PNG", (1, 1)), "1 x 1 pixels"),
    "huge.png": (png_of_size(20_000, 20_000), "megapixels"),
    "empty.jpg": (b"", "empty"),
    "text.png": (b"not an image", "it is text, not an image"),
    "cut.jpg": (file_of("JPEG")[:700], "its end is missing"),
    "cut.png": (file_of("PNG")[:700], "its end is missing"),
    "moving.gif": (
        file_of("GIF", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")]),
        "2 images",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_error_for_a_bad_file_names_it_and_the_reason(tmp_path, name):
    content, words = BAD[name]
    (tmp_path / name).write_bytes(content)
    for read in (photos.read_photo, photos.read_sketch):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ImageError, match=words) as caught:
                read(tmp_path / name, 16)
        assert name in str(caught.value)
    with pytest.raises(ImageError, match="No such file"):
        photos.read_photo(tmp_path / "nowhere.png", 16)


@settings(max_examples=60)
@given(st.data())
def test_damaged_bytes_give_an_image_error_or_a_photo(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(content))
    try:
        photo = photos.read_photo(path, 16)
    except ImageError:
        return
    assert photo.shape == (1, 3, 16, 16)
    assert photo.isfinite().all()


SAMPLES = [file_of(format, (24, 24)) for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]


def test_impossible_options_are_refused(tmp_path):
    path = written(tmp_path / "photo.png", smooth(32, 32))
    places = ((0.3, 0.4), (0.7, 0.4))
    for options, words in (
        ({"box": (0.5, 0.0, 0.5, 1.0)}, "no box"),
        ({"box": (0.0, 0.0, 1.0, math.nan)}, "no box"),
        ({"background": "puce-ish"}, "no color"),
        ({"eyes": ((0.6, 0.4), (0.3, 0.4)), "eye_places": places}, "further left"),
        ({"eyes": ((0.3, 0.4), (1.3, 0.4)), "eye_places": places}, "do not lie"),
        ({"eyes": places}, "eye_places"),
        ({"box": (0.0, 0.0, 0.3, 0.3)}, "10 of its 32 x 32"),
    ):
        with pytest.raises(ImageError, match=words):
            photos.read_photo(path, 16, **options)


def test_shared_sketches_and_photos_are_read(shared):
    colors, alpha = photos.read_sketch(shared / "photos" / "sketches" / "cat-1.png", 64)
    assert 0 < alpha.mean() < 1
    assert colors.shape == (1, 3, 64, 64)
    photo = photos.read_photo(shared / "photos" / "dogs" / "pixabay_dog_000121.jpg", 64)
    other = pixels.resize(pixels.read_image(shared / "photos" / "dogs" / "pixabay_dog_000121.jpg"), 64, 64)
    assert (photo - other).abs().max() < 0.05
