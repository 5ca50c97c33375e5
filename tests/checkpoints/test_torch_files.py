"""torch.save's files, in both its formats: what torch writes comes back as torch reads it."""

import argparse
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from ganvas.checkpoints.safe_pickle.byte_windows import ByteWindow
from ganvas.checkpoints.safe_pickle.torch_storage import DTYPES
from ganvas.checkpoints.safe_pickle.trees import describe_tree, read_tree
from ganvas.checkpoints.safe_pickle.zip_directory import read_directory
from ganvas.errors import CheckpointError, UnsafeFileError

OLD = pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])


def write(folder: Path, tree: object, old: bool = False) -> Path:
    path = folder / "file.pt"
    torch.save(tree, path, _use_new_zipfile_serialization=not old)
    return path


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor | np.ndarray):
        assert isinstance(other, torch.Tensor | np.ndarray)
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rosinality.pt", "genforce-stylegan3-t.pth", "biggan-deep-pytorch_model.bin"])
def test_published_files_give_what_torch_reads(shared: Path, tmp_path: Path, name: str) -> None:
    path = shared / "conformance" / name
    expected = torch.load(path, weights_only=True)
    assert same(read_tree(path), expected)
    assert same(read_tree(write(tmp_path, expected, old=True)), expected)


@OLD
def test_every_dtype_comes_back(tmp_path: Path, old: bool) -> None:
    tree = {str(dtype): torch.arange(6).reshape(2, 3).to(dtype) for dtype in DTYPES.values()}
    assert same(read_tree(write(tmp_path, tree, old)), tree)


@OLD
def test_what_training_checkpoints_hold(tmp_path: Path, old: bool) -> None:
    """Modules' state dicts with their metadata, an optimizer with keys of old torch, arguments, numpy's numbers."""
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 2, 4, 4)).sum().backward()
    optimizer.step()
    tree = {
        "g": network.state_dict(),
        "parameter": nn.Parameter(torch.ones(2)),
        "optimizer": optimizer.state_dict(),
        "old": {140_234_567_890_123: {"step": 3}},
        "args": argparse.Namespace(size=64, path="data"),
        "fid": np.float64(2.5),
        "mean": np.arange(40.0).reshape(5, 8),
        "size": torch.Size([1, 2]),
        "device": torch.device("cuda:1"),
        "nothing": None,
    }
    read = read_tree(write(tmp_path, tree, old))
    assert isinstance(read, dict)
    assert same(read["g"], dict(network.state_dict()))
    assert same(read["optimizer"], optimizer.state_dict())
    assert same(read["parameter"], torch.ones(2))
    assert same(read["mean"], tree["mean"])
    told = {name: read[name] for name in ("old", "args", "fid", "size", "device", "nothing")}
    plain = {"args": {}, "fid": 2.5, "size": (1, 2), "device": "cuda", "nothing": None}
    assert told == {"old": tree["old"], **plain}


@OLD
def test_views_of_one_storage_become_tensors_of_their_own(tmp_path: Path, old: bool) -> None:
    base = torch.arange(12.0)
    tree = {"all": base, "turned": base.reshape(3, 4).T, "part": base[5:8], "again": base}
    read = read_tree(write(tmp_path, tree, old))
    assert same(read, tree)
    assert isinstance(read, dict)
    read["part"].fill_(-1)
    read["all"].mul_(2)
    assert same(read["turned"], tree["turned"])
    assert all(tensor.is_contiguous() for tensor in read.values())


@OLD
def test_tensors_of_large_strides_come_back(tmp_path: Path, old: bool) -> None:
    """Those of a wide network's weights, whose product no size would have."""
    storage = torch.arange(64.0)
    tree = {"weight": storage.as_strided((1, 2, 2, 1, 2), (1 << 30, 32, 1, 1 << 20, 8))}
    assert same(read_tree(write(tmp_path, tree, old)), tree)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=PLAIN, old=st.booleans())
def test_plain_data_comes_back(tmp_path: Path, tree: object, old: bool) -> None:
    assert same(read_tree(write(tmp_path, tree, old)), tree)


@OLD
def test_a_cut_file_is_refused(tmp_path: Path, old: bool) -> None:
    path = write(tmp_path, {"a": torch.ones(3), "b": [1, "x"]}, old)
    content = path.read_bytes()
    for length in range(1, len(content), 1 if old else 7):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=str(path)):
            read_tree(path)


@OLD
def test_no_code_of_a_checkpoint_is_run(tmp_path: Path, old: bool) -> None:
    flag = tmp_path / "flag"

    class Hostile:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {flag}",)

    with pytest.raises(UnsafeFileError, match=r"byte \d+: asks for \w+\.system"):
        read_tree(write(tmp_path, {"g_ema": Hostile()}, old))
    assert not flag.exists()


def test_an_archive_directory_gives_the_place_of_each_entry(tmp_path: Path) -> None:
    path = write(tmp_path, OrderedDict(a=torch.arange(4, dtype=torch.uint8)))
    with path.open("rb") as stream:
        entries = read_directory(stream, path.stat().st_size)
        assert isinstance(entries["file/data/0"], ByteWindow)
        assert entries["file/data/0"].take(4) == bytes([0, 1, 2, 3])
        assert "file/data.pkl" in entries


def test_what_a_tree_holds_is_said_in_a_line() -> None:
    deep: object = torch.zeros(1)
    for level in range(50):
        deep = {f"level{level}": deep, "other": {"x": 1}}
    wide = {f"name{index}": {"weight": torch.zeros(1)} for index in range(1000)}
    assert len(describe_tree(deep)) < 500
    assert len(describe_tree(wide)) < 500
    assert describe_tree({}) == "nothing"
    assert describe_tree({"a\x1b[2J": 1}).isprintable()
