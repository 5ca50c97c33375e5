"""JSON that any reader takes: written whole or not at all, without the numbers that JSON lacks."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganvas.errors import GanvasError
from ganvas.io.files import atomic_path


def as_null(number: float) -> None:
    """Return None, which JSON writes as null, for a number that JSON lacks."""


def plain(value: Any, not_finite: Callable[[float], Any] = as_null) -> Any:
    """Return a value as JSON knows it: tuples become lists, paths and names become text, nan and the infinities what
    `not_finite` makes of them.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(part, not_finite) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part, not_finite) for part in value]
    if isinstance(value, Path):
        return str(value)
    return not_finite(value) if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, content: Any, error: type[GanvasError] = GanvasError) -> Path:
    """Write `content` as JSON, whole or not at all; returns the path. Raises `error` where it cannot be written."""
    with atomic_path(path, error) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return path
