"""Images: exact values through files, exact areas, and files that mean harm."""

import io
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ganvas.errors import ImageError
from ganvas.images import pixels
from ganvas.images.video import write_animation
from tests.images.samples import exact, noise, smooth


def save(path, image: Image.Image, **options):
    image.save(path, **options)
    return path


def test_bytes_come_back_for_all_256_values():
    values = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(-1, -1, -1, 3).contiguous()
    images = pixels.from_bytes(values)
    assert images.amin() == -1
    assert images.amax() == 1
    assert torch.equal(pixels.to_bytes(images), values)
    assert torch.equal(pixels.to_bytes(images.double()), values)


def test_rounding_is_half_to_even_and_clamped():
    # 127.5 v + 127.5 gives 127.5 for 0, 0.5 for -1 + 1/255 and lies outside for 5 and -5.
    values = torch.tensor([0.0, -1 + 1 / 255, 5.0, -5.0], dtype=torch.float32)
    assert pixels.to_bytes(values.view(1, 1, 2, 2).expand(1, 3, 2, 2))[0, ..., 0].flatten().tolist() == [128, 0, 255, 0]


def test_values_that_are_not_numbers_are_refused():
    images = noise(3, 3, 2, 2)
    images[1, 0, 0, 0] = torch.nan
    with pytest.raises(ImageError, match=r"\[1\]"):
        pixels.to_bytes(images)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".PNG"])
def test_lossless_files_keep_every_value(tmp_path, suffix):
    image = exact(noise(1, 3, 9, 7))
    path = pixels.write_image(tmp_path / "new" / f"image{suffix}", image)
    assert torch.equal(pixels.read_image(path), image)
    assert torch.equal(pixels.read_image(str(path)), image)
    assert list(path.parent.iterdir()) == [path]


def test_jpeg_is_close_and_keeps_color_detail(tmp_path):
    image = smooth(1, 48)
    path = pixels.write_image(tmp_path / "image.jpg", image)
    assert (pixels.read_image(path) - image.clamp(-1, 1)).abs().mean() < 0.02


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(2, 3, 4, 4), r"2 images were given where one is written"),
        (torch.zeros(0, 3, 4, 4), r"\[0, 3, 4, 4\]"),
        (torch.zeros(3, 4, 4), r"float32 of shape \[3, 4, 4\]"),
        (torch.zeros(1, 1, 4, 4), r"\[1, 1, 4, 4\]"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), r"uint8"),
    ],
)
def test_write_image_refuses_all_but_one_float_rgb_image(tmp_path, image, message):
    with pytest.raises(ImageError, match=message):
        pixels.write_image(tmp_path / "image.png", image)
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffix_lists_the_allowed_ones(tmp_path):
    with pytest.raises(ImageError, match=r"'\.tga'; allowed are \.png, \.jpg, \.jpeg, \.webp"):
        pixels.write_image(tmp_path / "image.tga", noise(1, 3, 4, 4))
    with pytest.raises(ImageError, match=r"allowed are \.gif, \.webp, \.mp4"):
        write_animation(tmp_path / "image.mov", noise(2, 3, 4, 4), 0.1)
    assert list(tmp_path.iterdir()) == []


def test_error_for_a_size_beyond_the_format_names_it(tmp_path):
    with pytest.raises(ImageError, match="20000 x 1"):
        pixels.write_image(tmp_path / "wide.webp", torch.zeros(1, 3, 1, 20000))
    assert list(tmp_path.iterdir()) == []


def test_png_bytes_are_a_png_file_and_always_the_same():
    image = exact(noise(1, 3, 5, 6))
    assert torch.equal(pixels.read_image(io.BytesIO(pixels.png_bytes(image))), image)
    assert pixels.png_bytes(image) == pixels.png_bytes(image.clone())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = exact(noise(1, 3, 4, 6))
    # How the sensor must have seen the image for each orientation tag.
    undo = {
        1: lambda p: p,
        2: lambda p: p.flip(3),
        3: lambda p: p.flip(2, 3),
        4: lambda p: p.flip(2),
        5: lambda p: p.mT,
        6: lambda p: p.rot90(1, (2, 3)),
        7: lambda p: p.flip(2, 3).mT,
        8: lambda p: p.rot90(-1, (2, 3)),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(pixels.to_bytes(undo(upright))[0].numpy())
    assert torch.equal(pixels.read_image(save(tmp_path / "turned.png", stored, exif=exif)), upright)


def test_transparency_is_laid_on_white(tmp_path):
    values = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 127]]], dtype=np.uint8)
    image = pixels.read_image(save(tmp_path / "clear.png", Image.fromarray(values)))
    assert pixels.to_bytes(image)[0, 0].tolist() == [[255, 0, 0], [255, 255, 255], [128, 128, 128]]


