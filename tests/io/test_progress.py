"""How long a task will take is said once, before most of it is done, and of long ones only."""

import pytest

from ganvas.io.progress import Forecast, as_one, in_words, part_of


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


Report = tuple[str, int, int]


def test_parts_of_a_task_count_as_the_whole():
    reports: list[Report] = []
    for number in range(40):
        for done in (64, 256):
            part_of(lambda *report: reports.append(report), number, 40)("Inverting", done, 256)
    assert reports[0] == ("Inverting", 64, 40 * 256)
    assert reports[-1] == ("Inverting", 40 * 256, 40 * 256)
    assert reports == sorted(reports)


def test_parts_of_parts_count_as_the_whole():
    reports: list[Report] = []
    for outer in range(2):
        for inner in range(3):
            part_of(part_of(lambda *report: reports.append(report), outer, 2), inner, 3)("Tuning", 5, 5)
    assert reports == [("Tuning", done, 30) for done in (5, 10, 15, 20, 25, 30)]


def test_several_tasks_are_reported_as_one():
    reports: list[Report] = []
    report = as_one(lambda *report: reports.append(report), "Comparing", {"Reading": 100, "Making": 300})
    for task in (("Packing", 1, 2), ("Reading", 50, 200), ("Reading", 200, 200), ("Making", 0, 0), ("Making", 30, 30)):
        report(*task)
    assert reports == [
        ("Packing", 1, 2), ("Comparing", 25, 400), ("Comparing", 100, 400), ("Comparing", 100, 400),
        ("Comparing", 400, 400),
    ]  # fmt: skip
