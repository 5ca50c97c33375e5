"""The record of a study in its folder, by which it is continued or refused, and JSON written atomically."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.errors import GanvasError
from ganvas.io.files import atomic_path


def claim_folder(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of a study into its folder; raises `GanvasError` where it holds another or a damaged one."""
    path = folder / "study.json"
    if not path.is_file():
        write_json(path, record)
        return
    try:
        held = json.loads(path.read_text("utf-8"))
    except ValueError as reason:
        raise GanvasError(
            f"'{path}' is damaged ({str(reason)[:80]}), so that the study in its folder is unknown; give "
            "another folder with --out."
        ) from reason
    if held != record:
        other = [name for name in record if not isinstance(held, dict) or held.get(name) != record[name]]
        raise GanvasError(
            f"'{folder}' holds a study with other settings, regions or generator (here: {', '.join(other)}); give "
            "another folder with --out."
        )


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: tuples become lists, what is not finite becomes text."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
