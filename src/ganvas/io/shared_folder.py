"""A folder of finished parts: work that was stopped goes on where it was, and several processes share it.

The folder's record says what the work is, by which it is continued or refused. Processes started by ``torchrun`` that
see the same folder each do a part; whoever did what, the files are the same, and so is what is made of them.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganvas.errors import GanvasError
from ganvas.io.json_files import write_json
from ganvas.io.progress import Progress

POLL, PATIENCE = 0.5, 600.0  # seconds


def claim_folder(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of a study into its folder; raises `GanvasError` where it holds another or a damaged one."""
    path = folder / "study.json"
    if not path.is_file():
        write_json(path, record)
        return
    try:
        held = json.loads(path.read_text("utf-8"))
    except ValueError as reason:
        raise GanvasError(
            f"'{path}' is damaged ({str(reason)[:80]}), so that the study in its folder is unknown; give "
            "another folder with --out."
        ) from reason
    if held != record:
        other = [name for name in record if not isinstance(held, dict) or held.get(name) != record[name]]
        raise GanvasError(
            f"'{folder}' holds a study with other settings, regions or generator (here: {', '.join(other)}); give "
            "another folder with --out."
        )


def rank_and_count() -> tuple[int, int]:
    """Return the number of this process among those that ``torchrun`` started, from 0, and how many there are."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def missing_shares(paths: Sequence[Path]) -> list[int]:
    """Return the numbers of the files that this process has to make: its share of all, without those that are there.

    Shares go by the number of a file, not of those that are missing: processes start at different times.
    """
    rank, count = rank_and_count()
    return [number for number in range(rank, len(paths), count) if not paths[number].is_file()]


def wait_for(paths: Sequence[Path], progress: Progress) -> None:
    """Wait until other processes have written their files; raises `GanvasError` where none comes for some minutes."""
    left, since = len(paths), time.monotonic()
    while missing := [path for path in paths if not path.is_file()]:
        if len(missing) < left:
            left, since = len(missing), time.monotonic()
        if time.monotonic() - since > PATIENCE:
            raise GanvasError(f"{len(missing)} of {len(paths)} parts are missing; start the same command again.")
        progress("Waiting for other processes", len(paths) - len(missing), len(paths))
        time.sleep(POLL)
