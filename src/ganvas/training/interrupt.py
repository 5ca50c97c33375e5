"""Stopping a long run at a signal, after the step in progress."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS_TO_REPEAT = 2.0


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C was pressed or the process was asked to terminate.

    Training calls take it as ``should_stop``: they finish the step and save. A second signal, at least two seconds
    later, raises `KeyboardInterrupt` at once. Only for the main thread.
    """
    first = 0.0

    def handle(number: int, frame: Any) -> None:
        nonlocal first
        now = time.monotonic()
        first = first or now
        # One Ctrl-C may arrive twice: from the terminal, and passed on by torchrun.
        if now - first > SECONDS_TO_REPEAT:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: first > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
