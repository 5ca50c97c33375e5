"""How a study runs as a command: threads, what was written, and how errors and Ctrl-C end it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ganvas.errors import GanvasError

DONE, WRONG, STOPPED = 0, 2, 130


def tell(what: str, done: int, total: int) -> None:
    """Say how far something is: at most about twenty times, and at its end."""
    if done == total or done % max(total // 20, 1) == 0:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


def run_study(write: Callable[[], Sequence[Path]], out: Path, threads: int | None = None) -> int:
    """Call `write` with so many CPU threads (None: as torch chooses) and print the paths that it returns; returns the
    exit code. Errors are said without a traceback; after Ctrl-C what is done stays in `out`.
    """
    if threads:
        torch.set_num_threads(threads)
    try:
        paths = write()
    except KeyboardInterrupt:
        print(f"Stopped; what is done is kept in '{out}'.", file=sys.stderr)
        return STOPPED
    except GanvasError as error:
        print(error, file=sys.stderr)
        return WRONG
    print("\n".join(map(str, paths)))
    return DONE
