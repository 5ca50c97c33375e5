"""Videos: even sides, and MP4 where the extra is there; GIF and WebP are tested with the images."""

import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganvas.errors import ImageError
from ganvas.images import pixels
from ganvas.images.video import even_sides, write_animation


@given(st.integers(1, 7), st.integers(1, 7))
def test_sides_become_even_and_the_image_stays(height: int, width: int):
    frame = np.random.RandomState(0).randint(0, 256, (height, width, 3)).astype(np.uint8)
    even = even_sides(frame)
    assert even.shape[0] % 2 == even.shape[1] % 2 == 0
    assert (even[:height, :width] == frame).all()
    assert (even[-1, -1] == frame[-1, -1]).all()


def test_error_without_the_extra_names_it_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match=r'pip install "ganvas\[video\]"'):
        write_animation(tmp_path / "move.mp4", torch.zeros(2, 3, 8, 8), 0.1)
    assert list(tmp_path.iterdir()) == []


def test_mp4_keeps_frames_and_their_time(tmp_path):
    av = pytest.importorskip("av", reason="needs the extra video")
    levels = torch.linspace(-0.8, 0.8, 5).view(5, 1, 1, 1)
    path = write_animation(tmp_path / "move.mp4", levels.expand(5, 3, 33, 47).contiguous(), 0.08)
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(12.5)
        frames = torch.stack([torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in video.decode(stream)])
    assert frames.shape == (5, 34, 48, 3)
    assert (pixels.from_bytes(frames).mean((1, 2, 3)) - levels.flatten()).abs().max() < 0.03
