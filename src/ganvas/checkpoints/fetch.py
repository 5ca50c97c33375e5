"""Download of one file: mirrors in order, retries with back-off, resume, checksum while streaming, atomic.

An interrupted download leaves ``NAME.part`` and a note of its version, from which the next one resumes. Two processes
that want the same file take turns; the second finds it done.
"""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ganvas.errors import DownloadError
from ganvas.io.cache import HOME, digest_of, exclusive
from ganvas.io.files import atomic_path
from ganvas.io.transfer import StartAnewError, Stream, TryAgainError, open_stream

LARGEST = 8 << 30  # bytes; generators have up to 0.4e9
SPARE = 64 << 20  # bytes that a download leaves free on the disk
WORTH = 1 << 20  # bytes of progress that reset the count of failures
LONGEST_PAUSE = 8.0  # seconds
TRIES_WITHOUT_ANSWER = 2
MOST_RESTARTS = 2
Report = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Remote:
    """A file on the web: its name on disk, where it lies (mirrors hold the same bytes), and what is known of it.

    `sha256` may be only its first digits, where only those were published, or "" where none is known.
    """

    name: str
    addresses: tuple[str, ...]
    bytes: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Patience:
    """Seconds and tries: `answer` until some server must have answered, over all addresses together; `silence` between
    two bytes; `attempts` in a row that bring next to nothing; `pause` before the second, doubled before each further.
    """

    answer: float = 6.0
    silence: float = 20.0
    attempts: int = 5
    pause: float = 0.5


def download(
    remote: Remote, target: Path, *, patience: Patience = Patience(), report: Report = lambda done, total: None
) -> tuple[str, str]:
    """Fetch a file to `target`; returns its sha256 and the address it came from.

    `report` gets the bytes that are there and those of the whole file, None while unknown. A `target` that another
    process finishes meanwhile is left as it is. Raises `DownloadError` with the answer of each address.
    """
    with exclusive(target):
        if target.is_file():
            return digest_of(target, target.stat().st_size).hexdigest(), "another process"
        part = Part(target.with_name(f"{target.name}.part"))
        deadline = time.monotonic() + patience.answer
        refusals = []
        for index, address in enumerate(remote.addresses):
            share = max(0.1, (deadline - time.monotonic()) / (len(remote.addresses) - index))
            try:
                sha256 = _from(address, remote, part, patience, time.monotonic() + share, report)
            except DownloadError as refusal:
                refusals.append(f"{address}: {refusal}")
                continue
            part.become(target)
            return sha256, address
    raise DownloadError("\n".join(refusals) or "no address of it is known")


class Part:
    """An unfinished download, with a note of the file's version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note_path = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        """Bytes received so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def validator(self, address: str) -> str:
        """Return the validator that the server at `address` gave for these bytes, "" if they came from elsewhere."""
        with suppress(OSError, ValueError, AttributeError):
            note = json.loads(self.note_path.read_text("utf-8"))
            if note.get("address") == address:
                return str(note.get("validator", ""))
        return ""

    def note(self, address: str, validator: str) -> None:
        """Note which version the following bytes are of."""
        self.note_path.write_text(json.dumps({"address": address, "validator": validator}), "utf-8")

    def drop(self) -> None:
        """Delete what was received."""
        self.path.unlink(missing_ok=True)
        self.note_path.unlink(missing_ok=True)

    def become(self, target: Path) -> None:
        """Rename the finished file."""
        self.path.replace(target)
        self.note_path.unlink(missing_ok=True)


def _from(address: str, remote: Remote, part: Part, patience: Patience, deadline: float, report: Report) -> str:
    """Fetch from one address with retries; returns the sha256."""
    failures, restarts, answered = 0, 0, False
    while True:
        before, left = part.size, patience.answer if answered else deadline - time.monotonic()
        try:
            return _attempt(address, remote, part, patience, max(left, 0.1), report)
        except StartAnewError:
            restarts, answered = restarts + 1, True
            if before == 0 or restarts > MOST_RESTARTS:
                raise
            part.drop()
        except TryAgainError as error:
            answered = answered or error.answered
            failures = 1 if part.size - before >= WORTH else failures + 1
            pause = min(patience.pause * 2 ** (failures - 1), LONGEST_PAUSE)
            if failures >= (patience.attempts if answered else TRIES_WITHOUT_ANSWER):
                raise DownloadError(f"{error} ({failures} tries)") from error
            if not answered and time.monotonic() + pause >= deadline:
                raise
            time.sleep(pause)


