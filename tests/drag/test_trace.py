"""Traces and files of points: there and back, the same image again, and files that are out to do harm."""

import base64
import copy
import json
import warnings
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

import ganvas
from ganvas.drag.session import Order, open_session
from ganvas.drag.state import CANCELED, Task
from ganvas.drag.trace import read_points, read_trace, write_trace
from ganvas.errors import GanvasError, ResultFileError
from ganvas.generators.protocol import About
from tests.generators.small import small_stylegan2

POINTS = Task(((0.4, 0.4),), ((0.6, 0.45),))
MASK = ganvas.Region.from_mask(torch.rand(9, 9, generator=torch.Generator().manual_seed(0)).clamp(min=0.6))


@pytest.fixture(scope="module")
def generator():
    return small_stylegan2(32)


@pytest.fixture(scope="module")
def session(generator):
    codes = generator.map(generator.sample([3]), truncation=0.7)
    begun = open_session(generator, codes, layers="1-3")
    masked = Task(POINTS.handles, POINTS.targets, MASK)
    boxed = Task(POINTS.targets, POINTS.handles, ganvas.Region.box(0.2, 0.2, 0.8, 0.8))
    begun = begun.drag(Order(masked, "draggan", 4)).drag(Order(boxed, "freedrag", 7, (("scale", 0.2),)))
    asked = iter([False, False, False, True])
    return begun.drag(Order(POINTS, "freedrag", 50), lambda: next(asked))


def test_a_replay_gives_the_same_image_bit_for_bit(generator, session, tmp_path: Path):
    trace = read_trace(write_trace(tmp_path / "trace.json", session))
    again = trace.replay(generator)
    assert torch.equal(again.codes, session.codes)
    assert torch.equal(generator.synthesize(again.codes, "w+"), generator.synthesize(session.codes, "w+"))
    assert [done.path for done in again.done] == [done.path for done in session.done]
    assert session.done[-1].reason == CANCELED
    assert again.done[-1].steps == session.done[-1].steps == 3
    assert trace.rows == (1, 2, 3)


def test_what_was_canceled_before_its_first_step_is_not_in_the_trace(generator, session, tmp_path: Path):
    stopped = session.drag(Order(POINTS, "freedrag", 50), lambda: True)
    assert (stopped.done[-1].reason, stopped.done[-1].steps) == (CANCELED, 0)
    trace = read_trace(write_trace(tmp_path / "trace.json", stopped))
    assert len(trace.orders) == len(session.done)
    assert torch.equal(trace.replay(generator).codes, stopped.codes)


