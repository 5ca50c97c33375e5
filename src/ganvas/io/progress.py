"""How long tasks report: one type of callback for all of them, and how long they will take."""

import time
from collections.abc import Callable, Mapping
from itertools import accumulate

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is: ``progress("Tuning", 20, 350)``."""

KNOWN_AFTER = 2.0  # seconds of work from which the rest is estimated
WORTH_SAYING = 60.0


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """Return the callback for part `number`, from 0, of `count` parts of about equal length: it reports the whole.

    ``part_of(progress, 2, 40)("Inverting", 10, 100)`` calls ``progress("Inverting", 210, 4000)``.
    """
    return lambda what, done, total: progress(what, number * total + done, count * total)


def as_one(progress: Progress, what: str, sizes: Mapping[str, int]) -> Progress:
    """Return the callback that reports several tasks, done in the order of `sizes`, as one: each counts as so many.

    Tasks that `sizes` does not name are reported as they are.
    """
    before = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
    whole = sum(sizes.values())

    def report(task: str, done: int, total: int) -> None:
        if task in sizes:
            progress(what, before[task] + round(sizes[task] * done / max(total, 1)), whole)
        else:
            progress(task, done, total)

    return report


class Forecast:
    """Says of every task that takes more than a minute how long it will take, once, when its first steps are done."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._begun: dict[str, tuple[float, int]] = {}
        self._decided: set[str] = set()

    def report(self, what: str, done: int, total: int | None) -> None:
        """Take a report of progress."""
        if what in self._decided or not total:
            return
        now = self._clock()
        begun, before = self._begun.setdefault(what, (now, done))  # a task may first report when a part is done
        if done <= before or now - begun < KNOWN_AFTER:
            return
        self._decided.add(what)
        left = (now - begun) / (done - before) * (total - done)
        if left > WORTH_SAYING:
            self._say(f"{what}: about {in_words(left)} for {total:,}")


def in_words(seconds: float) -> str:
    """Return a time as people say it: "40 seconds", "12 minutes", "3.5 hours", "4 days"."""
    for unit, size, most in (("second", 1, 90), ("minute", 60, 90 * 60), ("hour", 3600, 48 * 3600)):
        if seconds < most:
            amount = f"{seconds / size:.1f}".removesuffix(".0") if unit == "hour" else f"{seconds / size:.0f}"
            return f"{amount} {unit}{'' if amount == '1' else 's'}"
    return f"{seconds / 86400:.0f} days"
