"""The numeric driver: every numeric option of every command with 0, -1, NaN, infinity and numbers beyond all sense ends
in a message of ours and exit code 2, or in a result; soon, and never with an internal error.
"""

import time
from pathlib import Path

import pytest
import torch

from ganvas.cli import main
from ganvas.training.gan import probe
from tests.cli import numeric_options
from tests.cli.conftest import Outcome, Run
from tests.cli.numeric_options import VALUES, Option, cheap_calls, commands

LONGEST_SECONDS, LONGEST_MESSAGE = 10, 500
REQUIRED = {
    "compare directions": ["--region", "none"],
    "directions": ["--region", "none"],
    "align": ["--for", "none"],
    "borrow": ["--part", "none", "--from", "none"],
}
OPTIONS = list(numeric_options.options())
COMMANDS = [name for name, _ in commands() if name not in numeric_options.NOT_RUN]


@pytest.fixture(autouse=True)
def no_step_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dry runs of long plans do a step in a child process; `tests/training/test_probe.py` has tests of that."""
    monkeypatch.setattr(probe, "LONG_RUN_STEPS", 10**18)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("numbers")
    calls = cheap_calls(folder)
    assert main(["directions", *calls["directions"], "--strength", "1", "--out", str(folder / "found"), "--json"]) == 0
    return calls


def arguments(calls: dict[str, list[str]], option: Option, text: str, out: Path) -> list[str]:
    """Return the command line that gives an option this text, instead of that of the cheap call."""
    given = list(calls.get(option.command, []))
    if option.name in given:
        at = given.index(option.name)
        del given[at : at + 2]
    suffix = ".png" if option.command in ("region", "align") else ""
    target = [] if option.command in ("evaluate", "models convert") else ["--out", f"{out}{suffix}"]
    return [*option.command.split(), *given, *target, option.name, text]


def fault(outcome: Outcome, seconds: float) -> str:
    """Return what is wrong with how a command ended, "" for nothing."""
    if outcome.code == 0:
        return ""
    if seconds > LONGEST_SECONDS:
        return f"{seconds:.0f} seconds"
    if outcome.code != 2 or "Error: " not in outcome.err or "Internal" in outcome.err:
        return f"exit code {outcome.code}: {outcome.err[:300]}"
    message = outcome.err[outcome.err.index("Error: ") :]
    return f"long: {message[:300]}" if len(message) > LONGEST_MESSAGE else ""


def faults(run: Run, calls: dict[str, list[str]], options: list[Option], values: tuple[str, ...], out: Path) -> dict:
    """Try all texts of the options; returns what went wrong by option and text."""
    found, count = {}, 0
    for option in options:
        for text in option.texts(values):
            count += 1
            began = time.perf_counter()
            outcome = run(*arguments(calls, option, text, out / str(count)))
            wrong = fault(outcome, time.perf_counter() - began)
            if wrong:
                found[f"{option.command} {option.name} {text[:40]}"] = wrong
    return found


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_numbers_out_of_range_are_refused_before_a_generator_is_opened(run: Run, tmp_path: Path, command: str):
    """One number for each option; the files named by the calls do not exist."""
    calls = {command: ["no-such-generator", "no-such-file", *REQUIRED.get(command, [])]}
    for option in OPTIONS:
        if option.command == command and option.forms == ("{}",) and option.name not in numeric_options.TEXTS:
            outcome = run(*arguments(calls, option, "1" + "0" * 30, tmp_path / "out"))
            assert (outcome.code, option.name in outcome.err, "..." in outcome.err or len(outcome.err) < 200) == (
                2, True, True,
            ), (option, outcome)  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_ends_in_a_result_or_a_message(
    run: Run, calls: dict[str, list[str]], tmp_path: Path, command: str
):
    options = [option for option in OPTIONS if option.command == command]
    assert faults(run, calls, options, VALUES, tmp_path) == {}
