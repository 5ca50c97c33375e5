"""How long tasks report: one type of callback for all of them."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is: ``progress("Tuning", 20, 350)``."""


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""
