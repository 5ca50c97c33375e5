"""Real processes under ``torchrun``: 1, 2 and 4 of them, and killed ones started again, give the same numbers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images import pixels
from tests.generators.small import small_stylegan2

pytestmark = pytest.mark.slow
DIRECTIONS = ("compare", "directions", "small.safetensors", "--region", "box:0.2,0.2,0.7,0.7")
COMMANDS = {
    "directions": (
        *DIRECTIONS,
        "--methods",
        "resefa,sefa,random",
        "--seeds",
        "0-1",
        "--images",
        "30",
        "--level",
        "0.01",
    ),
    "evaluate": ("evaluate", "small.safetensors", "real", "--seeds", "0-500", "--json"),
    "drag": ("compare", "drag", "small.safetensors", "--drags", "2"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with a small generator and real images."""
    save_generator(tmp_path / "small.safetensors", small_stylegan2(32), About("small", "", {}))
    for index, image in enumerate(torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1):
        pixels.write_image(tmp_path / "real" / f"{index}.png", image[None])
    return tmp_path


def start(place: Path, command: Sequence[str], out: str, processes: int) -> subprocess.Popen:
    several = ("torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m")
    launcher = (sys.executable, "-m", *(several if processes > 1 else ()), "ganvas")
    known = {"OMP_NUM_THREADS": "1", "GANVAS_HOME": str(place / "home")}
    return subprocess.Popen(
        [*launcher, *command, "--out", out, "--threads", "1"],
        cwd=place, env=os.environ | known, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    return out


def numbers(name: str, folder: Path, said: str) -> object:
    """Return all that a command found but for seconds, names of folders and of the machine."""
    if name == "evaluate":
        return json.loads(said[said.index("{") : said.rindex("}") + 1])
    file = {"directions": "comparison.json", "drag": "benchmark.json"}[name]
    held = json.loads((folder / file).read_text("utf-8"))
    return _without_seconds(held["lines"] if name == "directions" else held["results"])


def _without_seconds(held: object) -> object:
    if isinstance(held, dict):
        return {name: _without_seconds(value) for name, value in held.items() if name != "seconds"}
    return [_without_seconds(value) for value in held] if isinstance(held, list) else held


@pytest.mark.parametrize("name", COMMANDS)
def test_numbers_are_the_same_in_1_2_and_4_processes_and_after_a_kill(name: str, place: Path):
    command, found = COMMANDS[name], {}
    for count in (1, 2, 4):
        said = finish(start(place, command, f"out{count}", count))
        found[count] = numbers(name, place / f"out{count}", said)
    killed = start(place, command, "killed", 2)
    _wait_for_a_part(place / "killed", killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    found["killed"] = numbers(name, place / "killed", finish(start(place, command, "killed", 2)))
    assert all(one == found[1] for one in found.values())


def _wait_for_a_part(folder: Path, process: subprocess.Popen) -> None:
    """Wait until the first part is done: an array or a trial."""
    deadline = time.monotonic() + 300
    while not [*folder.rglob("*.npz"), *folder.rglob("*-draggan.safetensors")]:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
