"""Loads spoilt files in a process of its own, and watches what that process does.

It may use 1 GB of addresses more than it does idle; an audit hook tells of files opened for writing, folders,
processes, sockets, imports, code and names looked up by Python's unpickler while a file is read.
"""

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas.checkpoints.load import read_generator
from ganvas.errors import CheckpointError, LatentError, UnsafeFileError
from tests.fuzz.mutations import mutate

SPARE = 1 << 30  # bytes above the idle process
SLOWEST, LONGEST_WAIT = 30, 300  # seconds a file: of work, and with all waiting for a busy machine
LONGEST_MESSAGE = 3000
WATCHED = (
    *("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "pty."),
    *("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser."),
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "shutil."),
    *("pickle.find_class", "marshal.", "ctypes.", "exec", "compile", "import", "tempfile."),
)
DRAWN_EVERY = 10
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ALLOWED_CAUSES = (MemoryError, RecursionError)


@dataclass(frozen=True)
class Outcome:
    """What became of one spoilt file. `fault` is empty where all is as it should be."""

    index: int
    mutation: str
    result: str
    message: str
    fault: str
    seconds: float
    peak: int


class SandboxProbe:
    """Notes what the process does while `armed`; a hook of Python's auditing cannot be taken away again."""

    def __init__(self) -> None:
        self.armed = False
        self.events: list[str] = []
        sys.addaudithook(self.see)

    def see(self, event: str, arguments: tuple) -> None:
        """Remember an event that reading data has no need of."""
        if not self.armed:
            return
        if event == "open":
            if isinstance(arguments[2], int) and arguments[2] & WRITING:
                self.events.append(f"open for writing {arguments[0]!r:.80}")
        elif event.startswith(WATCHED):
            self.events.append(f"{event} {arguments!r:.80}")


def run(source: Path, count: int, folder: Path, only: int | None = None) -> Iterator[Outcome]:
    """Spoil `source` in `count` ways and try to load each; the process stays limited afterwards."""
    content, probe = source.read_bytes(), SandboxProbe()
    path = folder / f"spoilt{source.suffix}"
    warm_up(source)
    idle = limit()
    for index in range(count) if only is None else [only]:
        mutation, spoilt = mutate(content, random.Random(f"{source.name} {index}"))
        path.write_bytes(spoilt)
        yield observe(index, mutation, path, probe, idle)


def warm_up(source: Path) -> str:
    """Load a sound file once, so that what loading imports is imported; returns what became of it."""
    torch.set_num_threads(1)
    return _load(source, draw=True)[0]


def limit() -> int:
    """Let this process have `SPARE` bytes more than now, and a bounded time for a file; returns what it has."""
    most = _status("VmSize") + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, _too_slow)
    return _status("VmRSS")


def _load(path: Path, draw: bool = False) -> tuple[str, Exception | None]:
    """Return "loaded", "refused", "unsafe", or what else came, and the error; `draw` an image of what loads."""
    try:
        generator, _ = read_generator(path)
        if draw:
            _draw(generator)
    except UnsafeFileError as error:
        return "unsafe", error
    except CheckpointError as error:
        return "refused", error
    except Exception as error:
        return "raw", error
    return "loaded", None


def _draw(generator: Any) -> None:
    """Make an image: what was loaded has to work, whatever it shows."""
    classes = max(getattr(generator.architecture, name, 0) for name in ("classes", "label_dim"))
    with torch.no_grad(), suppress(LatentError):
        image = generator.synthesize(generator.sample([0]), "z", label=0 if classes else None)
        assert image.shape == (1, 3, generator.resolution, generator.resolution)


def observe(index: int, mutation: str, path: Path, probe: SandboxProbe, idle: int) -> Outcome:
    """Return what becomes of one file, alone in its folder, and what the process did meanwhile."""
    _reset_peak()
    start = time.process_time()
    probe.events, probe.armed = [], True
    _set_alarms(SLOWEST, LONGEST_WAIT)
    result, error = _load(path, draw=index % DRAWN_EVERY == 0)
    _set_alarms(0, 0)
    probe.armed = False
    seconds, peak = time.process_time() - start, _status("VmHWM") - idle
    fault = _fault(path, result, error, probe.events)
    return Outcome(index, mutation, result, "" if error is None else str(error), fault, seconds, peak)


def _fault(path: Path, result: str, error: Exception | None, events: list[str]) -> str:
    """Return what is wrong with how a file was answered, "" for nothing."""
    if events:
        return f"did more than read: {events[0]}"
    if sorted(child.name for child in path.parent.iterdir()) != [path.name]:
        return "left a file behind"
    if error is None:
        return ""
    if result == "raw":
        return f"raw {type(error).__name__}: {error}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ALLOWED_CAUSES):
            return f"ran into {type(cause).__name__}"
        cause = cause.__cause__ or cause.__context__
    message = str(error)
    if path.name not in message:
        return f"the message does not name the file: {message}"
    if not message.replace("\n", "").isprintable() or len(message) > LONGEST_MESSAGE:
        return f"a message that does not read well: {message!r:.300}"
    return ""


def _set_alarms(work: int, wait: int) -> None:
    signal.setitimer(signal.ITIMER_PROF, work)
    signal.alarm(wait)


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"longer than {SLOWEST} s of work, or {LONGEST_WAIT} s")


def _reset_peak() -> None:
    """Let the system measure the peak of the resident memory anew (Linux)."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _status(name: str) -> int:
    """Return a size in bytes from ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise KeyError(name)
