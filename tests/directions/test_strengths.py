"""Strengths as written on the command line."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganvas.directions.direction import Direction, Directions, Origin
from ganvas.directions.strengths import default_strengths, frames_between, parse_strengths
from ganvas.errors import LatentError
from ganvas.reports.region_report import captions as words


@pytest.mark.parametrize(
    ("text", "strengths"),
    [
        ("3", (3.0,)),
        ("-3", (-3.0,)),
        ("2s", ("2s",)),
        ("-3,0,3", (-3.0, 0.0, 3.0)),
        ("-1s, 2", ("-1s", 2.0)),
        ("-3:3:7", (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)),
        ("3:-3:3", (3.0, 0.0, -3.0)),
        ("-2s:2s:3", ("-2s", "0s", "2s")),
        ("0:2s:2", ("0s", "2s")),
        ("1e-1", (0.1,)),
    ],
)
def test_forms(text: str, strengths: tuple[float | str, ...]):
    assert parse_strengths(text) == strengths


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "s", "x", "nan", "inf", "-infs", "1,,2", "1e9", "3 4", "2ss", ",".join("1" * 102)),
        *("1:2", "1:2:3:4", "1:2:1", "1:2:0", "1:2:-3", "1:2:x", "1:2:2.5", "1:2:102", "-2s:2:3", ":::", "::"),
    ],
)
def test_what_is_none(text: str):
    with pytest.raises(LatentError, match=r"strength|mixes"):
        parse_strengths(text)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str):
    try:
        strengths = parse_strengths(text)
    except LatentError:
        return
    one = Direction(torch.ones(1), "w", None, std=0.5)
    assert all(abs(one.length(strength)) <= 1e6 for strength in strengths)


@given(st.integers(-50, 50), st.integers(1, 50), st.integers(2, 101))
def test_series_are_even(start: int, span: int, count: int):
    strengths = parse_strengths(f"{start}:{start + span}:{count}")
    assert (strengths[0], strengths[-1], len(strengths)) == (start, start + span, count)
    steps = torch.tensor(strengths).double().diff()
    torch.testing.assert_close(steps, torch.full_like(steps, span / (count - 1)), atol=1e-4, rtol=0)


def test_captions():
    assert words((-3.0, 0.0, "0s", "2s", 1.5)) == ["−3", "0", "0", "+2s", "+1.5"]


def test_animations_run_through_the_original():
    one = Direction(torch.ones(1), "w", None, std=0.5)
    assert frames_between(one, ("4s",), 3) == (0, 1, 2)
    assert frames_between(one, (-2.0, 2.0), 3) == (-2, 0, 2)
    assert frames_between(one, (-2.0,), 2) == (-2, 0)


def test_default_strengths_need_no_std() -> None:
    known, unknown = torch.ones(1, dtype=torch.float64), torch.full((1,), torch.nan, dtype=torch.float64)
    for stds, expected in ((known, "6s"), (unknown, 6.0)):
        found = Directions(torch.ones(1, 4), "w", None, known, known, stds, None, Origin("test"))
        assert default_strengths(found)[-1] == expected
