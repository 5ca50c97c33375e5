"""What the tests of commands share: running one in this process, and directions found once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.cli import main
from ganvas.generators.protocol import About
from ganvas.images import pixels
from tests.generators.small import small_stylegan2


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


def check_one_file(
    run: Run, command: str, model: Path, one: Path, another: Path, out: Path, options: tuple[object, ...]
) -> None:
    """Assert that one input becomes one image file of 16 pixels, and that two, and a file that exists, are refused."""
    outcome = run(command, model, one, *options, "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert pixels.read_image(out).shape == (1, 3, 16, 16)
    for more, message in (((), "exists already"), ((another, "--overwrite"), "2 images result")):
        outcome = run(command, model, one, *options, *more, "--out", out)
        assert (outcome.code, message in outcome.err) == (2, True)


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    """Return the file of a small generator."""
    return save_generator(tmp_path / "small.safetensors", small_stylegan2(16), About("small", ""))


@pytest.fixture
def small_directions(tmp_path: Path, small_model: Path) -> Path:
    """Return a file with two directions of the small generator, found in the middle of its images."""
    generator = ganvas.load(str(small_model))
    region, method = ganvas.Region.box(0.3, 0.3, 0.6, 0.6), ganvas.ReSeFa(resolution=8)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0]), region, method=method, count=2)
    return found.save(tmp_path / "found.safetensors")
