"""Traces and files of points: written and read, replays of the same image, and hostile files."""

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
from ganvas.drag.freedrag import FreeDragSettings
from ganvas.drag.request_json import read_points
from ganvas.drag.session import open_drag
from ganvas.drag.state import CANCELED
from ganvas.drag.trace import read_trace, write_trace
from ganvas.errors import GanvasError, LatentError, ResultFileError
from ganvas.generators.protocol import About
from ganvas.latents.latent import Latent
from tests.generators.small import small_stylegan2

POINTS = [((0.4, 0.4), (0.6, 0.45))]
MASK = ganvas.Region.from_mask(torch.rand(9, 9, generator=torch.Generator().manual_seed(0)).clamp(min=0.6))


@pytest.fixture(scope="module")
def generator():
    return small_stylegan2(32)


@pytest.fixture(scope="module")
def session(generator):
    begun = open_drag(generator, Latent(generator.sample([3]), "z", truncation=0.7), layers="1-3")
    begun = begun.drag(POINTS, movable=MASK, steps=4)
    reverse = [(target, handle) for handle, target in POINTS]
    begun = begun.drag(reverse, FreeDragSettings(scale=0.2), ganvas.Region.box(0.2, 0.2, 0.8, 0.8), 7)
    begun = begun.drag(POINTS, FreeDragSettings(compat="official"), steps=2)
    answers = iter([False, False, False, True])
    return begun.drag(POINTS, FreeDragSettings(recovery=False), steps=50, canceled=lambda: next(answers))


@pytest.mark.slow
def test_replay_gives_the_same_image_bit_for_bit(generator, session, tmp_path: Path):
    trace = read_trace(write_trace(tmp_path / "trace.json", session))
    again = trace.replay(generator)
    assert torch.equal(again.codes, session.codes)
    assert torch.equal(again.image(), session.image())
    assert [one.path for one in again.drags] == [one.path for one in session.drags]
    assert [one.settings for one in again.drags] == [one.settings for one in session.drags]
    assert session.drags[-1].reason == CANCELED
    assert again.drags[-1].steps == session.drags[-1].steps == 3
    assert trace.layers == (1, 2, 3)


def test_drag_canceled_before_its_first_step_is_not_in_the_trace(generator, session, tmp_path: Path):
    stopped = session.drag(POINTS, canceled=lambda: True)
    assert (stopped.drags[-1].reason, stopped.drags[-1].steps) == (CANCELED, 0)
    trace = read_trace(write_trace(tmp_path / "trace.json", stopped))
    assert len(trace.requests) == len(session.drags)
    assert torch.equal(trace.replay(generator).codes, stopped.codes)


def test_trace_of_another_generator_of_the_same_shape_warns(session, tmp_path: Path):
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


def test_replay_in_z_with_a_class_gives_the_same_codes(tmp_path: Path):
    generator = small_stylegan2(16, label_dim=3)
    latent = Latent(generator.sample([1]), "z", label=2, truncation=0.6)
    session = open_drag(generator, latent, space="z").drag(POINTS, steps=3)
    trace = read_trace(write_trace(tmp_path / "trace.json", session))
    assert (trace.label, trace.truncation, trace.space) == (2, 0.6, "z")
    assert torch.equal(trace.replay(generator).codes, session.codes)


def test_trace_of_an_image_with_its_own_noise_asks_for_its_latent_file(tmp_path: Path):
    generator = small_stylegan2(16)
    noise = {name: torch.randn_like(values) for name, values in generator.own_noise().items()}
    latent = Latent(generator.sample([1]), "z", noise=noise)
    session = open_drag(generator, latent).drag(POINTS, steps=3)
    trace = read_trace(write_trace(tmp_path / "trace.json", session))
    assert trace.own_weights
    with pytest.raises(LatentError, match="noise maps or weights of its own"):
        trace.replay(generator)
    assert torch.equal(trace.replay(generator, session.latent).image(), session.image())


def test_trace_of_a_generator_of_another_shape_is_refused(session, tmp_path: Path):
    trace = read_trace(write_trace(tmp_path / "trace.json", session))
    for other, message in (
        (small_stylegan2(64), "another shape"),
        (small_stylegan2(32, width=7), "another shape"),
        (ganvas.wrap(torch.nn.Unflatten(1, (3, 2, 2)).eval(), z_dim=12), "does not exist here"),
    ):
        with pytest.raises(GanvasError, match=message):
            trace.replay(other)


