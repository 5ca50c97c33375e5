"""Our files: whole or not at all, and every damaged one refused with a reason."""

import importlib.metadata
import json
import struct
from contextlib import suppress

import numpy as np
import pytest
import safetensors
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from ganvas.errors import CheckpointError, ResultFileError
from ganvas.io import tensor_files
from ganvas.io.tensor_files import read_header, read_tensors, write_tensors


def write(path, tensors=None, **header):
    return write_tensors(
        path, "thing", {"a": torch.arange(4.0)} if tensors is None else tensors, header, ResultFileError
    )


def read(path):
    return read_tensors(path, "thing", ResultFileError)


def foreign(path, metadata, tensors=None):
    """Write a safetensors file with any text in the place of our header."""
    save_file(tensors or {"a": torch.zeros(1)}, path, metadata=metadata)
    return path


def raw(path, header: bytes, data: bytes = b"", length: int | None = None):
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]


def test_tensors_come_back_bit_for_bit_with_their_header(tmp_path):
    values = torch.tensor([0.0, -0.0, float("nan"), float("inf"), 1e-40, 1 / 3], dtype=torch.float64)
    tensors = {str(dtype): values.nan_to_num(0).to(dtype) for dtype in DTYPES}
    tensors |= {"odd": values, "none": torch.zeros(0, 3), "scalar": torch.tensor(2.5)}
    header = {"text": "ñ\udc80\n", "list": [1, None, 0.1], "deep": {"a": {"b": True}}, "nan": float("nan")}
    path = write(tmp_path / "x.safetensors", tensors, **header)
    back, told = read(path)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (back[name].dtype, back[name].shape) == (tensor.dtype, tensor.shape)
        assert bytes(back[name].flatten().view(torch.uint8)) == bytes(tensor.flatten().view(torch.uint8))
    assert (told["kind"], told["version"]) == ("thing", 1)
    assert told["made_by"].startswith("ganvas ")
    assert [told[name] for name in ("text", "list", "deep")] == [header[name] for name in ("text", "list", "deep")]
    assert told["nan"] != told["nan"]
    assert read_header(path, ResultFileError).keys() == told.keys()


def test_views_transposes_gradients_and_shared_memory_are_written(tmp_path):
    base = torch.randn(4, 6, requires_grad=True)
    tensors = {"whole": base, "again": base, "turned": base.T, "part": base[1:3], "spread": base[:1].expand(3, 6)}
    back, _ = read(write(tmp_path / "x.safetensors", tensors))
    for name, tensor in tensors.items():
        assert torch.equal(back[name], tensor.detach())


