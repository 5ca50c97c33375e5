"""A session as JSON: the codes that it began with and every drag as it was done, enough to do it again to the same
image. Also files of points. Everything that is read may be hostile: it is data, of bounded size, checked before use.

Numbers are written so that float32 comes back bit for bit. A mask's pixels are 8-bit, packed, in base64.
"""

import base64
import binascii
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.drag.masks import LEVELS, settled
from ganvas.drag.sampling import Plane
from ganvas.drag.session import METHODS, SETTINGS, Done, Order, Session
from ganvas.drag.state import CANCELED, MOST_POINTS, Point, Subject, Task, code_space_of
from ganvas.errors import GanvasError, ResultFileError
from ganvas.generators.codes import check_space
from ganvas.generators.protocol import Generator, Noise, about_of, feature_extent
from ganvas.io.files import atomic_path
from ganvas.regions import Region

KIND, VERSION = "drag", 1
MOST_BYTES = 64 * 2**20
MOST_DRAGS = 1000
LARGEST_MASK = 4096  # pixels a side


@dataclass(frozen=True)
class Trace:
    """What a trace file holds: codes [1, *code] of ``code_space`` at the start, by what they were dragged, and the
    orders. ``own_weights`` says that the image has noise maps or tuned weights that are in its latent file only.
    """

    generator: str
    generator_hash: str
    space: str
    rows: tuple[int, ...]
    feature: str
    label: int | None
    truncation: float
    own_weights: bool
    codes: Tensor
    orders: tuple[Order, ...]

    @property
    def code_space(self) -> str:
        """The space that the codes themselves are written in: z or w+."""
        return code_space_of(self.space)

    def open(self, generator: Generator, noise: Noise = "const") -> Session:
        """Return the session before its first drag; raises `GanvasError` where the generator is another kind, warns
        where it is another one of the same kind.
        """
        check_space(self.space, generator.spaces)
        expected = generator.dimensions(self.code_space)
        if tuple(self.codes.shape[1:]) != expected:
            raise ResultFileError(
                f"This drag was done on a generator of another shape ({self.generator or 'unnamed'}): its codes have "
                f"shape {list(self.codes.shape[1:])}, this generator wants {list(expected)}."
            )
        if self.feature not in generator.feature_names or any(row >= generator.layers for row in self.rows):
            raise ResultFileError(
                f"This drag followed the map '{self.feature}' and layers {list(self.rows)}; this generator has "
                f"{', '.join(generator.feature_names)} and {generator.layers} layers."
            )
        about_of(generator).warn_of_another(
            "This drag was done on", self.generator, self.generator_hash, "it may end elsewhere"
        )
        plane = Plane(generator.resolution, feature_extent(generator, self.feature))
        subject = Subject(generator, self.space, self.rows, self.feature, plane, self.label, self.truncation, noise)
        return Session(subject, self.codes.to(generator.device))

    def replay(self, generator: Generator, noise: Noise = "const") -> Session:
        """Do all drags again."""
        session = self.open(generator, noise)
        for order in self.orders:
            session = session.drag(order)
        return session


def write_trace(path: str | Path, session: Session, own_weights: bool = False) -> Path:
    """Write a session as JSON, whole or not at all; returns the path. A drag that was canceled before its first step
    is left out: it did nothing, and no order asks for that.
    """
    subject = session.subject
    about = about_of(subject.generator)
    label = subject.label[0] if isinstance(subject.label, Sequence) and len(subject.label) == 1 else subject.label
    if not (label is None or isinstance(label, int)):
        raise ResultFileError("A trace keeps a class by its number; drag with a number as label.")
    content = {
        "kind": KIND,
        "version": VERSION,
        "generator": about.name,
        "generator_hash": about.hash,
        "space": subject.space,
        "rows": list(subject.rows),
        "feature": subject.feature,
        "label": label,
        "truncation": subject.truncation,
        "own_weights": own_weights,
        "codes": session.start.float().cpu().tolist(),
        "drags": [
            _drag_as_json(done, subject.plane.resolution)
            for done in session.done
            if done.steps > 0 or done.reason != CANCELED
        ],
    }
    with atomic_path(path, ResultFileError) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False) + "\n", "utf-8")
    return Path(path)


def _drag_as_json(done: Done, resolution: int) -> dict[str, Any]:
    order, region = done.order, settled(done.order.task.movable, resolution)
    packed = None
    if region is not None and region.has_mask:
        values = (region.mask(resolution, resolution) * LEVELS).round().to(torch.uint8)
        packed = base64.b64encode(zlib.compress(values.numpy().tobytes())).decode()
    return {
        "method": order.method,
        "steps": done.steps if done.reason == CANCELED else order.steps,
        "settings": asdict(done.settings),
        "handles": order.task.handles,
        "targets": order.task.targets,
        "movable": None if region is None or packed else region.describe(),
        "mask": None if packed is None else {"size": resolution, "pixels": packed},
        "result": {"reason": done.reason, "steps": done.steps, "path": done.path, "places": done.places},
    }


