"""JSON that somebody else may have written: read with a limit of size, each value checked; and files of points."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganvas.drag.request import MAX_PAIRS, Point, PointPair
from ganvas.errors import GanvasError, ResultFileError
from ganvas.io.file_kinds import TEXT, wrong_kind

MAX_BYTES = 64 * 2**20


def read_points(path: str | Path) -> tuple[PointPair, ...]:
    """Read handles and targets from JSON: ``[{"handle": [x, y], "target": [x, y]}, ...]``, in fractions.

    Raises `ResultFileError` for anything else.
    """
    content = read_json(path)
    form = 'a list of points; write [{"handle": [0.4, 0.6], "target": [0.4, 0.5]}]'
    return checked(path, lambda: pairs(content), form)


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds; raises `ResultFileError` for one that is too large, or not JSON."""
    try:
        if not Path(path).is_file():
            raise ResultFileError(f"There is no file '{path}'; check the name.")
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ResultFileError(f"'{path}' is larger than {MAX_BYTES // 2**20} MiB; it is no file of drags.")
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except OSError as reason:
        raise ResultFileError(f"'{path}' cannot be read: {reason.strerror or reason}.") from reason
    except (ValueError, RecursionError) as reason:
        said = wrong_kind(path, "JSON", TEXT) or f"'{path}' is not JSON ({str(reason)[:80]})."
        raise ResultFileError(said) from reason


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def checked(path: str | Path, make: Callable[[], Any], wanted: str) -> Any:
    """Return what `make` makes; whatever it finds wrong becomes a `ResultFileError` about the file."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RuntimeError, GanvasError) as reason:
        cause = f"it lacks {reason}" if isinstance(reason, KeyError) else str(reason)[:160]
        raise ResultFileError(f"'{path}' is not {wanted} ({cause}).") from reason


def pairs(content: Any) -> tuple[PointPair, ...]:
    """Return handles and targets from a list of objects; raises ValueError, KeyError or TypeError for anything else."""
    if not isinstance(content, list) or not 1 <= len(content) <= MAX_PAIRS:
        raise ValueError(f"it holds no list of 1 to {MAX_PAIRS} points")
    return tuple((point(one["handle"]), point(one["target"])) for one in content)


def point(value: Any) -> Point:
    """Return a point from a list of two numbers."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("a point is a list of two numbers")
    return number(value[0]), number(value[1])


def number(value: Any) -> float:
    """Return a finite number as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.40} is no number")
    return float(value)


def whole(value: Any, least: int, most: int) -> int:
    """Return a whole number within limits."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r:.40} is no whole number from {least} to {most}")
    return value
