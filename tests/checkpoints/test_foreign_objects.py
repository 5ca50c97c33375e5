"""Objects of unknown classes beside the weights: inert records of what the file says, never called, never imported."""

import collections
import pathlib
import pickle
import sys
import types
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.checkpoints.safe_pickle.foreign import ForeignRecord, OddKey
from ganvas.checkpoints.safe_pickle.trees import describe_tree, read_tree
from ganvas.errors import CheckpointError, UnsafeFileError
from tests.checkpoints import nvidia_layouts as nvidia
from tests.checkpoints.foreign_objects import Color, History, Judge, objects
from tests.checkpoints.nvidia_layouts import EasyDict, as_module, somebodys, write
from tests.checkpoints.pickle_parts import HEAD, call, dict_of, name, raw, text, tuple_of
from tests.generators.small import small_stylegan2

pytestmark = pytest.mark.usefixtures("one_thread")
FORMS = pytest.mark.parametrize("form", ["zip", "old", "pickle"])


@FORMS
def test_weights_are_read_beside_objects_of_any_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    generator, beside = small_stylegan2(8), objects()
    if form != "old":  # which stores the source of classes
        somebodys(monkeypatch, EasyDict, History, Judge, Color)
    tree = {"before": beside, "g_ema": nvidia.stylegan2(generator), "after": beside}
    path = write(tmp_path / "network.pt", tree, form)
    read, z = ganvas.load(path), generator.sample([0])
    torch.testing.assert_close(read.synthesize(z, "z"), generator.synthesize(z, "z"), rtol=0, atol=1e-5)


@FORMS
@pytest.mark.parametrize("kind", objects())
def test_every_object_becomes_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, form: str) -> None:
    """Its class is not imported: somebody's modules cannot be, and no other one is."""
    beside = objects()[kind]
    if form != "old":
        somebodys(monkeypatch, EasyDict, History, Judge, Color)
    path = write(tmp_path / "file.pt", [beside], form)
    monkeypatch.undo()
    before = set(sys.modules)
    (read,) = read_tree(path)
    assert set(sys.modules) == before
    assert type(read).__module__.split(".")[0] in ("builtins", "ganvas", "torch", "numpy")
    assert len(repr(read)) < 3000
    assert describe_tree([read]).isprintable()


def test_a_record_says_what_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    somebodys(monkeypatch, EasyDict, History)
    history = History([1, "a"])
    history.best = 3
    tree = [pathlib.PurePosixPath("a/b"), EasyDict(lr=0.1), history, collections.Counter("aab"), {(1, 2): 3}]
    path, settings, items, counter, odd = read_tree(write(tmp_path / "file.pt", tree))
    assert all(isinstance(record, ForeignRecord) for record in (path, settings, items, counter))
    assert str(path.kind).endswith("PurePosixPath")
    assert path.arguments == ("a", "b")
    assert settings.entries == settings.named == {"lr": 0.1}
    assert (items.class_name, items.items, items.state) == ("History", [1, "a"], {"best": 3})
    assert counter.arguments == ({"a": 2, "b": 1},)
    ((key, value),) = odd.items()
    assert isinstance(key, OddKey)
    assert (key.value, value) == ((1, 2), 3)


def test_a_kind_of_dictionary_may_hold_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = small_stylegan2(8)
    somebodys(monkeypatch, EasyDict, nvidia.Net)
    z = generator.sample([0])
    nested = EasyDict(nets=EasyDict(ema=nvidia.stylegan2(generator)), step=3)
    trainer = types.SimpleNamespace(networks=[as_module(nvidia.stylegan2(generator))])
    for tree in (nested, {"a": nested}, trainer, collections.defaultdict(dict, g=nvidia.stylegan2(generator))):
        read = ganvas.load(write(tmp_path / "network.pt", tree))
        torch.testing.assert_close(read.synthesize(z, "z"), generator.synthesize(z, "z"), rtol=0, atol=1e-5)


