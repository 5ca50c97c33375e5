"""What the tests of commands share: running one in this process, and directions found once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ganvas.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say nothing of how long a command takes: a busy machine says more."""
    monkeypatch.setattr("ganvas.io.progress.WORTH_SAYING", float("inf"))


@pytest.fixture(autouse=True)
def one_thread(two_threads: None) -> None:
    """Small images are not worth the threads' meeting each other, on a machine that does other things as well."""
    torch.set_num_threads(1)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line; gives its exit code and what it printed."""

    def call(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which `ganvas directions` has run."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("found")
    options = ["--region", "mouth", "--seeds", "0", "--count", "2", "--resolution", "16", "--strength", "-4:4:3"]
    assert main(["directions", "faces", *options, "--out", str(folder), "--json"]) == 0
    return folder
