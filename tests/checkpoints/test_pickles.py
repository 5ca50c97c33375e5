import math
import os
import pickle
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganvas.checkpoints.safe_pickle.modules import module_tensors
from ganvas.checkpoints.safe_pickle.pickles import read_pickle
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.errors import CheckpointError
from tests.checkpoints.pickle_parts import EasyDict, Persistent, foreign_modules, storage_bytes, write

FILES = [
    *(f"conformance/stylegan2{kind}.pkl" for kind in ("", "-conditional", "-resnet", "-orig")),
    "conformance/stylegan3-t.pkl",
    "conformance/stylegan3-r.pkl",
    "models/faces-64.pkl",
]


class TrustingUnpickler(pickle.Unpickler):
    """The slow second opinion, for files that the tests trust: Python's own unpickler and torch's own functions."""

    OURS: ClassVar = {"_reconstruct_persistent_obj": lambda meta: meta, "EasyDict": EasyDict}

    def find_class(self, module: str, name: str) -> object:
        return self.OURS[name] if name in self.OURS else super().find_class(module, name)


def state_dict(meta: dict, prefix: str = "") -> dict:
    state = meta["state"]
    tensors = {**state["_parameters"], **state["_buffers"]}
    own = {prefix + name: value for name, value in tensors.items() if value is not None}
    for name, module in state["_modules"].items():
        own |= state_dict(module, f"{prefix}{name}.")
    return own


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_published_files_give_the_tensors_that_torch_reads(shared: Path, name: str):
    ours = read_pickle(shared / name)
    with warnings.catch_warnings(), (shared / name).open("rb") as stream:
        warnings.simplefilter("ignore")
        theirs = TrustingUnpickler(stream).load()
    assert list(ours) == list(theirs)
    for part in ("G", "D", "G_ema"):
        tensors, expected = module_tensors(ours[part]), state_dict(theirs[part])
        assert set(tensors) == set(expected)
        assert all(torch.equal(tensors[key], value) for key, value in expected.items())
        assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in tensors.values())
        assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors.values())
        assert ours[part].class_name == theirs[part]["class_name"]
        assert ours[part].init_kwargs == theirs[part]["state"]["_init_kwargs"]
        assert ours[part].init_args == theirs[part]["state"]["_init_args"]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_kind_of_data_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int):
    foreign_modules(monkeypatch)
    grid = torch.arange(24.0).reshape(2, 3, 4)
    layer = Persistent("Layer", _parameters={"weight": torch.nn.Parameter(grid), "bias": None}, size=np.array([3, 4]))
    generator = Persistent(
        "Generator",
        _init_args=(64,),
        _init_kwargs=EasyDict(z_dim=64, mapping_kwargs={"num_layers": 2}),
        _buffers={"w_avg": grid[1, :, 1:], "scratch": grid.half()},
        _non_persistent_buffers_set={"scratch"},
        _modules={"b4": layer, "none": None},
        _hooks=OrderedDict(),
        gain=np.float64(1 / 3),
    )
    tree = read_pickle(write(tmp_path, {"G": generator, "G_ema": generator, "progress": None}, protocol))
    record = tree["G_ema"]
    assert record is tree["G"]
    assert isinstance(record, PersistentRecord)
    assert (record.class_name, record.init_args) == ("Generator", (64,))
    assert record.init_kwargs == {"z_dim": 64, "mapping_kwargs": {"num_layers": 2}}
    assert type(record.init_kwargs) is type(record.state["_hooks"]) is dict
    assert record.state["gain"] == 1 / 3
    assert "module_src" not in record.state
    assert np.array_equal(record.state["_modules"]["b4"].state["size"], [3, 4])
    tensors = module_tensors(record)
    assert list(tensors) == ["w_avg", "b4.weight"]
    assert torch.equal(tensors["w_avg"], grid[1, :, 1:])
    assert tensors["w_avg"].is_contiguous()


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_tensors_of_every_dtype_come_back(tmp_path: Path, dtype: str, protocol: int):
    values = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    for tensor in (values, values.T, values[:, 1:], values[0, 0], values[:0], torch.empty(0, dtype=values.dtype)):
        read = read_pickle(write(tmp_path, tensor, protocol))
        assert read.dtype == tensor.dtype
        assert torch.equal(read, tensor)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8", "u1", "u4", "b1"])