def test_a_result_has_the_permissions_of_an_ordinary_file(tmp_path):
    (tmp_path / "plain").touch()
    path = write(tmp_path / "new" / "x.safetensors")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert [file.name for file in path.parent.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize(
    "fault", [KeyboardInterrupt, OSError(28, "No space left on device"), safetensors.SafetensorError]
)
def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path, monkeypatch, fault):
    path = write(tmp_path / "x.safetensors", number=1)
    old = path.read_bytes()

    def half(tensors, target, metadata):
        target.write_bytes(old[: len(old) // 2])
        raise fault

    monkeypatch.setattr(tensor_files, "save_file", half)
    with pytest.raises(KeyboardInterrupt if fault is KeyboardInterrupt else ResultFileError):
        write(path, number=2)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_where_the_system_refuses_the_given_class_tells(tmp_path):
    (tmp_path / "file").touch()
    for target in (tmp_path, tmp_path / "file" / "x", tmp_path / ("n" * 300)):
        with pytest.raises(CheckpointError, match=r"cannot be written|left alone"):
            write_tensors(target, "thing", {"a": torch.zeros(1)}, {}, CheckpointError)


def test_numbers_of_numpy_and_torch_are_numbers_in_the_header_and_objects_are_refused(tmp_path):
    path = write(tmp_path / "x", seeds=(np.int64(3), torch.tensor(4)), psi=np.float32(0.5))
    assert read_header(path, ResultFileError) | {"seeds": [3, 4], "psi": 0.5} == read_header(path, ResultFileError)
    old = path.read_bytes()
    for wrong in (object(), {1, 2}, np.arange(3), {1: 2, "a": 3}):
        with pytest.raises(ResultFileError, match="its header cannot be written as JSON"):
            write(path, odd=wrong)
    assert path.read_bytes() == old


def test_a_ganvas_that_is_not_installed_writes_too(tmp_path, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert read_header(write(tmp_path / "x"), ResultFileError)["made_by"] == "ganvas, not installed"


def test_other_kinds_and_versions_are_refused(tmp_path):
    path = write(tmp_path / "x")
    with pytest.raises(ResultFileError, match="holds thing, not directions; give a directions file"):
        read_tensors(path, "directions", ResultFileError)
    for version in (2, "1", None, [1]):
        with pytest.raises(ResultFileError, match=r"this Ganvas reads version 1\. Update Ganvas"):
            read(write(tmp_path / "y", version=version))


@pytest.mark.parametrize(
    "text", ["", "x", "[1]", "3", "null", '"a"', "{", "[" * 100_000, "{}" * 2, "1" * 5000, '{"a":' * 50_000]
)
def test_a_header_that_is_no_json_object_is_refused(tmp_path, text):
    for metadata in ({"ganvas": text}, {"other": text}, None):
        with pytest.raises(ResultFileError, match="without a Ganvas header"):
            read(foreign(tmp_path / "x", metadata))


@pytest.mark.parametrize("header", [{}, {"kind": ["thing"]}, {"kind": None}, {"kind": {"a": 1}}])
def test_a_header_without_a_kind_is_refused(tmp_path, header):
    with pytest.raises(ResultFileError, match="not thing"):
        read(foreign(tmp_path / "x", {"ganvas": json.dumps(header)}))


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    good = write(tmp_path / "good").read_bytes()
    files = {
        "empty": b"",
        "short": good[:7],
        "cut": good[:-1],
        "longer": good + b"\0",
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "huge": struct.pack("<Q", 2**63) + good[8:],
        "beyond": struct.pack("<Q", 200 * 2**20) + good[8:],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        said = {"empty": r"is empty \(0 bytes\)", "png": "is a PNG image, not a thing file"}
        with pytest.raises(ResultFileError, match=said.get(name, "not a readable safetensors file")):
            read(tmp_path / name)
    for missing in (tmp_path / "no", tmp_path, tmp_path / "\0", ""):
        with pytest.raises(ResultFileError, match="There is no file"):
            read(missing)
    with pytest.raises(ResultFileError, match="File name too long"):
        read("n" * 5000)


OURS = json.dumps({"kind": "thing", "version": 1})


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]},
        {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "O", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": None, "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F6_E2M3", "shape": [16], "data_offsets": [0, 12]},
        [],
        None,
    ],
)
def test_entries_whose_sizes_are_false_are_refused(tmp_path, entry):
    header = json.dumps({"__metadata__": {"ganvas": OURS}, "a": entry}).encode()
    size = 12 if isinstance(entry, dict) and "F6" in str(entry) else 4
    with pytest.raises(ResultFileError):
        read(raw(tmp_path / "x", header, bytes(size)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_end_in_a_reason_or_in_tensors(tmp_path, data):
    good = bytearray(write(tmp_path / "good", note="a").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "bad").write_bytes(good[: data.draw(st.integers(0, len(good)))] if data.draw(st.booleans()) else good)
    # Damage of the data alone cannot be seen; all other damage must be told.
    with suppress(ResultFileError):
        tensors, header = read(tmp_path / "bad")
        assert header["kind"] == "thing"
        assert all(isinstance(tensor, torch.Tensor) for tensor in tensors.values())
