"""Sheets by the clock: in the first minutes of a run a person waits, and wants to see something.

The clock decides only when an image file is written: it never enters weights, random draws or the log.
"""

import time
from collections.abc import Callable

FIRST_SECONDS = 600.0


class SheetClock:
    """Says when the next sheet is due: every so many `seconds` for the first ten minutes; 0 for never."""

    def __init__(self, seconds: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._begun = self._written = clock()

    @property
    def due(self) -> bool:
        """Whether the last sheet is so many seconds old, in the first ten minutes."""
        now = self._clock()
        first = now - self._begun <= FIRST_SECONDS + self._seconds
        return bool(self._seconds) and first and now - self._written >= self._seconds

    def restart(self) -> None:
        """Count from now on: a sheet was written."""
        self._written = self._clock()