def test_transparent_palette_color_is_white_and_the_first_frame_is_taken(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    path = save(tmp_path / "palette.gif", image, transparency=0, save_all=True, append_images=[Image.new("P", (2, 1))])
    assert pixels.to_bytes(pixels.read_image(path))[0, 0].tolist() == [[255, 255, 255], [200, 100, 50]]


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "LA", "RGB"])
def test_every_pillow_mode_becomes_rgb(tmp_path, mode):
    path = save(tmp_path / ("image.tiff" if mode == "CMYK" else "image.png"), Image.new(mode, (3, 2)))
    image = pixels.read_image(path)
    assert image.shape == (1, 3, 2, 3)
    # All zero is black, but no ink and no opacity are white.
    assert pixels.to_bytes(image).unique().tolist() == [255 if mode in ("CMYK", "LA") else 0]


def test_sixteen_bit_gray_keeps_its_depth(tmp_path):
    values = np.array([[0, 1, 32768, 65535]], dtype=np.uint16)
    image = pixels.read_image(save(tmp_path / "deep.png", Image.fromarray(values)))
    assert torch.equal(image[0, 0], image[0, 2])
    assert ((image[0, 0] + 1) * 32767.5).round().flatten().tolist() == values.flatten().tolist()


def test_gray_of_unknown_white_is_refused(tmp_path):
    path = save(tmp_path / "measured.tiff", Image.fromarray(np.array([[0.25, 3.5]], dtype=np.float32)))
    with pytest.raises(ImageError, match=r"measured\.tiff.*not 16-bit"):
        pixels.read_image(path)


