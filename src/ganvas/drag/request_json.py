"""What is asked of a drag, as JSON: written exactly, and read with every value checked.

Numbers are written so that float32 comes back bit for bit. A mask's pixels are 8-bit, packed, in base64.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganvas.drag.masks import LEVELS, stored_mask
from ganvas.drag.methods import METHODS, settings_of
from ganvas.drag.request import MAX_PAIRS, DragRequest, Point, PointPair
from ganvas.drag.settings import DragSettings
from ganvas.io.json_files import made_of, number, read_json, whole
from ganvas.regions import Region

TEXTS = {"compat": (None, "official"), "supervision": ("current", "start", "gated")}  # settings that are no numbers
MAX_MASK = 4096  # pixels a side


def read_points(path: str | Path) -> tuple[PointPair, ...]:
    """Read handles and targets from JSON: ``[{"handle": [x, y], "target": [x, y]}, ...]``, in fractions.

    Raises `ResultFileError` for anything else.
    """
    content = read_json(path)
    form = 'a list of points; write [{"handle": [0.4, 0.6], "target": [0.4, 0.5]}]'
    return made_of(path, lambda: pairs(content), form)


def request_as_json(request: DragRequest, resolution: int = 0) -> dict[str, Any]:
    """Return what is asked of a drag as JSON values, a mask at the `resolution` of the image."""
    region, packed = stored_mask(request.movable, resolution), None
    if region is not None and region.has_mask:
        values = (region.mask(resolution, resolution) * LEVELS).round().to(torch.uint8)
        packed = base64.b64encode(zlib.compress(values.numpy().tobytes())).decode()
    return {
        "method": request.method.method,
        "steps": request.steps,
        "settings": {name: value for name, value in asdict(request.method).items() if value is not None},
        "points": [{"handle": handle, "target": target} for handle, target in request.points],
        "movable": None if region is None or packed else region.describe(),
        "mask": None if packed is None else {"size": resolution, "pixels": packed},
    }


def request_of(drag: Mapping[str, Any]) -> DragRequest:
    """Return what was asked of a drag; raises KeyError, TypeError, ValueError or `GanvasError` for what cannot be."""
    settings = _settings(str(drag["method"]), dict(drag["settings"]))
    return DragRequest(pairs(drag["points"]), settings, _region(drag), whole(drag["steps"], 1, 10**6))


def _settings(method: str, values: Mapping[str, Any]) -> DragSettings:
    """Return a method's settings from a file: each value of the kind that the setting has."""
    kinds = (
        {field.name: getattr(field.type, "__origin__", field.type) for field in fields(METHODS[method])}
        if method in METHODS
        else {}
    )
    read: dict[str, Any] = {}
    for name, value in values.items():
        if value in TEXTS.get(name, ()):
            read[name] = value
        elif kinds.get(name) is bool:
            read[name] = value is True
        else:
            read[name] = whole(value, 1, 10**6) if kinds.get(name) is int else number(value)
    return settings_of(method, **read)


def _region(drag: Mapping[str, Any]) -> Region | None:
    if drag["mask"] is None:
        return None if drag["movable"] is None else Region.from_description(drag["movable"])
    size = whole(drag["mask"]["size"], 1, MAX_MASK)
    try:
        packed = base64.b64decode(drag["mask"]["pixels"], validate=True)
        reader = zlib.decompressobj()
        pixels = reader.decompress(packed, size * size + 1)
    except (binascii.Error, zlib.error) as reason:
        raise ValueError(f"its mask cannot be unpacked: {reason}") from reason
    if len(pixels) != size * size:
        raise ValueError(f"its mask does not have {size} x {size} pixels")
    values = np.frombuffer(pixels, dtype=np.uint8).astype(np.float32).reshape(size, size)
    return Region.from_mask(torch.from_numpy(values) / LEVELS)


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