def read_trace(path: str | Path) -> Trace:
    """Read what `write_trace` wrote; raises `ResultFileError` with the reason for anything else."""
    content = _read_json(path)
    return _checked(path, lambda: _trace(content), "a whole trace of drags; ganvas drag writes one as trace.json")


def read_points(path: str | Path) -> tuple[tuple[Point, Point], ...]:
    """Read handles and targets from JSON: ``[{"handle": [x, y], "target": [x, y]}, ...]``, in fractions.

    Raises `ResultFileError` for anything else.
    """
    content = _read_json(path)
    form = 'a list of points; write [{"handle": [0.4, 0.6], "target": [0.4, 0.5]}]'
    return _checked(path, lambda: _pairs(content), form)


def _read_json(path: str | Path) -> Any:
    try:
        if not Path(path).is_file():
            raise ResultFileError(f"There is no file '{path}'; check the name.")
        with Path(path).open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ResultFileError(f"'{path}' is larger than {MOST_BYTES // 2**20} MiB; it is no file of drags.")
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except OSError as reason:
        raise ResultFileError(f"'{path}' cannot be read: {reason.strerror or reason}.") from reason
    except (ValueError, RecursionError) as reason:
        raise ResultFileError(f"'{path}' is not JSON ({str(reason)[:80]}).") from reason


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _checked(path: str | Path, make: Callable[[], Any], wanted: str) -> Any:
    """Return what `make` makes; whatever it finds wrong is told as a fault of the file."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RuntimeError, GanvasError) as reason:
        told = f"it lacks {reason}" if isinstance(reason, KeyError) else str(reason)[:160]
        raise ResultFileError(f"'{path}' is not {wanted} ({told}).") from reason


def _trace(content: Any) -> Trace:
    if not isinstance(content, Mapping) or content.get("kind") != KIND:
        raise ValueError("it is of another kind")
    if content.get("version") != VERSION:
        raise ValueError(f"it is of version {content.get('version')!r:.20}, and this Ganvas reads {VERSION}")
    drags, label = content["drags"], content["label"]
    if not isinstance(drags, list) or len(drags) > MOST_DRAGS:
        raise ValueError(f"its drags are no list of at most {MOST_DRAGS}")
    codes = torch.tensor(content["codes"], dtype=torch.float32)
    if codes.ndim not in (2, 3) or len(codes) != 1 or not codes.isfinite().all():
        raise ValueError("its codes are not those of one image")
    return Trace(
        str(content["generator"]),
        str(content["generator_hash"]),
        str(content["space"]),
        tuple(_whole(row, 0, 10_000) for row in content["rows"]),
        str(content["feature"]),
        None if label is None else _whole(label, 0, 2**31),
        _number(content["truncation"]),
        content["own_weights"] is True,
        codes,
        tuple(_order(drag) for drag in drags),
    )


def _order(drag: Mapping[str, Any]) -> Order:
    method = str(drag["method"])
    if method not in METHODS:
        raise ValueError(f"there is no way to drag called '{method[:40]}'")
    whole = {field.name for field in fields(SETTINGS[method]) if field.type is int}
    changes = tuple(
        (str(name), _whole(value, 1, 10**6) if name in whole else _number(value))
        for name, value in dict(drag["settings"]).items()
    )
    pairs = _pairs([{"handle": h, "target": t} for h, t in zip(drag["handles"], drag["targets"], strict=True)])
    task = Task(tuple(handle for handle, _ in pairs), tuple(target for _, target in pairs), _region(drag))
    return Order(task, method, _whole(drag["steps"], 1, 10**6), changes)


def _region(drag: Mapping[str, Any]) -> Region | None:
    if drag["mask"] is None:
        return None if drag["movable"] is None else Region.from_description(drag["movable"])
    size = _whole(drag["mask"]["size"], 1, LARGEST_MASK)
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


def _pairs(content: Any) -> tuple[tuple[Point, Point], ...]:
    if not isinstance(content, list) or not 1 <= len(content) <= MOST_POINTS:
        raise ValueError(f"it holds no list of 1 to {MOST_POINTS} points")
    return tuple((_point(one["handle"]), _point(one["target"])) for one in content)


def _point(value: Any) -> Point:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("a point is a list of two numbers")
    return _number(value[0]), _number(value[1])


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.40} is no number")
    return float(value)


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r:.40} is no whole number from {least} to {most}")
    return value
