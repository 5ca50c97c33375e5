"""Photos read as their files hold them and written again: every level, every kind of pixels, and what lies beside."""

import numpy as np
import pytest
from PIL import Image

from ganvas.errors import ImageError
from ganvas.images.decoding import levels, opened
from ganvas.images.exif import without_thumbnail
from ganvas.images.icc import DISPLAY_P3
from ganvas.images.rewriting import write_stored, written_suffix
from ganvas.images.stored_photo import read_stored
from tests.images.stored_files import CAMERA, MAKE, random_levels, tiff16, turned, write_photo

KINDS = [
    *((".png", c, np.uint8) for c in (1, 2, 3, 4)),
    *((".png", c, np.uint16) for c in (1, 3, 4)),
    *((".tif", c, np.uint8) for c in (1, 3, 4)),
    *((".tif", c, np.uint16) for c in (1, 3, 4)),
    *((".webp", c, np.uint8) for c in (3, 4)),
]


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize(("suffix", "channels", "dtype"), KINDS)
def test_levels_orientation_profile_and_camera_survive_a_rewrite(tmp_path, suffix, channels, dtype, orientation):
    given = random_levels(5, 8, channels, dtype)
    profile = DISPLAY_P3 if channels >= 3 and not (suffix == ".tif" and dtype == np.uint16) else None
    path = write_photo(tmp_path / f"photo{suffix}", given, orientation, profile)
    photo = read_stored(path)
    assert (photo.levels == given).all()
    assert (photo.orientation, photo.profile, photo.levels.dtype) == (orientation, profile, dtype)
    assert write_stored(tmp_path / f"again{suffix}", photo, path) == ()
    again = read_stored(tmp_path / f"again{suffix}")
    assert (again.levels == given).all()
    assert (again.orientation, again.profile) == (orientation, profile)
    with Image.open(tmp_path / f"again{suffix}") as image:
        assert image.getexif()[MAKE] == CAMERA


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff_of_16_bits_is_read_in_either_byte_order_and_compressed(tmp_path, order, compressed, channels):
    given = random_levels(6, 5, channels, np.uint16)
    (tmp_path / "a.tif").write_bytes(tiff16(given, 6, order, compressed))
    photo = read_stored(tmp_path / "a.tif")
    assert (photo.levels == given).all()
    write_stored(tmp_path / "b.tif", photo, tmp_path / "a.tif")
    assert (read_stored(tmp_path / "b.tif").levels == given).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_tiff_of_every_orientation_is_read_upright(tmp_path, orientation, dtype):
    upright = random_levels(4, 7, 1, dtype)
    path = write_photo(tmp_path / "a.tif", turned(upright, orientation), orientation)
    with opened(path) as image:
        read = levels(image)[0, 0].numpy()
    assert np.abs(read * (np.iinfo(dtype).max / 255) - upright[..., 0]).max() < 0.01