def test_errors_for_missing_and_damaged_files_name_them(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        pixels.read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="Is a directory"):
        pixels.read_image(tmp_path)
    whole = pixels.png_bytes(noise(1, 3, 32, 32))
    for name, content in {"text": b"hello", "half": whole[: len(whole) // 2], "head": whole[:20]}.items():
        (tmp_path / f"{name}.png").write_bytes(content)
        said = "it is text, not an image" if name == "text" else "damaged"
        with pytest.raises(ImageError, match=rf"{name}\.png'.*{said}"):
            pixels.read_image(tmp_path / f"{name}.png")


@pytest.mark.parametrize("file", ["empty.png", "empty.jpg"])
def test_empty_files_are_called_empty(tmp_path, file):
    (tmp_path / file).write_bytes(b"")
    for source in (tmp_path / file, io.BytesIO()):
        with pytest.raises(ImageError, match="empty"):
            pixels.read_image(source)


@settings(max_examples=60)
@given(st.data())
def test_damaged_bytes_give_an_image_error_or_an_image(data):
    content = bytearray(SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = pixels.read_image(io.BytesIO(bytes(content)))
    except ImageError:
        return
    assert image.isfinite().all()


def sample_file(format: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.to_bytes(smooth(1, 12))[0].numpy()).save(buffer, format=format)
    return buffer.getvalue()


SAMPLES = {format: sample_file(format) for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")}


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_decompression_bombs_are_not_unpacked(tmp_path, side):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    content = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(ImageError, match="megapixels"):
        pixels.read_image(tmp_path / "bomb.png")


def test_formats_that_start_programs_are_not_opened(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(ImageError, match="it is PostScript, a program, not an image: it is not run"):
        pixels.read_image(path)


def frames_of(path) -> list[np.ndarray]:
    with Image.open(path) as image:
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.array(image.convert("RGB")))
        return frames


@pytest.mark.parametrize(("suffix", "error"), [(".gif", 0.07), (".webp", 0.03)])
def test_animations_keep_frames_times_and_loop(tmp_path, suffix, error):
    frames = smooth(5, 40).clamp(-1, 1)
    path = write_animation(tmp_path / "new" / f"move{suffix}", frames, 0.08)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        image.seek(1)
        image.load()
        assert image.info["duration"] == 80
    read = pixels.from_bytes(torch.from_numpy(np.stack(frames_of(path))))
    assert read.shape == frames.shape
    assert (read - frames).abs().mean() < error
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_may_play_once(tmp_path, suffix):
    path = write_animation(tmp_path / f"move{suffix}", smooth(2, 16), 0.1, loop=False)
    with Image.open(path) as image:
        assert image.info.get("loop", 1) == 1


def test_gif_does_not_flicker_where_nothing_moves(tmp_path):
    frames = smooth(1, 48).repeat(6, 1, 1, 1)
    frames[:, :, :20, :20] = smooth(6, 20, seed=1)
    read = np.stack(frames_of(write_animation(tmp_path / "move.gif", frames, 0.05)))
    still = np.ones((48, 48), dtype=bool)
    still[:20, :20] = False
    assert (read[:, still] == read[:1, still]).all()


def test_gif_dither_keeps_the_mean_of_a_slow_gradient(tmp_path):
    # A palette alone would make steps; the mean over each 8 x 8 block of the pattern must follow the gradient.
    ramp = torch.linspace(-0.2, 0.2, 64).view(1, 1, 1, 64).expand(1, 3, 64, 64)
    colorful = torch.cat([ramp, noise(3, 3, 64, 64)])
    first = frames_of(write_animation(tmp_path / "move.gif", colorful, 0.05))[0]
    error = pixels.from_bytes(torch.from_numpy(first)[None]) - ramp
    assert pixels.resize(error, 8, 8).abs().mean() < 0.04


@pytest.mark.parametrize("seconds", [0.0, 0.004, float("nan"), -1.0])
def test_times_that_browsers_do_not_keep_are_refused(tmp_path, seconds):
    with pytest.raises(ImageError, match=r"0\.02 to 60"):
        write_animation(tmp_path / "move.gif", smooth(2, 8), seconds)


def test_an_animation_without_frames_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"shape \[0, 3, 4, 4\]"):
        write_animation(tmp_path / "move.webp", torch.zeros(0, 3, 4, 4), 0.1)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_whole_factors_are_exact_area_means(height, width, down, right):
    images = noise(2, 3, height * down, width * right).double()
    expected = images.view(2, 3, height, down, width, right).mean((3, 5))
    torch.testing.assert_close(pixels.resize(images, height, width), expected)


@pytest.mark.parametrize("size", [(7, 5), (3, 11), (15, 14), (10, 10), (5, 2)])
def test_resize_keeps_constants_and_gradients(size):
    constant = pixels.resize(torch.full((1, 3, 10, 10), 0.3), *size)
    torch.testing.assert_close(constant, torch.full((1, 3, *size), 0.3))
    images = noise(1, 1, 10, 10).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: pixels.resize(p, *size), images)


def test_resize_agrees_with_pillow():
    values = pixels.to_bytes(smooth(1, 60))
    for size, method in (((20, 23), Image.Resampling.BILINEAR), ((90, 80), Image.Resampling.BICUBIC)):
        expected = np.array(Image.fromarray(values[0].numpy()).resize(size[::-1], method)).astype(int)
        ours = pixels.to_bytes(pixels.resize(pixels.from_bytes(values), *size))[0].numpy().astype(int)
        assert abs(ours - expected).max() <= 1


def test_shrinking_never_leaves_the_range():
    images = noise(1, 3, 17, 17).sign()
    assert pixels.resize(images, 5, 9).abs().amax() <= 1 + 1e-6


# torch's own transforms still load a module that warns of torch.jit.script.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
@pytest.mark.parametrize("size", [(4, 4), (5, 3), (16, 9)])
def test_resize_is_linear_under_jvp_and_vmap(size):
    images, tangents = noise(1, 3, 8, 8).double(), noise(4, 1, 3, 8, 8, seed=1).double()

    def push(tangent):
        return torch.func.jvp(lambda p: pixels.resize(p, *size), (images,), (tangent,))[1]

    # Resizing is linear, so its derivative is itself.
    expected = torch.stack([pixels.resize(tangent, *size) for tangent in tangents])
    torch.testing.assert_close(torch.func.vmap(push)(tangents), expected)


def test_resize_refuses_no_pixels():
    with pytest.raises(ImageError, match="0 x 3"):
        pixels.resize(noise(1, 3, 4, 4), 3, 0)


def test_enlarge_keeps_smooth_images():
    ramp = torch.linspace(-1, 1, 16).view(1, 1, 1, 16).expand(1, 3, 16, 16)
    large = pixels.enlarge(ramp, 4)
    assert large.shape == (1, 3, 64, 64)
    torch.testing.assert_close(pixels.resize(large, 16, 16)[..., 2:-2], ramp[..., 2:-2], atol=1e-4, rtol=0)


def test_luma_of_grays_is_the_gray_and_of_colors_the_weight():
    torch.testing.assert_close(pixels.luma(torch.full((2, 3, 2, 2), 0.4)), torch.full((2, 1, 2, 2), 0.4))
    green = torch.tensor([-1.0, 1.0, -1.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(pixels.luma(green).flatten(), torch.tensor([2 * 0.7152 - 1]))
