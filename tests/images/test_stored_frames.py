"""Frames on disk come back as they went in, in any order; of any number no more than a few are in memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.errors import ImageError
from ganvas.images.stored_frames import StoredFrames
from ganvas.images.video import write_animation, write_frames


def test_frames_come_back_and_play_there_and_back(tmp_path):
    frames = torch.randint(0, 256, (4, 5, 6, 3), dtype=torch.uint8)
    with StoredFrames(tmp_path) as video:
        video.append(frames[:3])
        video.append(frames[3:])
        assert len(video) == 4
        assert all((video[index] == frames[index].numpy()).all() for index in (2, 0, 3, 1))
        reel = video.there_and_back()
        assert [int(np.abs(reel[i] - frames[j].numpy()).sum()) for i, j in enumerate((0, 1, 2, 3, 2, 1))] == [0] * 6
        with pytest.raises(ImageError, match="one size"):
            video.append(frames[:, :4])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_batches_make_the_same_animation_as_one_tensor(tmp_path, suffix):
    frames = torch.rand(5, 3, 12, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = write_animation(tmp_path / f"whole{suffix}", frames, 0.1)
    batches = write_animation(tmp_path / f"batches{suffix}", iter(frames.split(2)), 0.1)
    assert whole.read_bytes() == batches.read_bytes()


def test_still_frames_keep_their_time(tmp_path):
    with StoredFrames() as video:
        video.append(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
        path = write_frames(tmp_path / "still.gif", video.played([0, 0, 0]), 0.5)
    with Image.open(path) as image:
        assert image.n_frames == 3
        image.seek(2)
        assert image.info["duration"] == 500


MEASURED = """
import resource, sys, torch
from ganvas.images.video import write_animation
suffix, count = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
ramp = torch.linspace(-1, 1, 512).expand(1, 3, 512, 512)
write_animation(sys.argv[3] + "/video" + suffix, (ramp.roll(i, 3) for i in range(count)), 0.05)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, suffix):
    """150 more frames of 512 pixels would be 450 MiB as floats and 115 as bytes."""
    if suffix == ".mp4":
        pytest.importorskip("av", reason="needs the extra video")
    command = [sys.executable, "-c", MEASURED, suffix]
    short, long = (
        float(subprocess.run([*command, str(count), str(tmp_path)], capture_output=True, check=True).stdout)
        for count in (30, 180)
    )
    assert long - short < 40, (short, long)