def test_palettes_become_rgb_and_transparent_colors_alpha(tmp_path):
    image = Image.fromarray(random_levels(6, 6, 1)[..., 0]).convert("P")
    for name, options in (("opaque", {}), ("clear", {"transparency": 3})):
        image.save(tmp_path / f"{name}.png", **options)
        photo = read_stored(tmp_path / f"{name}.png")
        write_stored(tmp_path / "again.png", photo, tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as before, Image.open(tmp_path / "again.png") as after:
            assert after.mode == ("RGBA" if options else "RGB")
            assert (np.asarray(before.convert("RGBA")) == np.asarray(after.convert("RGBA"))).all()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_keeps_its_tables_and_subsampling_and_says_that_it_is_coded_again(tmp_path, subsampling, mode):
    smooth = Image.fromarray(random_levels(4, 4, 3)).resize((48, 32), Image.Resampling.BICUBIC).convert(mode)
    smooth.save(tmp_path / "a.jpg", quality=61, subsampling=subsampling, progressive=subsampling == 1, comment=b"mine")
    photo = read_stored(tmp_path / "a.jpg")
    notes = write_stored(tmp_path / "b.jpg", photo, tmp_path / "a.jpg")
    assert notes == ("JPEG keeps no exact pixels: it is coded again, with its own quantization tables and subsampling",)
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert before.quantization == after.quantization
        if mode == "RGB":
            assert [layer[1:3] for layer in before.layer] == [layer[1:3] for layer in after.layer]
        assert (after.mode, after.info.get("progressive"), after.info["comment"]) == (
            mode,
            before.info.get("progressive"),
            b"mine",
        )
        assert np.abs(np.asarray(before, dtype=int) - np.asarray(after)).mean() < 1


def test_chunks_of_a_png_are_copied(tmp_path):
    path = write_photo(tmp_path / "a.png", random_levels(4, 4, 3, np.uint16))
    write_stored(tmp_path / "b.png", read_stored(path), path)
    with Image.open(tmp_path / "b.png") as image:
        image.load()
        assert image.text == {"Comment": "kept"}


def test_a_thumbnail_is_cut_off_and_that_is_said(tmp_path):
    exif = Image.Exif()
    exif[MAKE] = CAMERA
    plain = exif.tobytes()[6:]
    assert without_thumbnail(plain) == (plain, False)
    # The second directory: start and size of a JPEG of eight bytes behind it.
    link = 8 + 2 + 12 * int.from_bytes(plain[8:10], "little" if plain[:2] == b"II" else "big")
    order = "little" if plain[:2] == b"II" else "big"
    entry = [(0x0201, len(plain) + 30), (0x0202, 8)]
    second = (2).to_bytes(2, order) + b"".join(
        tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order) + value.to_bytes(4, order)
        for tag, value in entry
    )
    data = plain[:link] + len(plain).to_bytes(4, order) + plain[link + 4 :] + second + bytes(4) + b"\xff\xd8secret"
    for prefix in (b"", b"Exif\0\0"):
        cleaned, found = without_thumbnail(prefix + data)
        assert found
        assert b"secret" not in cleaned
        assert len(cleaned) == len(prefix + data)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + data)
    photo = read_stored(tmp_path / "a.jpg")
    assert "thumbnail" in photo.notes[0]
    write_stored(tmp_path / "b.jpg", photo, tmp_path / "a.jpg")
    assert b"secret" not in (tmp_path / "b.jpg").read_bytes()
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif()[MAKE] == CAMERA


@pytest.mark.parametrize(
    "damage", [b"", b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\xff\xff\xff\xff", b"no EXIF at all"]
)
def test_damaged_exif_stays_as_it_is(damage):
    assert without_thumbnail(damage) == (damage, False)


def test_what_cannot_be_kept_is_refused_with_what_to_do(tmp_path):
    Image.new("CMYK", (20, 20)).save(tmp_path / "cmyk.jpg")
    Image.new("F", (20, 20)).save(tmp_path / "float.tif")
    Image.new("RGB", (9, 9)).save(tmp_path / "two.gif", save_all=True, append_images=[Image.new("RGB", (9, 9), "red")])
    (tmp_path / "inverted.tif").write_bytes(
        tiff16(random_levels(3, 3, 1, np.uint16)).replace(
            b"\x06\x01\x03\0\x01\0\0\0\x01", b"\x06\x01\x03\0\x01\0\0\0\x00"
        )
    )
    for name, said in (
        ("cmyk.jpg", "save it as RGB"),
        ("float.tif", "8 or 16 bits"),
        ("two.gif", "2 images"),
        ("inverted.tif", "8 or 16 bits"),
        ("none.png", "No such file"),
    ):
        with pytest.raises(ImageError, match=said):
            read_stored(tmp_path / name)


@pytest.mark.parametrize(
    ("suffix", "target", "said"),
    [
        (".png", "a.tif", "written as PNG or PNG|written as"),
        (".png", "a.gif", "ends in .png"),
        (".tif", "a.jpg", "16 bits"),
        (".tif", "a.webp", "16 bits"),
    ],
)
def test_formats_that_cannot_hold_a_photo_are_refused_before_a_file_is_written(tmp_path, suffix, target, said):
    path = write_photo(tmp_path / f"photo{suffix}", random_levels(4, 4, 3, np.uint16))
    with pytest.raises(ImageError, match=said):
        write_stored(tmp_path / target, read_stored(path), path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_transparency_does_not_go_into_jpeg(tmp_path):
    path = write_photo(tmp_path / "a.png", random_levels(4, 4, 4))
    with pytest.raises(ImageError, match="transparency"):
        write_stored(tmp_path / "b.jpg", read_stored(path), path)


def test_files_of_formats_that_are_not_written_become_png(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.bmp")
    Image.new("RGB", (9, 9)).save(tmp_path / "b.jpg", format="PNG")
    Image.new("RGB", (9, 9)).save(tmp_path / "c.jpeg")
    assert [written_suffix(tmp_path / name) for name in ("a.bmp", "b.jpg", "c.jpeg")] == [".png", ".png", ".jpeg"]