def corrupted(content: dict[str, Any], *path: Any, value: Any) -> dict[str, Any]:
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
    (("version",), 1),
    (("codes",), "none"),
    (("codes",), [[1.0, [2.0]]]),
    (("codes",), [[[1e400]]]),
    (("codes",), []),
    (("layers",), [-1]),
    (("layers",), [1.5]),
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
    (("drags", 0, "settings", "rate"), None),
    (("drags", 1, "settings", "compat"), "__import__"),
    (("drags", 0, "points"), []),
    (("drags", 0, "points"), [[0.5, 0.5]] * 3),
    (("drags", 0, "points"), [{"handle": [0.5, 7.0], "target": [0.5, 0.5]}]),
    (("drags", 0, "points"), [{"handle": [0.5], "target": [0.5, 0.5]}]),
    (("drags", 0, "mask"), {"size": 32, "pixels": "!!"}),
    (("drags", 0, "mask"), {"size": 32, "pixels": base64.b64encode(b"junk").decode()}),
    (("drags", 0, "mask"), {"size": 10**6, "pixels": ""}),
    (("drags", 0, "mask"), BOMB),
    (("drags", 1, "movable"), {"kind": "sphere"}),
    (("drags", 1, "movable"), {"kind": "mask"}),
]


@pytest.mark.parametrize(("path", "value"), HARM, ids=[f"{i}-{path[-1]}" for i, (path, _) in enumerate(HARM)])
def test_hostile_trace_is_refused_with_the_name_of_the_file(session, tmp_path: Path, path: tuple, value: Any):
    content = json.loads(write_trace(tmp_path / "trace.json", session).read_text("utf-8"))
    file = tmp_path / "harm.json"
    file.write_text(json.dumps(corrupted(content, *path, value=value)).replace("Infinity", "1e999"), "utf-8")
    with pytest.raises(ResultFileError, match=r"harm\.json") as raised:
        read_trace(file)
    assert len(str(raised.value)) < 400


def test_unknown_setting_in_a_trace_is_named_with_the_known_ones(session, tmp_path: Path):
    content = json.loads(write_trace(tmp_path / "trace.json", session).read_text("utf-8"))
    file = tmp_path / "harm.json"
    file.write_text(json.dumps(corrupted(content, "drags", 0, "settings", "speed", value=2.0)), "utf-8")
    with pytest.raises(ResultFileError, match="draggan has no setting 'speed'; it has rate, mask_weight, radius"):
        read_trace(file)


@pytest.mark.parametrize(
    "text",
    ["", "[", "null", "[]", "NaN", '{"kind": NaN}', "[" * 100_000, "\x00", '{"a": 1' * 3, "1" * 5000],
    ids=["empty", "open", "null", "list", "nan", "inner nan", "deep", "zero", "words", "digits"],
)
def test_files_that_are_no_json_or_no_traces_are_refused(tmp_path: Path, text: str):
    file = tmp_path / "harm.json"
    file.write_text(text, "utf-8")
    for read in (read_trace, read_points):
        with pytest.raises(ResultFileError, match=r"harm\.json"):
            read(file)


def test_binary_files_folders_and_missing_files_are_refused(tmp_path: Path):
    file = tmp_path / "harm.json"
    file.write_bytes(b"\xff\xfe\x00junk")
    for path in (file, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ResultFileError):
            read_trace(path)


def test_points_are_read_from_a_file_and_damaged_ones_refused(tmp_path: Path):
    file = tmp_path / "points.json"
    file.write_text('[{"handle": [0.4, 0.6], "target": [0.4, 0.5]}, {"handle": [0, 1], "target": [1, 0]}]', "utf-8")
    assert read_points(file) == (((0.4, 0.6), (0.4, 0.5)), ((0.0, 1.0), (1.0, 0.0)))
    for harm in ('[{"handle": [0.4, 0.6]}]', '[{"handle": [0.4], "target": [1, 2]}]', "[[1, 2]]", '[{"handle": "ab"}]'):
        file.write_text(harm, "utf-8")
        with pytest.raises(ResultFileError, match="a list of points; write"):
            read_points(file)
