"""The tables of the drag benchmark, from made-up results: nothing is dragged."""

import math
from dataclasses import replace

import pytest

from ganvas.comparisons.drag.content_tables import found_by_both, paired
from ganvas.comparisons.drag.formatting import share
from ganvas.comparisons.drag.groups import grouped
from ganvas.comparisons.drag.pairs import ImagePair, PairResult
from ganvas.comparisons.drag.report import DragResults, markdown, round_trip_quotients, round_trips
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.sheets import failures
from ganvas.comparisons.drag.tasks import DragTask
from ganvas.comparisons.drag.trials import DragTrial, Outcome
from ganvas.comparisons.estimates import quotient_of_means, share_estimate
from ganvas.drag.request import Point


def leg(reason: str = "reached", error: float | None = 0.0, distance: float = 0.1, **others: float) -> Outcome:
    share = None if error is None else others.get("share", 1.0)
    found = None if error is None else (0.4 + error, 0.3)
    score = others.get("score", 0.9)
    return Outcome(reason, 10, 1.0, found, error, share, score, distance, 30.0, 0.05, others.get("identity"))


def trial(number: int, method: str, forward: Outcome, reverse: Outcome | None = None, even: bool = False) -> DragTrial:
    task = DragTask(number, number, 0.1, even, (0.3, 0.3), (0.4, 0.3))
    return DragTrial(task, method, forward, reverse or leg(), forward, forward)


def test_success_is_content_found_near_the_target():
    one = trial(0, "draggan", leg(error=0.02))
    assert one.success(one.forward, 0.25, 64)
    assert not one.success(one.forward, 0.1, 1024)
    assert one.success(one.forward, 0.1, 32)  # within a pixel
    assert not one.success(leg(error=None), 0.25, 64)


def test_failures_are_the_worst_of_each_kind():
    found = [
        trial(0, "draggan", leg(error=None, score=0.4)),
        trial(1, "draggan", leg(error=None, score=0.2)),
        trial(2, "draggan", leg(error=0.05), leg(distance=0.9)),
        trial(3, "draggan", leg(error=0.08)),
        trial(4, "draggan", leg("step limit", error=0.09)),
        trial(5, "freedrag", leg(), leg(distance=0.04)),
    ]
    chosen = {(one.method, kind): one.task.number for one, kind in failures(found, DragBenchmarkSettings(), 64)}
    assert chosen == {
        ("draggan", "lost"): 1,
        ("draggan", "arrived, content not"): 3,
        ("draggan", "not arrived"): 4,
        ("draggan", "harm"): 2,
    }


def test_round_trip_table_has_quotients_of_all_and_of_carried_drags():
    found = [trial(n, "draggan", leg(), leg(distance=0.2)) for n in range(4)]
    found += [trial(n, "freedrag", leg(share=0.1 if n else 1.0), leg(distance=0.1)) for n in range(4)]
    setting = replace(DragBenchmarkSettings(), resamples=50)
    assert set(grouped(found, setting)) == {"corners, 10 %", "corners, all"}
    text = markdown(DragResults(tuple(found), (), 64, "a distance for tests"), setting, "nobody")
    assert "| corners, all | DragGAN | 4 | 0.200 (0.200–0.200) |" in text
    assert "FreeDrag over DragGAN: **0.50 (0.50–0.50)** from corners" in text
    assert "| corners, all | 4 | 0.50 (0.50–0.50) | 1 | 0.50 (0.50–0.50) |" in text
    assert "| corners, all | no drag | 4 | 0.000 | – | 0.000 | – |" in text
    assert "| forward: stops by itself |" in text


def test_low_texture_has_a_group_of_its_own():
    """The headline is that of corners; each group has a quotient."""
    setting = replace(DragBenchmarkSettings(), resamples=50)
    found = [trial(n, "draggan", leg(), leg(distance=0.2), even=n > 3) for n in range(8)]
    found += [trial(n, "freedrag", leg(), leg(distance=0.8 if n > 3 else 0.1), even=n > 3) for n in range(8)]
    text = round_trip_quotients(grouped(found, setting), setting)
    assert "**0.50 (0.50–0.50)** from corners" in text
    assert "| corners, all | 4 | 0.50 (0.50–0.50)" in text
    assert "| low texture, all | 4 | 4.00 (4.00–4.00)" in text
    assert "| low texture, all | no drag | 4 | 0.000" in round_trips(grouped(found, setting), setting)


