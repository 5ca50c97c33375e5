"""PNG of 16 bits a channel: read back by a second implementation, PyAV, and by Pillow, which keeps 8."""

import struct
import zlib

import numpy as np
import pytest
import torch

import ganvas
from ganvas.errors import ImageError
from ganvas.images import pixels
from ganvas.images.png import encode_png


def decoded(data: bytes) -> np.ndarray:
    """Decode a file of `encode_png` by the formulas of the specification, byte by byte."""
    width, height, depth, color = struct.unpack(">IIBB", data[16:26])
    assert (depth, color) == (16, 2)
    start = data.index(b"IDAT")
    length = struct.unpack(">I", data[start - 4 : start])[0]
    rows = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + length]), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 1).all()
    values = rows[:, 1:].reshape(height, width, 6).astype(int).cumsum(1) % 256
    return values[..., 0::2] * 256 + values[..., 1::2]


def test_all_levels_of_16_bits_come_back():
    levels = np.random.RandomState(0).randint(0, 65536, (5, 7, 3))
    assert (decoded(encode_png(levels.astype(np.uint16))) == levels).all()


def test_image_of_16_bits_is_exact_to_half_a_level_and_its_upper_byte_is_what_pillow_reads(tmp_path):
    image = torch.rand(1, 3, 6, 9, generator=torch.Generator().manual_seed(0)) * 2.2 - 1.1
    path = ganvas.write_image(tmp_path / "deep.png", image, bits=16)
    levels = torch.from_numpy(decoded(path.read_bytes())).movedim(2, 0)[None]
    assert ((levels / 32767.5 - 1) - image.clamp(-1, 1)).abs().max() <= 0.5 / 32767.5 + 1e-7
    read = pixels.to_bytes(ganvas.read_image(path)).movedim(3, 1)
    assert (read.int() - levels // 256).abs().max() <= 1


def test_another_reader_finds_the_same_levels(tmp_path):
    av = pytest.importorskip("av", reason="needs the extra video")
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    path = ganvas.write_image(tmp_path / "deep.png", image, bits=16)
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0)).to_ndarray(format="rgb48be")
    assert (frame.astype(int) == decoded(path.read_bytes())).all()


def test_other_formats_do_not_hold_16_bits(tmp_path):
    with pytest.raises(ImageError, match=r"write \.png for 16"):
        ganvas.write_image(tmp_path / "a.jpg", torch.zeros(1, 3, 2, 2), bits=16)
    with pytest.raises(ImageError, match="nan"):
        ganvas.write_image(tmp_path / "a.png", torch.full((1, 3, 2, 2), torch.nan), bits=16)
    assert list(tmp_path.iterdir()) == []
