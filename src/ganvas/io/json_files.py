"""JSON that any reader takes: written whole or not at all, without the numbers that JSON lacks; and JSON that somebody
else may have written: read with a limit of size, each value checked.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganvas.errors import GanvasError, ResultFileError
from ganvas.io.file_kinds import TEXT, wrong_kind
from ganvas.io.files import atomic_path

MAX_BYTES = 64 * 2**20


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


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds; raises `ResultFileError` for one that is too large, or not JSON."""
    try:
        if not Path(path).is_file():
            raise ResultFileError(f"There is no file '{path}'; check the name.")
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ResultFileError(f"'{path}' is larger than {MAX_BYTES // 2**20} MiB; it is no file of Ganvas.")
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except OSError as reason:
        raise ResultFileError(f"'{path}' cannot be read: {reason.strerror or reason}.") from reason
    except (ValueError, RecursionError) as reason:
        said = wrong_kind(path, "JSON", TEXT) or f"'{path}' is not JSON ({str(reason)[:80]})."
        raise ResultFileError(said) from reason


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def made_of(path: str | Path, make: Callable[[], Any], wanted: str) -> Any:
    """Return what `make` makes of the file's content; whatever it finds wrong becomes a `ResultFileError` about the
    file, which is not what was `wanted`.
    """
    try:
        return make()
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RuntimeError, GanvasError) as reason:
        cause = f"it lacks {reason}" if isinstance(reason, KeyError) else str(reason)[:160]
        raise ResultFileError(f"'{path}' is not {wanted} ({cause}).") from reason


def number(value: Any) -> float:
    """Return a finite number as a float; raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.40} is no number")
    return float(value)


def whole(value: Any, least: int, most: int) -> int:
    """Return a whole number within limits; raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r:.40} is no whole number from {least} to {most}")
    return value
