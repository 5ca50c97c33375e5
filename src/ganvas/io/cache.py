"""The cache folder of fetched generators, and the lock file that records the checksum of each.

A file is checked against its published checksum, else against the one that was recorded when it first came. A file
whose size and time have not changed since is not read again.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

from ganvas.errors import DownloadError
from ganvas.io.files import atomic_path

HOME, OFFLINE = "GANVAS_HOME", "GANVAS_OFFLINE"
LOCK_FILE = "lock.json"
LOCK_VERSION = 1
FULL_CHECKSUM = 64  # digits of a sha256
CHUNK = 1 << 20


@dataclass(frozen=True)
class Record:
    """A file when it was last checked: ``modified`` in nanoseconds, ``origin`` an address or a path."""

    sha256: str
    bytes: int
    modified: int
    origin: str
    recorded: str


def home() -> Path:
    """Return the folder for what Ganvas fetches: ``$GANVAS_HOME``, else a folder in the platform's place for caches.

    Raises `DownloadError` where ``$GANVAS_HOME`` begins with the ``~name`` of a user that there is not.
    """
    if given := os.environ.get(HOME):
        try:
            return Path(given).expanduser().absolute()
        except RuntimeError as reason:
            raise DownloadError(f"${HOME} is '{given}', but there is no such home folder; give a path.") from reason
    return platformdirs.user_cache_path("ganvas", appauthor=False, opinion=False)


def models_folder() -> Path:
    """Return the folder of generators; it need not exist."""
    return home() / "models"


def is_offline() -> bool:
    """Return whether ``$GANVAS_OFFLINE`` forbids downloads (anything but nothing, 0, no and false)."""
    return os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "no", "false")


def lock_path() -> Path:
    """Return the lock file's path."""
    return models_folder() / LOCK_FILE


def recorded(path: Path) -> Record | None:
    """Return the lock file's record of a file in the models folder, None without one."""
    entry = _read_lock().get(_key(path))
    try:
        return None if entry is None else Record(**entry)
    except TypeError as reason:
        raise _damaged(reason) from reason


def record(path: Path, sha256: str, origin: str) -> None:
    """Record a file in the models folder; other processes may record theirs at the same time."""
    facts = path.stat()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    entry = Record(sha256, facts.st_size, facts.st_mtime_ns, origin, now)
    with exclusive(lock_path()):
        entries = _read_lock() | {_key(path): asdict(entry)}
        text = json.dumps({"version": LOCK_VERSION, "files": entries}, indent=2, sort_keys=True)
        with atomic_path(lock_path(), DownloadError) as temporary:
            temporary.write_text(text + "\n", "utf-8")


def check(path: Path, expected: str = "", origin: str = "") -> str:
    """Return the sha256 of a file in the models folder after checking it; a file without a record gets one.

    `expected` are the first digits of the checksum known in advance, or all of them; where the lock file knows one,
    the file must have that too. Raises `DownloadError` where the checksum differs.
    """
    known, facts = recorded(path), path.stat()
    if known is not None and (known.bytes, known.modified) == (facts.st_size, facts.st_mtime_ns):
        found = known.sha256
    else:
        found = sha256_of(path)
    if not found.startswith(expected):
        raise DownloadError(f"'{path}' has sha256 {found}, but {expected} is right; delete it and fetch it again.")
    if known is not None and found != known.sha256:
        raise DownloadError(
            f"'{path}' has sha256 {found}, but had {known.sha256} when it was recorded ({known.recorded}). "
            f"If that is right, remove its lines from '{lock_path()}'; else delete it and fetch it again."
        )
    if known is None or known.modified != facts.st_mtime_ns:
        try:
            record(path, found, origin or (known.origin if known else str(path)))
        except DownloadError:
            # In a folder that may only be read, a file that was checked is used without a record, and checked
            # again next time; one without any known checksum is not.
            if known is None and len(expected) < FULL_CHECKSUM:
                raise
    return found


def sha256_of(path: Path, count: int | None = None) -> str:
    """Return the sha256 of a file in hexadecimal."""
    return digest_of(path, path.stat().st_size if count is None else count).hexdigest()


def digest_of(path: Path, count: int) -> "hashlib._Hash":
    """Return the running sha256 of a file's first `count` bytes, to be carried on."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while count > 0 and (chunk := stream.read(min(CHUNK, count))):
            digest.update(chunk)
            count -= len(chunk)
    return digest


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one process at a time into the block; the others wait. The system frees the lock of a process that dies."""
    guard = path.with_name(f".{path.name}.guard")
    lock = FileLock(guard)
    try:
        guard.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as refusal:
        raise DownloadError(
            f"'{guard.parent}' cannot be written ({refusal.strerror}); choose another folder with ${HOME}."
        ) from refusal
    try:
        yield
    finally:
        lock.release()


def _key(path: Path) -> str:
    return path.relative_to(models_folder()).as_posix()


def _read_lock() -> dict[str, dict]:
    try:
        lock = json.loads(lock_path().read_text("utf-8"))
        if lock["version"] != LOCK_VERSION:
            raise DownloadError(f"'{lock_path()}' is of version {lock['version']}, not {LOCK_VERSION}; update Ganvas.")
        return dict(lock["files"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as reason:
        raise _damaged(reason) from reason


def _damaged(reason: Exception) -> DownloadError:
    return DownloadError(
        f"'{lock_path()}' is damaged ({reason}); mend or delete it. Checksums that it recorded are then taken anew."
    )