def test_errors_are_compared_on_drags_whose_content_both_methods_keep():
    """The second loses the drag on which the first is far away: on the others they differ by 1 %."""
    setting = replace(DragBenchmarkSettings(), resamples=50)
    first = [leg(error=0.02, share=0.8), leg(error=0.02, share=0.8), leg(error=0.3, share=0.1)]
    second = [leg(error=0.01, share=0.9), leg(error=0.01, share=0.9), leg(error=None)]
    found = [trial(n, "draggan", one) for n, one in enumerate(first)]
    found += [trial(n, "freedrag", one) for n, one in enumerate(second)]
    row = found_by_both(grouped(found, setting), setting).splitlines()[-1]
    assert "| 2 of 3 | 0.80 (0.80–0.80) | 0.90 (0.90–0.90) | +0.10 (+0.10 to +0.10) | 10.0 |" in row
    assert row.endswith("| 2.0 (2.0–2.0) | 1.0 (1.0–1.0) | -1.0 (-1.0 to -1.0) |")


def test_pairs_are_compared_on_handles_found_under_all_methods():
    pair = ImagePair(0, ((0.3, 0.3), (0.6, 0.6)), ((0.4, 0.3), (0.6, 0.8)), 0.2, 0.5, 20.0)
    half, lost = (0.35, 0.3), None

    def result(method: str, *found: Point | None) -> PairResult:
        return PairResult(pair, method, "reached", 9, 1.0, 0.25, 25.0, found)

    text = paired([result("draggan", half, (0.6, 0.8)), result("freedrag", (0.4, 0.3), lost)], DragBenchmarkSettings())
    assert "| no drag | 1 | 0.500 (0.500–0.500) | 20.0 (20.0–20.0) | 1 | 1 | 10.0 (10.0–10.0) |" in text
    assert "| DragGAN | 1 | 0.250 (0.250–0.250) | 25.0 (25.0–25.0) | 0.50 (0.50–0.50) | 1.00 (1.00–1.00) | 5.0" in text
    assert "| 0.50 (0.50–0.50) | 0.0 (0.0–0.0) |" in text.splitlines()[4]
    assert "(1 of 2), in % of the width; all handles are 15.0 (15.0–15.0) away without a drag" in text
    assert "error -5.0 (-5.0 to -5.0)" in text


def test_share_of_none_or_all_has_wilsons_interval():
    """Wilson's interval, against the table in Brown, Cai and DasGupta's formula by hand for 0 of 6 and 3 of 6."""
    square = 1.959964**2
    none, all_, half = (share_estimate([True] * n + [False] * (6 - n)) for n in (0, 6, 3))
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(square / (6 + square), rel=1e-5)
    assert (all_.value, all_.high) == (1, 1)
    assert all_.low == pytest.approx(1 - none.high)
    assert half.high - 0.5 == pytest.approx(0.5 - half.low)
    assert share([False] * 6) == "0 % (0–39)"
    assert share([]) == "–"


def test_quotient_of_means_is_inf_over_zero():
    found = quotient_of_means([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], 200)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert quotient_of_means([1.0], [0.0], 10).value == math.inf


def test_identity_and_confined_drags_have_columns():
    setting = DragBenchmarkSettings(drags=2, methods=("draggan", "draggan-gated"))
    legs = [trial(number, method, leg(identity=0.1 + number)) for number in range(2) for method in setting.methods]
    legs = [replace(one, confined=replace(one.masked, outside=0.0, error=None)) for one in legs]
    plain = markdown(DragResults(tuple(legs), (), 64, "a distance for tests"), setting, "nobody")
    told = markdown(DragResults(tuple(legs), (), 64, "a distance for tests", "faces"), setting, "nobody")
    assert "| DragGAN, gated | 2 | 0.050 (0.050–0.050) |" in told
    assert "0.000 (0.000–0.000) | 0 % (0–66) |" in told
    assert "faces: at the turning point" in told
    assert "| DragGAN | 2 | 0.600 (0.100–1.100) |" in told
    assert "turning point |" not in plain.split("## (d)")[1].split("## (e)")[0]
