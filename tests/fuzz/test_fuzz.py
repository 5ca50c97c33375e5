"""Fifty spoilt files of every format; ``make fuzz`` tries two thousand of each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.fuzz.sources import MADE, VECTORS

COUNT = 50
MOST_ABOVE_IDLE = 1 << 30
LEAST_WITH_POSITION = 0.5  # the rest is cut or spoilt before there is a byte to name, or lacks what a generator needs
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and limits memory as Linux does")


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    """Return what came of every format; each has a process of its own."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.fuzz", "--count", str(COUNT), "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert told.returncode in (0, 1), told.stderr
    return {row["format"]: row for row in map(json.loads, told.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*VECTORS, *MADE])
def test_corrupted_files_are_refused_or_load(rows: dict[str, dict], name: str):
    if name in VECTORS and not (SHARED / "conformance").is_dir():
        pytest.skip(f"needs the shared data folder {SHARED}, which is not on this machine")
    row = rows[name]
    assert row["faults"] == []
    assert row["loaded"] + row["refused"] + row["unsafe"] == row["files"] == COUNT
    assert row["refused"] > 0
    assert row["peak"] < MOST_ABOVE_IDLE
    assert row["positions"] > LEAST_WITH_POSITION * (row["refused"] + row["unsafe"])


@pytest.mark.slow
def test_the_sound_files_load(rows: dict[str, dict]):
    """Else the fuzz would say little: everything would be refused at the first look."""
    assert {row["sound"] for row in rows.values()} == {"loaded"}
