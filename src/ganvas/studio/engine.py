"""The one thread of the process that computes: a queue in which urgent jobs go first, and newer ones replace older.

A long job reports its progress; between two of its steps it gives way to more urgent jobs, and ends where it was
canceled.
"""

import itertools
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import torch

from ganvas.errors import GanvasError

MOST_WAITING = 200  # jobs of one owner


class Urgency(IntEnum):
    """Which jobs go first: those that answer at once, those that a person waits for, those that prepare."""

    AT_ONCE = 0
    ASKED = 1
    BACKGROUND = 2


class JobCanceledError(Exception):
    """A job was canceled, or replaced by a newer one."""


@dataclass(eq=False)
class Job:
    """Something to compute for an owner. A job replaces the waiting one of the same owner and `channel`, and cancels
    the running one; None replaces nothing. It begins at `not_before`, a time of `time.monotonic`, or later.
    """

    owner: str
    label: str
    work: Callable[["Job"], object]
    urgency: Urgency = Urgency.AT_ONCE
    channel: str | None = None
    not_before: float = 0.0
    canceled: threading.Event = field(default_factory=threading.Event)
    done: int = 0
    total: int = 0
    begun: float = 0.0  # when what it does now began, with so much of it done
    first: int = 0
    engine: "Engine | None" = None

    def progress(self, what: str, done: int, total: int) -> None:
        """Note what is done, give way to more urgent jobs, and raise `JobCanceledError` where this one is canceled."""
        if (what, total) != (self.label, self.total):
            self.begun, self.first = time.monotonic(), done
        self.label, self.done, self.total = what, done, total
        self.check()

    def check(self) -> None:
        """Give way to more urgent jobs; raise `JobCanceledError` where this one is canceled."""
        if self.engine is not None:
            self.engine.give_way(self)
        if self.canceled.is_set():
            raise JobCanceledError

    @property
    def seconds_left(self) -> float | None:
        """How long what the job does now will take, None while nothing is known."""
        if not self.first < self.done < self.total:
            return None
        return (time.monotonic() - self.begun) / (self.done - self.first) * (self.total - self.done)


class Engine:
    """Runs jobs one at a time, in a thread of its own.

    Args:
        on_change: Called with the owners whose jobs began, moved on or ended.
        on_error: Called with the owner of a job that failed and what to say.
    """

    def __init__(self, on_change: Callable[[set[str]], None], on_error: Callable[[str, str], None]) -> None:
        self.on_change, self.on_error = on_change, on_error
        self._changed = threading.Condition()
        self._waiting: list[tuple[Urgency, int, Job]] = []
        self._running: list[Job] = []
        self._numbers = itertools.count()
        self._said, self._stopped = 0.0, False
        self._thread = threading.Thread(target=self._run, name="ganvas-studio-engine", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Job:
        """Put a job into the queue."""
        with self._changed:
            if job.channel is not None:
                self._cancel(lambda one: (one.owner, one.channel) == (job.owner, job.channel))
            job.engine = self
            if sum(one.owner == job.owner for *_, one in self._waiting) >= MOST_WAITING:
                self.on_error(job.owner, "Too much is waiting to be done; wait a moment.")
                return job
            self._waiting.append((job.urgency, next(self._numbers), job))
            self._changed.notify()
        return job

    def cancel(self, owner: str, channel: str | None = None) -> None:
        """Cancel the jobs of an owner, or those of one channel."""
        with self._changed:
            self._cancel(lambda one: one.owner == owner and channel in (None, one.channel))
        self.on_change({owner})

    def _cancel(self, meant: Callable[[Job], bool]) -> None:
        for job in [one for *_, one in self._waiting if meant(one)] + [one for one in self._running if meant(one)]:
            job.canceled.set()
        self._waiting = [entry for entry in self._waiting if not entry[-1].canceled.is_set()]

    def jobs(self, owner: str) -> tuple[list[Job], int]:
        """Return the jobs of an owner that run or wait and are not done at once, and how many of others are ahead."""
        with self._changed:
            everything = [*self._running, *(job for *_, job in sorted(self._waiting, key=lambda entry: entry[:2]))]
        slow = [job for job in everything if job.label and job.urgency > Urgency.AT_ONCE]
        own = [job for job in slow if job.owner == owner]
        return own, slow.index(own[0]) if own else 0

    def give_way(self, to_more_urgent_than: Job) -> None:
        """Run the waiting jobs that are more urgent than the one that runs; from its thread."""
        while (job := self._take(to_more_urgent_than.urgency)) is not None:
            self._do(job)
        if time.monotonic() - self._said > 0.2:
            self._said = time.monotonic()
            self.on_change({job.owner for job in self._running if job.label})

    def stop(self) -> None:
        """Cancel everything and end the thread."""
        with self._changed:
            self._stopped = True
            self._cancel(lambda one: True)
            self._changed.notify()
        self._thread.join(timeout=30)

    def _take(self, below: int) -> Job | None:
        with self._changed:
            ready = [entry for entry in self._waiting if entry[0] < below and self._seconds_to(entry[-1]) <= 0]
            if not ready:
                return None
            first = min(ready, key=lambda entry: entry[:2])
            self._waiting.remove(first)
            return first[-1]

    def _run(self) -> None:
        while not self._stopped:
            with self._changed:
                first = min((self._seconds_to(job) for *_, job in self._waiting), default=None)
                if not self._stopped and (first is None or first > 0):
                    self._changed.wait(first)
            job = self._take(len(Urgency))
            if job is not None:
                self._do(job)

    def _seconds_to(self, job: Job) -> float:
        return job.not_before - time.monotonic()

    def _do(self, job: Job) -> None:
        job.begun = time.monotonic()
        self._running.append(job)
        slow = bool(job.label) and job.urgency > Urgency.AT_ONCE
        if slow:
            self.on_change({job.owner})
        try:
            with torch.enable_grad():  # the job that gives way may have switched it off
                job.work(job)
        except JobCanceledError:
            pass
        except GanvasError as error:
            self.on_error(job.owner, str(error))
        except Exception as error:
            traceback.print_exc()
            self.on_error(job.owner, f"Internal error in Ganvas ({type(error).__name__}: {error}); please report it.")
        finally:
            self._running.remove(job)
            if slow:
                self.on_change({job.owner})