def test_a_strange_discriminator_does_not_matter_but_a_strange_generator_does(tmp_path: Path) -> None:
    generator = small_stylegan2(8)
    module = as_module(nvidia.stylegan2(generator), foreign=False)
    strange = as_module(nvidia.stylegan2(generator), foreign=False)
    strange._modules["twice"] = strange.synthesis
    z = generator.sample([0])
    read = ganvas.load(write(tmp_path / "network.pt", {"D": strange, "G": module}))
    torch.testing.assert_close(read.synthesize(z, "z"), generator.synthesize(z, "z"), rtol=0, atol=1e-5)
    with pytest.raises(CheckpointError, match="occurs in two places"):
        ganvas.load(write(tmp_path / "network.pt", {"G": module, "G_ema": strange}))


def test_latents_are_read_beside_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    somebodys(monkeypatch, EasyDict)
    generator = small_stylegan2(8)
    latent = torch.randn(1, 4, 6)
    looped = EasyDict(latent=latent)
    looped["me"] = {"again": looped}
    for tree in (looped, {"latent": latent, "file": pathlib.PurePosixPath("me.jpg")}, EasyDict(latent=latent)):
        opened = ganvas.open_latent(write(tmp_path / "me.pt", tree), generator, space="w+")
        assert torch.equal(opened.codes, latent)


def run(flag: Path) -> None:
    flag.touch()


class Runs:
    """Writes a file where an unpickler makes the call that the pickle asks for."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple:
        return run, (self.flag,)


@FORMS
def test_calls_of_unknown_names_are_recorded_not_made(tmp_path: Path, form: str) -> None:
    flag = tmp_path / "flag"
    (record,) = read_tree(write(tmp_path / "file.pt", [Runs(flag)], form))
    assert str(record.kind) == f"{__name__}.run"
    assert not flag.exists()


PATH = name("pathlib", "PosixPath")
STRANGE = {
    "a call of a record": PATH + b")R)R",
    "a new object of a record": PATH + b")R)\x81",
    "a state of many kinds": PATH + b")R" + tuple_of(b"N", text("a")) + b"b",
    "a state in itself": PATH + b")Rq\x00h\x00b",
    "items in a record": PATH + b")R(" + text("a") + b"NNNu(" + text("b") + b"e",
    "a dtype with a state": call("numpy", "dtype", text("U5")) + tuple_of(b"K\x03", text("<"), b"N") + b"b",
    "a text array of 2^40": call("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), tuple_of(b"K\x00"))
    + tuple_of(b"K\x01", tuple_of(b"K\x00"), call("numpy", "dtype", text("U1099511627776")), b"\x89", raw(b""))
    + b"b",
    "an array of an unknown class": call("numpy.core.multiarray", "_reconstruct", name("a", "B"), b")", raw(b"b")),
    "a module without members": name("a", "B") + b")\x81" + dict_of(text("_parameters"), b"N") + b"b",
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_records_are_data_like_others(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.pkl"
    path.write_bytes(HEAD + b"]" + STRANGE[kind] + b"a.")
    assert len(read_tree(path)) == 1
    with pytest.raises(CheckpointError, match="no generator"):
        ganvas.load(path)


PROGRAMS = [
    ("os", "popen"),
    ("builtins", "compile"),
    ("subprocess", "check_output"),
    ("importlib._bootstrap", "_load"),
    ("socket", "create_connection"),
    ("pickle", "_loads"),
    ("torch.utils.cpp_extension", "load"),
    ("a" * 600, "B"),
    (".".join("a" * 40), "B"),
    ("a.B.__class__", "mro"),
]


@pytest.mark.parametrize("pair", PROGRAMS, ids=lambda pair: ".".join(pair)[:40])
def test_programs_are_refused_even_where_they_are_not_called(tmp_path: Path, pair: tuple[str, str]) -> None:
    path = tmp_path / "file.pkl"
    for content in (name(*pair), PATH + b")R" + name(*pair) + b"b", call("functools", "partial", name(*pair))):
        path.write_bytes(HEAD + b"]" + content + b"a.")
        with pytest.raises(UnsafeFileError, match="asks for"):
            read_tree(path)


def test_python_would_have_run_what_is_recorded(tmp_path: Path) -> None:
    """The control: the same bytes, opened by Python, do write the file."""
    flag = tmp_path / "flag"
    pickle.loads(pickle.dumps(Runs(flag)))
    assert flag.exists()
