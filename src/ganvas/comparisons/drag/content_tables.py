"""Tables of where the content of handles ends: of the drags, and of the pairs with known displacements.

Positions are compared only where the content is found under both methods: a method that loses the hard ones would seem
nearer.
"""

from collections.abc import Sequence

import numpy as np

from ganvas.comparisons.drag.formatting import NOTHING, difference, format_estimate, mean, name_of, share
from ganvas.comparisons.drag.groups import Groups, by_method, group_table
from ganvas.comparisons.drag.pairs import PairResult
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.trials import DragTrial
from ganvas.comparisons.estimates import quotient_of_means
from ganvas.comparisons.tables import table
from ganvas.drag.state import REACHED


def content_table(groups: Groups, resolution: int, settings: DragBenchmarkSettings) -> str:
    """Return how often the content is found again, and how often at the target; then how far it is from there."""

    def cells(mine: Sequence[DragTrial]) -> list[str]:
        return [
            share([trial.forward.error is not None for trial in mine]),
            share([trial.success(trial.forward, settings.near, resolution) for trial in mine]),
        ]

    about = (
        f"Success: found within {100 * settings.near:g} % of the way from the target, or a pixel; lost content is none."
    )
    parts = [group_table(groups, settings, ["found again", "success"], cells, ["100 %", "0 %"]), about]
    if len(settings.methods) == 2:
        parts.append(found_by_both(groups, settings))
    return "\n\n".join(parts)


def found_by_both(groups: Groups, settings: DragBenchmarkSettings) -> str:
    """Return share of the way and distance from the target, of the drags whose content both methods leave to be found,
    with what the second has more than the first drag by drag.
    """
    names = [name_of(method) for method in settings.methods]
    more = f"{names[1]} less {names[0]}"
    rows = [["handles", "found under both", *(f"share of the way, {name}" for name in names), more,
             "error, no drag", *(f"error, {name}" for name in names), more]]  # fmt: skip
    for title, members in groups.items():
        sides = by_method(members, settings)
        both = [legs for legs in zip(*sides, strict=True) if all(trial.forward.error is not None for trial in legs)]
        shares = [[trial.forward.share or 0.0 for trial in legs] for legs in both]
        errors = [[100 * (trial.forward.error or 0.0) for trial in legs] for legs in both]
        lengths = [100 * legs[0].task.length for legs in both]
        rows.append([
            title, f"{len(both)} of {len(sides[0])}", *_compared(shares, 2),
            f"{np.mean(lengths):.1f}" if lengths else NOTHING, *_compared(errors, 1),
        ])  # fmt: skip
    return "Of the drags whose content is found under both methods; errors in % of the width:\n\n" + table(rows)


def _compared(values: Sequence[Sequence[float]], digits: int) -> list[str]:
    """Return both methods' means and the mean difference, from one list of two values for each drag."""
    sides = [[one[side] for one in values] for side in (0, 1)]
    return [*(mean(side, digits) for side in sides), difference([one[1] - one[0] for one in values], digits)]


def paired(pairs: Sequence[PairResult], settings: DragBenchmarkSettings) -> str:
    """Return how far the dragged image is from the pair's second one, beside how far the first was."""
    if not pairs:
        return NOTHING
    sides = [[one for one in pairs if one.method == method] for method in settings.methods]
    first = sides[0]
    untouched = [one.pair.distance for one in first]
    common = [_found_by_all(legs) for legs in zip(*sides, strict=True)]
    still = [one.pair.lengths for one in first]
    rows = [
        ["method", "pairs", "distance", "PSNR, dB", "distance / no drag", "handles found", "error", "reached", "steps"],
        ["no drag", str(len(first)), mean(untouched, 3), mean([one.pair.psnr for one in first], 1), "1", "1",
         mean(_errors(still, common), 1), "", ""],
    ]  # fmt: skip
    for method, mine in zip(settings.methods, sides, strict=True):
        distances = [one.distance for one in mine]
        rows.append([
            name_of(method), str(len(mine)), mean(distances, 3), mean([one.psnr for one in mine], 1),
            format_estimate(quotient_of_means(distances, untouched, settings.resamples), 2),
            mean([one.found_share for one in mine], 2), mean(_errors([one.errors for one in mine], common), 1),
            share([one.reason == REACHED for one in mine]), mean([one.steps for one in mine], 0),
        ])  # fmt: skip
    return "\n\n".join([table(rows), _about_pairs(sides, common, settings)])


def _found_by_all(results: Sequence[PairResult]) -> list[int]:
    """Return which handles of a pair are found after its drags by every method."""
    return [
        number for number in range(len(results[0].errors)) if all(one.errors[number] is not None for one in results)
    ]


def _errors(errors: Sequence[Sequence[float | None]], chosen: Sequence[Sequence[int]]) -> list[float]:
    """Return the mean over the chosen handles of each pair that has any, in % of the width."""
    return [
        float(np.mean([100 * (one[number] or 0.0) for number in numbers]))
        for one, numbers in zip(errors, chosen, strict=True)
        if numbers
    ]


def _about_pairs(
    sides: Sequence[Sequence[PairResult]], common: Sequence[Sequence[int]], settings: DragBenchmarkSettings
) -> str:
    """Return a sentence on the columns of the pairs, the lengths of the drags, and the difference of the methods."""
    first = sides[0]
    farthest = [100 * one.pair.length for one in first]
    every = [range(len(one.pair.handles)) for one in first]
    counts = sum(map(len, common)), sum(map(len, every))
    text = (
        f"Error: mean distance of the handles' content from its target, of the handles found after all drags of "
        f"a pair ({counts[0]} of {counts[1]}), in % of the width; all handles are "
        f"{mean(_errors([one.pair.lengths for one in first], every), 1)} away without a drag, the farthest of a pair "
        f"{np.quantile(farthest, 0.1):.0f} to {np.quantile(farthest, 0.9):.0f} (middle 80 %); "
        f"{np.mean([len(handles) for handles in every]):.1f} handles a pair."
    )
    if len(sides) != 2:
        return text
    errors = [_errors([one.errors for one in side], common) for side in sides]
    apart = difference([second - one for one, second in zip(*errors, strict=True)], 1)
    further = difference([second.distance - one.distance for one, second in zip(*sides, strict=True)], 3)
    names = [name_of(method) for method in settings.methods]
    return f"{text} {names[1]} less {names[0]}, pair by pair: distance {further}, error {apart}."
