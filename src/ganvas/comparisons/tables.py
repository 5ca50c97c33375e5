"""Numbers with their intervals as text, and tables in Markdown."""

import math
from collections.abc import Sequence

from ganvas.comparisons.estimates import Estimate


def text(number: Estimate) -> str:
    """Return a number with its interval."""
    return f"{short(number.value)} ({short(number.low)}–{short(number.high)})"


def short(value: float) -> str:
    """Return a positive number in about two digits; nothing for nan."""
    if not math.isfinite(value):
        return "" if math.isnan(value) else "∞"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, its first row the head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
