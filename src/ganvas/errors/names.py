"""Whether text can name a file at all."""

import os
from typing import Any

MOST_CHARACTERS, MOST_BYTES = 4096, 255  # of a path, and of a name in it


def is_name(value: Any) -> bool:
    """Return whether text or a path could be the name of a file: not empty, and not longer than a system allows."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not 0 < len(text) < MOST_CHARACTERS or "\0" in text:
        return False
    return all(len(os.fsencode(part)) <= MOST_BYTES for part in text.split(os.sep))
