"""Files that come from a page and go to it. A page never names a path: what it sends gets a random folder, and what it
fetches was exported for its session.
"""

import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from ganvas.errors import GanvasError
from ganvas.studio.store import NAME

MOST_BYTES = {
    "photo": 64 * 2**20,
    "recipe": 256 * 2**20,
    "latent": 64 * 2**20,
    "directions": 64 * 2**20,
    "mask": 16 * 2**20,
    "model": 2 * 2**30,
}
MOST_NAME = 60
KEEP_EXPORTS = 24 * 3600.0


@dataclass(frozen=True)
class Kept:
    """The folders of uploads and exports, beside those of sessions."""

    root: Path

    def new_upload(self, name: str) -> Path:
        """Return the path of a new upload."""
        folder = self.root / "uploads" / secrets.token_hex(8)
        folder.mkdir(parents=True)
        return folder / safe_name(name)

    def new_export(self, session: str, name: str) -> Path:
        """Return the path of a new export of a session."""
        folder = self.root / "exports" / session / secrets.token_hex(8)
        folder.mkdir(parents=True)
        self._clean()
        return folder / safe_name(name)

    def export(self, session: str, file: str) -> Path | None:
        """Return an export by the name of its folder, None where there is none."""
        if not (NAME.fullmatch(session) and NAME.fullmatch(file)):
            return None
        folder = self.root / "exports" / session / file
        return next((path for path in folder.iterdir() if path.is_file()), None) if folder.is_dir() else None

    def _clean(self) -> None:
        for folder in (self.root / "exports").glob("*/*"):
            if time.time() - folder.stat().st_mtime > KEEP_EXPORTS:
                shutil.rmtree(folder, ignore_errors=True)


def safe_name(name: str) -> str:
    """Return what of a file's name may stand in a path: letters, digits, spaces, and single dots within."""
    plain = re.sub(r"[^\w .()+-]", "_", name.replace("\\", "/").rpartition("/")[2])
    plain = re.sub(r"\.{2,}", ".", plain).strip(" .")
    stem, dot, suffix = plain.rpartition(".")
    return f"{stem[:MOST_NAME]}{dot}{suffix[:12]}" if stem else plain[:MOST_NAME] or "file"


async def receive_file(kept: Kept, kind: str, request: Request) -> Path:
    """Write the body of a request to a new file; raises `GanvasError` for a body that is too large."""
    most = MOST_BYTES.get(kind)
    if most is None:
        raise GanvasError(f"The studio takes no files of the kind '{kind[:20]}'; it takes {', '.join(MOST_BYTES)}.")
    path, size = kept.new_upload(request.query_params.get("name", "file")), 0
    try:
        with path.open("wb") as stream:
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise GanvasError(f"This file is larger than {most // 2**20} MiB, the most for a {kind}.")
                stream.write(part)
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    return path