def _attempt(address: str, remote: Remote, part: Part, patience: Patience, answer: float, report: Report) -> str:
    """Request the missing bytes once; returns the sha256 of the whole, checked file."""
    validator = part.validator(address)
    # Bytes of unknown version are resumed only where a checksum checks the whole file.
    resumed = part.size if validator or len(remote.sha256) == 64 else 0
    stream = open_stream(address, start=resumed, validator=validator, answer=answer, silence=patience.silence)
    try:
        if stream.start and validator and stream.validator != validator:
            raise StartAnewError("the file has changed since its first part came")
        total = _agreed_total(stream, remote)
        _require_room(part.path, (total or 0) - stream.start)
        sha256 = _receive(stream, total, address, part, report)
    except OSError as refusal:
        raise _unwritable(part.path, refusal) from refusal
    finally:
        stream.close()
    if sha256.startswith(remote.sha256):
        return sha256
    part.drop()
    message = f"what came has sha256 {sha256}, but {remote.sha256} is right"
    raise StartAnewError(message) if stream.start else DownloadError(message)


def _agreed_total(stream: Stream, remote: Remote) -> int | None:
    """Return the size of the whole file; raises `DownloadError` where the server announces another size."""
    if remote.bytes is not None and stream.total not in (None, remote.bytes):
        raise DownloadError(f"the server announces {stream.total} bytes, but {remote.bytes} are right")
    if not stream.framed and remote.bytes is None and not remote.sha256:
        raise DownloadError(
            "the server does not say how long the file is, and no checksum is known: a cut file would go unnoticed"
        )
    return remote.bytes if stream.total is None else stream.total


def _receive(stream: Stream, total: int | None, address: str, part: Part, report: Report) -> str:
    """Write the bytes as they come; returns the sha256 of the whole file."""
    part.path.touch()
    part.note(address, stream.validator)
    digest, done = digest_of(part.path, stream.start), stream.start
    with part.path.open("r+b") as file:
        file.truncate(done)
        file.seek(done)
        report(done, total)
        while chunk := stream.read():
            done += len(chunk)
            if done > (LARGEST if total is None else total):
                raise DownloadError(f"the server sends more than {LARGEST if total is None else total} bytes")
            file.write(chunk)
            digest.update(chunk)
            report(done, total)
    if total is not None and done < total:
        raise TryAgainError(f"the connection was cut after {done} of {total} bytes")
    return digest.hexdigest()


def _require_room(path: Path, count: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if count + SPARE > free:
        raise DownloadError(
            f"{count / 1e6:,.0f} MB are to come, but '{path.parent}' has {free / 1e6:,.0f} MB left; "
            f"make room, or choose another folder with ${HOME}"
        )


def _unwritable(path: Path, refusal: OSError) -> DownloadError:
    return DownloadError(f"'{path}' cannot be written ({refusal.strerror or refusal}); choose a folder with ${HOME}")


def copy_in(source: Path, target: Path, remote: Remote, report: Report = lambda done, total: None) -> str:
    """Copy a file that was fetched by hand to `target` once it is the right one; returns its sha256."""
    try:
        size = source.stat().st_size
        sha256 = digest_of(source, size).hexdigest()
    except OSError as refusal:
        raise DownloadError(f"'{source}' cannot be read ({refusal.strerror}); check the name.") from refusal
    if remote.bytes not in (None, size) or not sha256.startswith(remote.sha256):
        wanted = [f"{remote.bytes} bytes"] * (remote.bytes is not None) + [f"sha256 {remote.sha256}"] * bool(
            remote.sha256
        )
        raise DownloadError(
            f"'{source}' is not {remote.name}: it has {size} bytes and sha256 {sha256}, but {' and '.join(wanted)} "
            "is right. Fetch it again."
        )
    with exclusive(target), atomic_path(target, DownloadError) as temporary:
        _require_room(temporary, size)
        shutil.copyfile(source, temporary)
        report(size, size)
    return sha256
