"""How studies run as commands: options, exit codes and messages."""

import importlib
from pathlib import Path

import pytest
import torch
from studies.command import DONE, STOPPED, WRONG, run

from ganvas.errors import GanvasError

STUDIES = sorted(path.parent.name for path in Path(__file__).parents[2].glob("studies/*/__main__.py"))


def study(name: str, /, *, out: Path, threads: int | None = None) -> list[Path]:
    """Say hello."""
    if name == "wrong":
        raise GanvasError("a message")
    if name == "stopped":
        raise KeyboardInterrupt
    return [out / name, out / str(torch.get_num_threads())]


@pytest.mark.parametrize("name", [*STUDIES, "features.train"])
def test_help_of_every_study_names_its_command_and_options(name: str, capsys: pytest.CaptureFixture[str]):
    module = name if name == "features.train" else f"{name}.command"
    assert run(importlib.import_module(f"studies.{module}").study, ["--help"]) == DONE
    shown = capsys.readouterr().out
    assert f"python -m studies.{name}" in shown
    assert "--threads" in shown


def test_every_study_is_known():
    assert {"features", "inversion", "locality", "ood", "photos", "regions"} <= set(STUDIES)


def test_paths_are_printed_and_threads_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert run(study, ["name", "--out", str(tmp_path), "--threads", "1"]) == DONE
    assert asked == [1]
    assert capsys.readouterr().out.split() == [str(tmp_path / "name"), str(tmp_path / str(torch.get_num_threads()))]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["wrong", "--out", "x"], WRONG, "Error: a message"),
        (["stopped", "--out", "x"], STOPPED, "finished parts are kept"),
        (["name"], WRONG, "--out"),
        (["name", "--out", "x", "--threads", "many"], WRONG, "many"),
        (["name", "--out", "x", "--colour", "red"], WRONG, "--colour"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
):
    assert run(study, words) == code
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
