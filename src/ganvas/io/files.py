"""Atomic writes, a file as a whole or not at all; and folders for results."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganvas.errors import GanvasError
from ganvas.errors.names import is_name


@contextmanager
def atomic_path(path: str | Path, error: type[GanvasError] = GanvasError) -> Iterator[Path]:
    """Give a temporary path beside `path` and rename it to `path` when the block ends well.

    Missing parent folders are made. The temporary name keeps the suffix, from which some writers choose a format. When
    the block fails or is interrupted, the temporary file is removed and an older file at `path` stays as it was.

    Raises:
        error: the path names no file, or the system refuses (no space, no permission, a folder is in the way); other
            exceptions of the block pass.
    """
    target = Path(path)
    if not target.name:
        raise error(f"'{target}' is a folder; give the name of a file in it.")
    temporary = target.with_name(f".ganvas-{secrets.token_hex(6)}{target.suffix}")
    try:
        if target.exists() and not target.is_file():
            # os.replace would replace even a device such as /dev/null.
            raise error(f"'{target}' is not an ordinary file and is left alone; choose another name.")
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as refusal:
        raise error(f"'{target}' cannot be written: {refusal.strerror or refusal}; choose another place.") from refusal
    finally:
        with suppress(OSError):  # it was renamed, or never made
            temporary.unlink()


def make_folder(folder: Path, error: type[GanvasError] = GanvasError) -> None:
    """Make a folder for results, before the work that would be lost without it; raises `error` where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refusal:
        raise error(f"The folder '{folder}' cannot be made: {refusal.strerror}; give another (--out).") from refusal


def is_file(path: str | Path) -> bool:
    """Return whether there is such a file; text that no file can be named is no file."""
    return is_name(path) and Path(path).is_file()
