"""Commands on checkpoints of others: state dicts, gray and four-channel generators, files with objects beside them."""

import json
import pathlib
from pathlib import Path

import pytest
import torch

from tests.checkpoints import nvidia_layouts as nvidia
from tests.checkpoints.nvidia_layouts import write
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2


def checkpoint(folder: Path, channels: int) -> Path:
    """Write a state dict beside a path, of a generator with so many channels."""
    tensors = nvidia.stylegan2(small_stylegan2(8))
    for name in [name for name in tensors if name.endswith(("torgb.weight", "torgb.bias"))]:
        tensors[name] = torch.cat([tensors[name], tensors[name]])[:channels]
    return write(folder / "net.pt", {"state": {"g": tensors}, "data": pathlib.PurePosixPath("faces")})


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_commands_take_a_state_dict_of_any_channels(tmp_path: Path, run: Run, channels: int) -> None:
    path = checkpoint(tmp_path, channels)
    told = run("models", "info", path, "--json")
    assert told.code == 0, told.err
    source = json.loads(told.out)["source"]
    assert "conv_clamp 256" in source["assumed"]
    assert source.get("channels", "3").startswith(str(channels))
    assert run("models", "convert", path, tmp_path / "ours.safetensors").code == 0
    drawn = run("sample", path, "--seeds", "0,1", "--out", tmp_path / "theirs")
    assert drawn.code == 0, drawn.err
    assert ("1 of 4 channels are left out" in drawn.err) == (channels == 4)
    again = run("sample", tmp_path / "ours.safetensors", "--seeds", "0,1", "--out", tmp_path / "ours")
    assert again.code == 0, again.err
    for image in (tmp_path / "theirs").rglob("*.png"):
        assert image.read_bytes() == (tmp_path / "ours" / image.relative_to(tmp_path / "theirs")).read_bytes()
    assert list((tmp_path / "theirs").rglob("*.png"))
