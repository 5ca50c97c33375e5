"""Where the contents of handles are in the end, as tables: of the drags, and of the pairs with known displacements.

Places are compared only where both methods leave the content to be found: who loses the hard ones would seem nearer.
"""

from collections.abc import Sequence

import numpy as np

from ganvas.comparisons.drag.groups import Groups, by_method, group_table
from ganvas.comparisons.drag.pairs import Paired
from ganvas.comparisons.drag.settings import Settings
from ganvas.comparisons.drag.trials import Trial
from ganvas.comparisons.drag.words import NOTHING, difference, mean, name_of, share, told
from ganvas.comparisons.estimates import quotient_of_means
from ganvas.comparisons.tables import table
from ganvas.drag.state import REACHED


def contents(groups: Groups, resolution: int, settings: Settings) -> str:
    """Return how often the content is found again, and how often at the target; then how far it is from there."""

    def cells(mine: Sequence[Trial]) -> list[str]:
        return [
            share([trial.there.off is not None for trial in mine]),
            share([trial.brought(trial.there, settings.near, resolution) for trial in mine]),
        ]

    about = (
        f"Brought: found within {100 * settings.near:g} % of the way from the target, or a pixel; lost content is not."
    )
    parts = [group_table(groups, settings, ["found again", "brought"], cells, ["100 %", "0 %"]), about]
    if len(settings.methods) == 2:
        parts.append(found_by_both(groups, settings))
    return "\n\n".join(parts)


def found_by_both(groups: Groups, settings: Settings) -> str:
    """Return share of the way and distance from the target, of the drags whose content both methods leave to be found,
    with what the second has more than the first drag by drag.
    """
    names = [name_of(method) for method in settings.methods]
    more = f"{names[1]} less {names[0]}"
    rows = [["handles", "found under both", *(f"share of the way, {name}" for name in names), more,
             "off, no drag", *(f"off, {name}" for name in names), more]]  # fmt: skip
    for title, members in groups.items():
        sides = by_method(members, settings)
        both = [legs for legs in zip(*sides, strict=True) if all(trial.there.off is not None for trial in legs)]
        along = [[trial.there.along or 0.0 for trial in legs] for legs in both]
        off = [[100 * (trial.there.off or 0.0) for trial in legs] for legs in both]
        lengths = [100 * legs[0].drawn.length for legs in both]
        rows.append([
            title, f"{len(both)} of {len(sides[0])}", *_compared(along, 2),
            f"{np.mean(lengths):.1f}" if lengths else NOTHING, *_compared(off, 1),
        ])  # fmt: skip
    return "Of the drags whose content is found under both methods; off in % of the width:\n\n" + table(rows)


def _compared(values: Sequence[Sequence[float]], digits: int) -> list[str]:
    """Return both methods' means and the mean difference, from one list of two values for each drag."""
    sides = [[one[side] for one in values] for side in (0, 1)]
    return [*(mean(side, digits) for side in sides), difference([one[1] - one[0] for one in values], digits)]


def paired(pairs: Sequence[Paired], settings: Settings) -> str:
    """Return how far the dragged image is from the pair's second one, beside how far the first was."""
    if not pairs:
        return NOTHING
    sides = [[one for one in pairs if one.method == method] for method in settings.methods]
    first = sides[0]
    untouched = [one.pair.distance for one in first]
    common = [_found_by_all(legs) for legs in zip(*sides, strict=True)]
    still = [one.pair.lengths for one in first]
    rows = [
        ["method", "pairs", "distance", "PSNR, dB", "distance / no drag", "handles found", "off", "reached", "steps"],
        ["no drag", str(len(first)), mean(untouched, 3), mean([one.pair.psnr for one in first], 1), "1", "1",
         mean(_off(still, common), 1), "", ""],
    ]  # fmt: skip
    for method, mine in zip(settings.methods, sides, strict=True):
        distances = [one.distance for one in mine]
        rows.append([
            name_of(method), str(len(mine)), mean(distances, 3), mean([one.psnr for one in mine], 1),
            told(quotient_of_means(distances, untouched, settings.resamples), 2),
            mean([one.found for one in mine], 2), mean(_off([one.offs for one in mine], common), 1),
            share([one.reason == REACHED for one in mine]), mean([one.steps for one in mine], 0),
        ])  # fmt: skip
    return "\n\n".join([table(rows), _about_pairs(sides, common, settings)])


def _found_by_all(results: Sequence[Paired]) -> list[int]:
    """Return which handles of a pair are found after its drags by every method."""
    return [number for number in range(len(results[0].offs)) if all(one.offs[number] is not None for one in results)]


def _off(offs: Sequence[Sequence[float | None]], chosen: Sequence[Sequence[int]]) -> list[float]:
    """Return the mean over the chosen handles of each pair that has any, in % of the width."""
    return [
        float(np.mean([100 * (one[number] or 0.0) for number in numbers]))
        for one, numbers in zip(offs, chosen, strict=True)
        if numbers
    ]


def _about_pairs(sides: Sequence[Sequence[Paired]], common: Sequence[Sequence[int]], settings: Settings) -> str:
    """Return in words what the columns of the pairs mean, how far handles are to go, and how the methods differ."""
    first = sides[0]
    farthest = [100 * one.pair.length for one in first]
    every = [range(len(one.pair.handles)) for one in first]
    counts = sum(map(len, common)), sum(map(len, every))
    text = (
        f"Off: mean distance of the handles' content from where it should be, of the handles found after all drags of "
        f"a pair ({counts[0]} of {counts[1]}), in % of the width; all handles are "
        f"{mean(_off([one.pair.lengths for one in first], every), 1)} off without a drag, the farthest of a pair "
        f"{np.quantile(farthest, 0.1):.0f} to {np.quantile(farthest, 0.9):.0f} (middle 80 %); "
        f"{np.mean([len(handles) for handles in every]):.1f} handles a pair."
    )
    if len(sides) != 2:
        return text
    offs = [_off([one.offs for one in side], common) for side in sides]
    apart = difference([second - one for one, second in zip(*offs, strict=True)], 1)
    further = difference([second.distance - one.distance for one, second in zip(*sides, strict=True)], 3)
    names = [name_of(method) for method in settings.methods]
    return f"{text} {names[1]} less {names[0]}, pair by pair: distance {further}, off {apart}."
