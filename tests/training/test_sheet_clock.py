"""Sheets by the clock come in the first ten minutes only."""

from ganvas.training.sheet_clock import SheetClock


class Time:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def minutes_with_sheets(seconds: int, *, until: int) -> list[int]:
    """Return the seconds since the beginning at which a sheet was written, asked every ten seconds."""
    time, found = Time(), []
    clock = SheetClock(seconds, time)
    for passed in range(0, until, 10):
        time.now = 100.0 + passed
        if clock.due:
            found.append(passed)
            clock.restart()
    return found


def test_a_sheet_is_due_every_minute_for_ten_minutes():
    assert minutes_with_sheets(60, until=7200) == [60 * minute for minute in range(1, 12)]


def test_other_intervals_hold_as_long():
    assert minutes_with_sheets(150, until=7200) == [150, 300, 450, 600, 750]


def test_no_interval_means_no_sheets():
    assert minutes_with_sheets(0, until=7200) == []


def test_a_sheet_of_the_schedule_puts_off_the_next_one():
    time = Time()
    clock = SheetClock(60, time)
    time.now += 59
    clock.restart()
    time.now += 59
    assert not clock.due
    time.now += 1
    assert clock.due
