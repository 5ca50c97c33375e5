"""Parts for pickles written by hand, and a stand-in for NVIDIA's persistence that pickles as theirs does."""

import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

HEAD = b"\x80\x04"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    raw = value.to_bytes(max(1, value.bit_length() // 8 + 1), "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def raw(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def dict_of(*items: bytes) -> bytes:
    return b"}(" + b"".join(items) + b"u"


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    return name(module, attribute) + tuple_of(*arguments) + b"R"


def storage_bytes(elements: bytes, count: int, kind: str = "FloatStorage", head: bytes = b"") -> bytes:
    """Return what torch.save writes for one storage, with any number and kind announced."""
    plan = tuple_of(text("storage"), f"ctorch\n{kind}\n".encode(), text("7"), text("cpu"), number(count), b"N")
    parts = [
        number(0x1950A86A20F9469CFC6C),
        number(1001),
        dict_of(text("little_endian"), b"\x88"),
        head or plan + b"Q",
        b"]" + text("7") + b"a",
    ]
    return b"".join(b"\x80\x02" + part + b"." for part in parts) + struct.pack("<q", min(count, 2**63 - 1)) + elements


def storage(elements: bytes, count: int, **options: object) -> bytes:
    return call("torch.storage", "_load_from_bytes", raw(storage_bytes(elements, count, **options)))


def tensor(storage: bytes, size: bytes, stride: bytes, offset: bytes = b"K\x00") -> bytes:
    return call("torch._utils", "_rebuild_tensor_v2", storage, offset, size, stride, b"\x89", b"}")


def record(state: bytes, class_name: str = "Generator") -> bytes:
    meta = dict_of(
        text("type"), text("class"), text("class_name"), text(class_name), text("module_src"), text("raise SystemExit")
    )
    return (
        name("torch_utils.persistence", "_reconstruct_persistent_obj")
        + b"("
        + meta[:-1]
        + text("state")
        + state
        + b"u"
        + b"tR"
    )


class EasyDict(dict):
    pass


def _reconstruct_persistent_obj(meta: dict) -> None:
    raise AssertionError("a reader must not call this")


class Persistent:
    """Pickles as an object of NVIDIA's persistence does."""

    def __init__(self, class_name: str, **state: object) -> None:
        self.meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": class_name}
        self.meta["state"] = {"_parameters": {}, "_buffers": {}, "_modules": {}, "_init_args": (), **state}

    def __reduce__(self) -> tuple[Callable, tuple]:
        return _reconstruct_persistent_obj, (self.meta,)


def foreign_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make NVIDIA's names known to ``pickle.dumps`` while a test runs."""
    for thing, module_name in ((_reconstruct_persistent_obj, "torch_utils.persistence"), (EasyDict, "dnnlib.util")):
        module = ModuleType(module_name)
        setattr(module, thing.__name__, thing)
        monkeypatch.setattr(thing, "__module__", module_name)
        monkeypatch.setitem(sys.modules, module_name, module)
        monkeypatch.setitem(sys.modules, module_name.split(".")[0], ModuleType(module_name.split(".")[0]))


def write(folder: Path, content: object, protocol: int = 4) -> Path:
    """Write bytes as they are, everything else as a pickle."""
    path = folder / "file.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path