def test_another_generator_of_the_same_kind_is_a_warning(session, tmp_path: Path):
    content = json.loads(write_trace(tmp_path / "trace.json", session).read_text("utf-8"))
    (tmp_path / "other.json").write_text(json.dumps(content | {"generator_hash": "a" * 64, "generator": "cats"}))
    other = read_trace(tmp_path / "other.json")
    generator: Any = small_stylegan2(32)
    generator.about = About("dogs", "b" * 64)
    with pytest.warns(UserWarning, match=r"another generator \(cats, hash a{12}; this one is b{12}\)"):
        other.open(generator)
    generator.about = About("cats", "a" * 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other.open(generator)


def test_a_replay_in_z_with_a_class(tmp_path: Path):
    generator = small_stylegan2(16, label_dim=3)
    begun = open_session(generator, generator.sample([1]), "z", label=2, truncation=0.6)
    session = begun.drag(Order(POINTS, "draggan", 3))
    trace = read_trace(write_trace(tmp_path / "trace.json", session))
    assert (trace.label, trace.truncation, trace.space) == (2, 0.6, "z")
    assert torch.equal(trace.replay(generator).codes, session.codes)


def test_a_trace_of_another_generator_is_refused(session, tmp_path: Path):
    trace = read_trace(write_trace(tmp_path / "trace.json", session))
    for other, told in (
        (small_stylegan2(64), "another shape"),
        (small_stylegan2(32, width=7), "another shape"),
        (ganvas.wrap(torch.nn.Unflatten(1, (3, 2, 2)).eval(), z_dim=12), "does not exist here"),
    ):
        with pytest.raises(GanvasError, match=told):
            trace.replay(other)


def spoilt(content: dict[str, Any], *path: Any, value: Any) -> dict[str, Any]:
    """Return a copy with one value changed; with `...` as value, without it."""
    whole = copy.deepcopy(content)
    part = whole
    for key in path[:-1]:
        part = part[key]
    if value is ...:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return whole


BOMB = {"size": 4096, "pixels": base64.b64encode(zlib.compress(bytes(50_000_000))).decode()}
HARM = [
    (("kind",), "latent"),
    (("version",), 2),
    (("codes",), "none"),
    (("codes",), [[1.0, [2.0]]]),
    (("codes",), [[[1e400]]]),
    (("codes",), []),
    (("rows",), [-1]),
    (("rows",), [1.5]),
    (("label",), "goldfish"),
    (("truncation",), "much"),
    (("truncation",), ...),
    (("drags",), {}),
    (("drags",), [{}] * 2000),
    (("drags", 0, "method"), "../pull"),
    (("drags", 0, "steps"), 10**9),
    (("drags", 0, "steps"), True),
    (("drags", 0, "settings"), {"rate": 1.0, "__class__": 1.0}),
    (("drags", 0, "settings", "radius"), "3"),
    (("drags", 0, "settings", "patience"), 1.5),
    (("drags", 0, "handles"), [[0.5, 0.5]] * 3),
    (("drags", 0, "handles"), [[0.5, 7.0]]),
    (("drags", 0, "handles"), [[0.5]]),
    (("drags", 0, "mask"), {"size": 32, "pixels": "!!"}),
    (("drags", 0, "mask"), {"size": 32, "pixels": base64.b64encode(b"junk").decode()}),
    (("drags", 0, "mask"), {"size": 10**6, "pixels": ""}),
    (("drags", 0, "mask"), BOMB),
    (("drags", 1, "movable"), {"kind": "sphere"}),
    (("drags", 1, "movable"), {"kind": "mask"}),
]


@pytest.mark.parametrize(("path", "value"), HARM, ids=[f"{i}-{path[-1]}" for i, (path, _) in enumerate(HARM)])
def test_harmful_traces(session, tmp_path: Path, path: tuple, value: Any):
    content = json.loads(write_trace(tmp_path / "trace.json", session).read_text("utf-8"))
    file = tmp_path / "harm.json"
    file.write_text(json.dumps(spoilt(content, *path, value=value)).replace("Infinity", "1e999"), "utf-8")
    with pytest.raises(ResultFileError, match=r"harm\.json") as told:
        read_trace(file)
    assert len(str(told.value)) < 400


def test_a_setting_that_there_is_not_is_told_with_those_that_there_are(session, tmp_path: Path):
    content = json.loads(write_trace(tmp_path / "trace.json", session).read_text("utf-8"))
    file = tmp_path / "harm.json"
    file.write_text(json.dumps(spoilt(content, "drags", 0, "settings", "speed", value=2.0)), "utf-8")
    with pytest.raises(ResultFileError, match="draggan has no setting 'speed'; it has rate, mask_weight, arrived"):
        read_trace(file)


@pytest.mark.parametrize(
    "text",
    ["", "[", "null", "[]", "NaN", '{"kind": NaN}', "[" * 100_000, "\x00", '{"a": 1' * 3, "1" * 5000],
    ids=["empty", "open", "null", "list", "nan", "inner nan", "deep", "zero", "words", "digits"],
)
def test_files_that_are_no_traces(tmp_path: Path, text: str):
    file = tmp_path / "harm.json"
    file.write_text(text, "utf-8")
    for read in (read_trace, read_points):
        with pytest.raises(ResultFileError, match=r"harm\.json"):
            read(file)


def test_bytes_that_are_no_text_and_files_that_are_none(tmp_path: Path):
    file = tmp_path / "harm.json"
    file.write_bytes(b"\xff\xfe\x00junk")
    for path in (file, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ResultFileError):
            read_trace(path)


def test_points_from_a_file(tmp_path: Path):
    file = tmp_path / "points.json"
    file.write_text('[{"handle": [0.4, 0.6], "target": [0.4, 0.5]}, {"handle": [0, 1], "target": [1, 0]}]', "utf-8")
    assert read_points(file) == (((0.4, 0.6), (0.4, 0.5)), ((0.0, 1.0), (1.0, 0.0)))
    for harm in ('[{"handle": [0.4, 0.6]}]', '[{"handle": [0.4], "target": [1, 2]}]', "[[1, 2]]", '[{"handle": "ab"}]'):
        file.write_text(harm, "utf-8")
        with pytest.raises(ResultFileError, match="a list of points; write"):
            read_points(file)
