"""How long a task will take is said once, before most of it is done, and of long ones only."""

import pytest

from ganvas.io.progress import Forecast, in_words


def said(seconds_each: float, total: int) -> list[str]:
    """Return what is said of a task with steps of one length, reported from its beginning on."""
    now, lines = 0.0, []
    forecast = Forecast(lines.append, lambda: now)
    for done in range(total + 1):
        now += seconds_each
        forecast.report("Making images", done, total)
    return lines


@pytest.mark.parametrize(
    ("seconds", "total", "line"),
    [
        (0.5, 2000, "about 17 minutes for 2,000"),
        (30.0, 4, "about 2 minutes for 4"),
        (9.0, 100_000, "about 10 days for 100,000"),
    ],
)
def test_long_tasks_say_how_long(seconds: float, total: int, line: str):
    assert said(seconds, total) == [f"Making images: {line}"]


def test_short_tasks_say_nothing():
    assert said(0.01, 5000) == said(5.0, 10) == []


def test_two_tasks_are_told_apart():
    now, lines = 0.0, []
    forecast = Forecast(lines.append, lambda: now)
    for what in ("Reading", "Inverting"):
        for done in range(3):
            forecast.report(what, done, 3 if what == "Reading" else 300)
            now += 3
    assert lines == ["Inverting: about 15 minutes for 300"]


def test_times_in_words():
    assert [in_words(value) for value in (60.0, 61.0, 5400.0, 7200.0, 3.5 * 3600, 3.0 * 86400)] == [
        "60 seconds", "61 seconds", "1.5 hours", "2 hours", "3.5 hours", "3 days",
    ]  # fmt: skip
