"""Files made by hand to do harm, of every container: each is refused in words that say what it tried.

The pickles among them that need no container are in ``test_pickles_hostile``. All of these go through `ganvas.load`, in
this process for their messages, and in a limited process with a probe for what they do.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.errors import CheckpointError, UnsafeFileError
from ganvas.generators.protocol import About
from tests.checkpoints.malicious_files import FILES, write_malice
from tests.generators.small import small_stylegan2


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_the_message_says_what_the_file_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.chdir(tmp_path)
    path = write_malice(tmp_path, FILES[kind])
    with pytest.raises(CheckpointError, match=FILES[kind].message) as caught:
        ganvas.load(path)
    told = str(caught.value)
    assert path.name in told
    assert told.replace("\n", "").isprintable()
    assert len(told) < 2000
    assert isinstance(caught.value, UnsafeFileError) == FILES[kind].unsafe
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


WATCH = """
import sys
from pathlib import Path
from tests.fuzz.worker import SandboxProbe, limit, observe, warm_up
folder = Path(sys.argv[1])
warm_up(next((folder / "sound").iterdir()))
probe, idle = SandboxProbe(), limit()
for place in sorted(folder.iterdir()):
    for path in place.iterdir():
        seen = observe(0, place.name, path, probe, idle)
        print(place.name, seen.result, seen.peak >> 20, seen.seconds, seen.fault, sep="|")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits and peaks of memory are read as Linux gives them")
def test_no_malicious_file_does_more_than_be_read(tmp_path: Path):
    """In a process with 1 GB to spare and a probe of what it does."""
    (tmp_path / "sound").mkdir()
    save_generator(tmp_path / "sound" / "sound.safetensors", small_stylegan2(8), About("small", ""))
    for index, malice in enumerate(FILES.values()):
        (tmp_path / str(index)).mkdir()
        write_malice(tmp_path / str(index), malice)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WATCH, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.splitlines()
    rows = {row[0]: row[1:] for row in (line.split("|", 4) for line in told)}
    assert rows.pop("sound")[0] == "loaded"
    assert len(rows) == len(FILES) >= 20
    assert {row[0] for row in rows.values()} == {"refused", "unsafe"}
    assert [row for row in rows.values() if row[3]] == []
    assert max(int(row[1]) for row in rows.values()) < 200
    assert max(float(row[2]) for row in rows.values()) < 5


def test_what_is_no_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "network.pkl")
    (tmp_path / "link.pkl").symlink_to("/dev/zero")
    for found in ("network.pkl", "link.pkl", "."):
        with pytest.raises(CheckpointError, match="There is no generator"):
            ganvas.load(tmp_path / found)
