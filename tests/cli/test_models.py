"""``ganvas models list``, ``info`` and ``fetch``."""

import json
from pathlib import Path

import pytest

from ganvas.checkpoints import zoo
from ganvas.checkpoints.fetch import Remote
from tests.checkpoints.unreliable import CONTENT, Plan, no_proxies, serving
from tests.cli.conftest import Run

__all__ = ["no_proxies"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GANVAS_OFFLINE", raising=False)
    return tmp_path / "home"


def test_commands_without_downloads_make_no_folder(run: Run, home: Path):
    for command in (("list",), ("info", "stylegan2-car"), ("fetch", "stylegan2-car", "--offline")):
        run("models", *command)
    assert not home.exists()


@pytest.mark.parametrize("columns", [80, 120])
def test_list_fits_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int):
    monkeypatch.setenv("COLUMNS", str(columns))
    outcome = run("models", "list", "--all").out
    lines = outcome.splitlines()
    table = [line for line in lines if line.startswith(" ")]
    assert max(map(len, table)) <= columns
    assert not any("…" in line.split("  ")[0] for line in table)
    assert table[2].split() == (["faces", "128", "stylegan2", "9", "bundled"] if columns == 80 else table[2].split())
    for entry in zoo.entries().values():
        assert f" {entry.name} " in outcome


def test_list_as_json_has_every_generator(run: Run):
    outcome = json.loads(run("models", "list", "--json").out)["generators"]
    assert [row["name"] for row in outcome[:4]] == ["faces", "cats", "faces-dcgan", "cats-dcgan"]
    rows = {row["name"]: row for row in outcome}
    assert rows["stylegan2-ffhq"]["bytes"] == 381_624_121
    assert rows["biggan-deep-256"]["files"][1]["path"].endswith("config.json")
    assert not any(row.get("variant_of") for row in outcome)
    assert not rows["stylegan2-car"]["here"]


def test_info_describes_generators_that_are_not_fetched(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    outcome = run("models", "info", "stylegan2-car").out
    for words in ("wheels, body, window", "not yet verified", "arXiv:1912.04958", "recorded at the first fetch"):
        assert words in outcome
    assert "https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/stylegan2-car-config-f.pkl" in outcome.split()


@pytest.mark.slow
def test_fetch_from_the_web_and_by_hand(run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with serving(Plan(cuts=[40_000])) as address:
        files = (Remote("g.pkl", (f"{address}/g.pkl",)), Remote("beside.bin", (f"{address}/beside.bin",)))
        entry = zoo.ZooEntry(**{**vars(zoo.entries()["biggan-deep-128"]), "name": "small", "files": files})
        monkeypatch.setattr(zoo, "entries", lambda: {"small": entry})
        outcome = run("models", "fetch", "small")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"ready {home / 'models' / 'small' / 'g.pkl'}" in outcome.out
    assert "license: MIT" in outcome.out
    assert "1 of 1 fetched" in run("models", "list").out
    (tmp_path / "mine.bin").write_bytes(CONTENT)
    entry.path(files[1]).unlink()
    outcome = run("models", "fetch", "small", "--from", tmp_path / "mine.bin", "--json")
    assert json.loads(outcome.out)["missing"] == []
    assert entry.here
    (tmp_path / "mine.bin").write_bytes(b"{}")
    outcome = run("models", "fetch", "small", "--from", tmp_path / "mine.bin")
    assert outcome.code == 2
    assert "is not beside.bin: it has 2 bytes" in outcome.err


def test_fetch_names_unreachable_addresses(run: Run, monkeypatch: pytest.MonkeyPatch):
    files = (Remote("g.pkl", ("http://127.0.0.1:1/g.pkl",), sha256="ab" * 32),)
    entry = zoo.ZooEntry(**{**vars(zoo.entries()["stylegan2-cat"]), "name": "small", "files": files})
    monkeypatch.setattr(zoo, "entries", lambda: {"small": entry})
    outcome = run("models", "fetch", "small")
    assert (outcome.code, outcome.out) == (2, "")
    for part in ("http://127.0.0.1:1/g.pkl: cannot be reached", str(entry.path(files[0])), "ab" * 32, "--from FILE"):
        assert part in outcome.err


def test_fetch_suggests_close_names(run: Run):
    outcome = run("models", "fetch", "stylegan-car")
    assert outcome.code == 2
    assert "did you mean stylegan2-car" in outcome.err
