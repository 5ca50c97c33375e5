"""Our file format: safetensors whose metadata has one key ``ganvas`` with JSON (kind, version, what made it). Holds no
code, runs none.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.io.file_kinds import CUT_SAFETENSORS, SAFETENSORS, wrong_kind
from ganvas.io.files import atomic_path

KEY = "ganvas"
VERSION = 1
LONGEST_REASON = 200  # characters


def write_tensors(
    path: str | Path, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any], error: type[GanvasError]
) -> Path:
    """Write `tensors` with `header` as JSON, whole or not at all; returns the path.

    Raises `error` where the system refuses, or where the header cannot be written as JSON.
    """
    try:
        about = {"kind": kind, "version": VERSION, "made_by": _made_by(), **header}
        text = json.dumps(about, sort_keys=True, default=_plain)
    except (TypeError, ValueError, RecursionError) as reason:
        raise error(f"'{path}' is not written: its header cannot be written as JSON ({reason}).") from reason
    with atomic_path(path, error) as temporary:
        # Made here first for the permissions of an ordinary file; safetensors would give them to its owner alone.
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            save_file(dict(_apart(tensors)), temporary, metadata={KEY: text})
        except SafetensorError as refusal:
            raise error(f"'{path}' cannot be written ({refusal}); choose another place.") from refusal
        temporary.chmod(mode)
    return Path(path)


def _made_by() -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return f"ganvas {importlib.metadata.version('ganvas')}"
    return "ganvas, not installed"


def _plain(value: Any) -> Any:
    """Return numbers of numpy and torch as Python's, for JSON."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__}: {value!r:.40}")


def _apart(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors as safetensors takes them: on the CPU, contiguous, no two in the same memory."""
    taken = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        yield name, plain.clone() if place in taken else plain
        taken.add(place)


def is_ours(path: str | Path) -> bool:
    """Return whether a file is safetensors with a Ganvas header; False where there is no file."""
    try:
        if Path(path).is_file():
            with safe_open(path, framework="pt") as file:
                return KEY in (file.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        pass  # reading it will raise what is wrong
    return False


def read_header(path: str | Path, error: type[GanvasError]) -> dict[str, Any]:
    """Return the JSON header of one of our files; raises `error` where it is none."""
    with _opened(path, "a file of Ganvas", error) as file:
        return _header_of(file, path, error)


def read_tensors(path: str | Path, kind: str, error: type[GanvasError]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and header of a file of ours of this `kind`; raises `error` with the reason where it is none."""
    with _opened(path, f"a {kind} file", error) as file:
        header = _header_of(file, path, error)
        if header.get("kind") != kind:
            hint = "load it with ganvas.load" if header.get("kind") == "generator" else f"give a {kind} file"
            raise error(f"'{path}' holds {header.get('kind')}, not {kind}; {hint}.")
        if header.get("version") != VERSION:
            raise error(
                f"'{path}' is of version {header.get('version')} of this format; this Ganvas reads version {VERSION}. "
                "Update Ganvas."
            )
        try:
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 (not a dict)
        except (SafetensorError, ValueError, TypeError, AttributeError) as reason:
            raise error(f"'{path}' holds a tensor of a dtype that this PyTorch does not know ({reason}).") from reason


def _opened(path: str | Path, wanted: str, error: type[GanvasError]) -> Any:
    try:
        if not Path(path).is_file():
            raise error(f"There is no file '{path}'; check the name.")
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as reason:
        raise error(
            wrong_kind(path, wanted, SAFETENSORS, CUT_SAFETENSORS)
            or f"'{path}' is not a readable safetensors file ({_short(reason)}); it may be cut short or of another "
            f"format.{header_place(Path(path))}"
        ) from reason


def header_place(path: Path) -> str:
    """Return a sentence on where a safetensors file has its header, which the library's errors leave out; "" for a
    file too short to have one.
    """
    with suppress(OSError), path.open("rb") as stream:
        head, size = stream.read(8), path.stat().st_size
        announced = int.from_bytes(head, "little")
        if len(head) == 8 and announced > size - 8:
            return f" Byte 0 announces a header of {announced} bytes, and the file has {size}."
        if len(head) == 8:
            return f" The header lies from byte 8 to byte {announced + 8}, the tensors after it."
    return ""


def _short(reason: Exception) -> str:
    """Return an error's message, shortened: it may quote a name of any length from the file."""
    said = str(reason)
    return said if len(said) <= LONGEST_REASON else f"{said[:LONGEST_REASON]}..."


def _header_of(file: Any, path: str | Path, error: type[GanvasError]) -> dict[str, Any]:
    try:
        header = json.loads((file.metadata() or {})[KEY])
    except (KeyError, ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise error(f"'{path}' is a safetensors file without a Ganvas header; it was not written by Ganvas.")
    return header


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return sha256 over sorted (name, shape, bytes as stored), in hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {list(tensors[name].shape)} ".encode())
        digest.update(tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
