"""Our file format: safetensors whose metadata has one key ``ganvas`` with JSON (kind, version, what made it). Holds no
code, runs none.
"""

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.files import atomic_path

KEY = "ganvas"


def write_tensors(
    path: str | Path, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any], error: type[GanvasError]
) -> Path:
    """Write `tensors` with `header` as JSON, whole or not at all; returns the path. Raises `error` where the system
    refuses.
    """
    made_by = f"ganvas {importlib.metadata.version('ganvas')}"
    text = json.dumps({"kind": kind, "version": 1, "made_by": made_by, **header}, sort_keys=True)
    with atomic_path(path, error) as temporary:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            temporary,
            metadata={KEY: text},
        )
    return Path(path)


def read_header(path: str | Path, error: type[GanvasError]) -> dict[str, Any]:
    """Return the JSON header of one of our files; raises `error` where it is none."""
    with _opened(path, error) as file:
        return _header_of(file, path, error)


def read_tensors(path: str | Path, kind: str, error: type[GanvasError]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and header of a file of ours of this `kind`; raises `error` with the reason where it is none."""
    with _opened(path, error) as file:
        header = _header_of(file, path, error)
        if header.get("kind") != kind:
            raise error(f"'{path}' holds {header.get('kind')}, not {kind}; give a {kind} file.")
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 (not a dict)


def _opened(path: str | Path, error: type[GanvasError]):
    if not Path(path).is_file():
        raise error(f"There is no file '{path}'; check the name.")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as reason:
        raise error(
            f"'{path}' is not a readable safetensors file ({reason}); it may be cut short or of another format."
        ) from reason


def _header_of(file: Any, path: str | Path, error: type[GanvasError]) -> dict[str, Any]:
    try:
        header = json.loads((file.metadata() or {})[KEY])
    except (KeyError, ValueError):
        header = None
    if not isinstance(header, dict):
        raise error(f"'{path}' is a safetensors file without a Ganvas header; it was not written by Ganvas.")
    return header