def test_arrays_and_numbers_of_numpy_come_back(tmp_path: Path, dtype: str, protocol: int):
    for shape in ((), (0, 3), (5,), (2, 3), (40, 50)):
        array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
        for stored in (array, array.copy(order="F")):
            read = read_pickle(write(tmp_path, stored, protocol))
            assert read.dtype == array.dtype
            assert np.array_equal(read, array)
    number = np.ones((), dtype)[()]
    assert read_pickle(write(tmp_path, number, protocol)) == number.item()


def test_tensors_of_one_storage_are_independent(tmp_path: Path):
    base = torch.arange(6.0)
    first, second, third = read_pickle(write(tmp_path, [base, base.view(2, 3), base[3:]]))
    first.zero_()
    assert torch.equal(second, base.view(2, 3))
    assert torch.equal(third, base[3:])


def test_bool_tensors_hold_only_zeros_and_ones(tmp_path: Path):
    broken = torch.tensor([True, False, True])
    content = pickle.dumps(broken).replace(b"\x01\x00\x01", b"\x02\x00\xff")
    assert read_pickle(write(tmp_path, content)).view(torch.uint8).tolist() == [1, 0, 1]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=64),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=9) | st.integers(0, 2000), inner, max_size=4)
        | st.sets(st.text(max_size=9), max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=PLAIN, protocol=st.sampled_from([3, 4, 5]))
def test_plain_data_comes_back_as_it_was(tmp_path: Path, tree: object, protocol: int):
    assert read_pickle(write(tmp_path, [tree], protocol)) == [tree]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\n <!DOCTYPE html><html><body>Quota exceeded", "a web page, not a generator: the download probably failed"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n", "git lfs pull"),
        (b"PK\x03\x04" + bytes(50), "a zip archive, not a generator"),
        (storage_bytes(bytes(4), 1), "a checkpoint of torch.save in its old format, not a generator"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"a":{}}', "not a pickle but a file of safetensors"),
        (b"\x1f\x8b\x08" + bytes(50), "gzip"),
        (b'{"message": "Not Found"}', "this is text, not a generator"),
        (b"\x80\x63}.", "protocol 99"),
    ],
)
def test_other_kinds_of_files_are_told_apart(tmp_path: Path, content: bytes, told: str):
    path = write(tmp_path, content)
    with pytest.raises(CheckpointError) as caught:
        read_pickle(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path, told in ((tmp_path / "none.pkl", "no such file"), (tmp_path, "folder"), (tmp_path / "pipe", "regular")):
        with pytest.raises(CheckpointError, match=told):
            read_pickle(path)
    for path in (Path("a\0b"), tmp_path / ("x" * 300)):
        with pytest.raises(CheckpointError):
            read_pickle(path)


@pytest.mark.slow
def test_a_cut_download_is_told_by_its_length(tmp_path: Path):
    content = pickle.dumps({"G": torch.zeros(100), "name": "x" * 300}, 4)
    assert len(read_pickle(write(tmp_path, content))) == 2
    for length in range(1, len(content)):
        with pytest.raises(CheckpointError, match=f"the file's {length}: the download was probably cut short"):
            read_pickle(write(tmp_path, content[:length]))


def module(**state: object) -> PersistentRecord:
    return PersistentRecord("Net", (), {}, {"_parameters": {}, "_buffers": {}, "_modules": {}, **state})


def looping() -> PersistentRecord:
    record = module()
    record.state["_modules"]["again"] = record
    return record


def deep() -> PersistentRecord:
    record = module()
    for _ in range(5000):
        record = module(_modules={"m": record})
    return record


ONE = torch.zeros(1)
SHARED = module(_parameters={"weight": ONE})


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (looping(), "two places"),
        (deep(), "unfit name"),
        (module(_modules={"a": SHARED, "b": SHARED}), "two places"),
        (module(_parameters={"weight": ONE}, _buffers={"weight": ONE}), "Two tensors have the name weight"),
        (module(_parameters={"weight": [1.0]}), "a list where weight, a Tensor"),
        (module(_modules={"b4": {}}), "a dict where b4, a PersistentRecord"),
        (module(_parameters={"b4.weight": ONE}), "unfit name b4.weight"),
        (module(_parameters={"": ONE}), "unfit name"),
        (module(_parameters={3: ONE}), "unfit name 3"),
        (module(_parameters={f"p{index}": ONE for index in range(9)}), "many names"),
        (module(_buffers=None), "no _buffers"),
        (PersistentRecord("Net\x1b[2J", (), {}, {}), "no _parameters"),
    ],
)
def test_modules_that_are_none_are_refused(record: PersistentRecord, told: str):
    with pytest.raises(CheckpointError) as caught:
        module_tensors(record)
    assert told in str(caught.value)
    assert str(caught.value).isprintable()
