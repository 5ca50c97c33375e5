"""The benchmark as tables in Markdown: means with 95 % intervals that resample drags. Measures nothing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganvas.drag.state import NOT_FINITE, REACHED, STALLED, STEP_LIMIT
from ganvas.studies.drags.accuracy import WRONG, Accuracy
from ganvas.studies.drags.pairs import Paired
from ganvas.studies.drags.settings import Settings
from ganvas.studies.drags.trials import Leg, Trial
from ganvas.studies.estimates import Estimate, mean_estimate, median_estimate, quotient_of_means
from ganvas.studies.tables import table

NAMES = {"draggan": "DragGAN", "freedrag": "FreeDrag"}
NOTHING = "–"
HALF_WAY = 0.5


@dataclass(frozen=True)
class Results:
    """What the benchmark measured of one generator."""

    trials: tuple[Trial, ...]
    pairs: tuple[Paired, ...]
    accuracy: tuple[Accuracy, ...]
    resolution: int
    perceptual: str


def markdown(found: Results, settings: Settings, name: str) -> str:
    """Return all tables; `name` is the generator's."""
    groups = grouped(found.trials, settings)
    parts = [
        f"# Drags on {name}",
        f"{len(found.trials) // len(settings.methods)} drags and {len(found.pairs) // len(settings.methods)} pairs by "
        f"each method, {found.resolution} px, at most {settings.steps} steps a drag. Means with 95 % intervals over "
        f"drags (medians where it is said); distances are the {found.perceptual}; lengths are in % of the width.",
        "## (a) Round trip: there and back",
        round_trips(groups, settings),
        _quotients(found.trials, settings),
        "## (b) Pairs with a known displacement",
        paired(found.pairs, settings),
        "## (c) Where the handle's content is",
        contents(groups, found.resolution, settings),
        "## (d) What else changes",
        outside(groups, settings, found.resolution),
        "## (e) How drags end",
        endings(groups, settings),
        "## The tracker, where the truth is known",
        accuracies(found.accuracy, found.resolution),
    ]
    return "\n\n".join(parts) + "\n"


Groups = Mapping[str, Sequence[Trial]]


def grouped(trials: Sequence[Trial], settings: Settings) -> Groups:
    """Return the drags by what the tables tell apart: corners by length, all corners, and low texture."""
    corners = [trial for trial in trials if not trial.drawn.low_texture]
    groups = {
        f"corners, {100 * length:g} %": [trial for trial in corners if trial.drawn.length == length]
        for length in settings.lengths
    }
    groups |= {"corners, all": corners, "low texture, all": [trial for trial in trials if trial.drawn.low_texture]}
    return {title: members for title, members in groups.items() if members}


def _rows(
    groups: Groups, settings: Settings, head: Sequence[str], cells: Callable[[Sequence[Trial]], list[str]]
) -> list[list[str]]:
    """Return rows by group and method."""
    lines = [["handles", "method", "drags", *head]]
    for title, members in groups.items():
        for method in settings.methods:
            mine = [trial for trial in members if trial.method == method]
            lines.append([title, NAMES.get(method, method), str(len(mine)), *cells(mine)])
    return lines


def round_trips(groups: Groups, settings: Settings) -> str:
    """Return how far the last picture is from the first, beside how far the turning point was: who moves nothing comes
    back unharmed. Undragged pictures have distance 0.
    """

    def cells(mine: Sequence[Trial]) -> list[str]:
        back, there = [trial.back for trial in mine], [trial.there for trial in mine]
        left = quotient_of_means([leg.distance for leg in back], [leg.distance for leg in there], settings.resamples)
        return [
            mean([leg.distance for leg in back], 3),
            mean([leg.psnr for leg in back], 1),
            mean([leg.distance for leg in there], 3),
            told(left, 2),
        ]

    head = ["first to last: distance", "PSNR, dB", "first to turning point: distance", "last / turning point"]
    return table(_rows(groups, settings, head, cells))


def _quotients(trials: Sequence[Trial], settings: Settings) -> str:
    """Return the last method's round trip over the first's: of all drags, and of those that both carried at all."""
    if len(settings.methods) != 2:
        return ""
    first, second = (
        {trial.drawn.number: trial for trial in trials if trial.method == method} for method in settings.methods
    )
    both = [number for number in first if all(_moved(side[number].there) for side in (first, second))]
    lines = []
    for numbers, which in ((list(first), "all drags"), (both, "drags whose content both carried at least half way")):
        if numbers:
            over, under = ([side[number].back.distance for number in numbers] for side in (second, first))
            quotient = told(quotient_of_means(over, under, settings.resamples), 2)
            lines.append(f"* {which} ({len(numbers)}): {quotient}")
    names = [NAMES.get(method, method) for method in settings.methods]
    return f"Mean distance from first to last picture, {names[1]} over {names[0]}:\n\n" + "\n".join(lines)


def _moved(leg: Leg) -> bool:
    return leg.along is not None and leg.along >= HALF_WAY


def contents(groups: Groups, resolution: int, settings: Settings) -> str:
    """Return how far the content is from the target by the tracker; undragged, it is the length of the drag away."""

    def cells(mine: Sequence[Trial]) -> list[str]:
        return content_cells(mine, [trial.there for trial in mine], resolution, settings)

    rows = _rows(groups, settings, ["found again", "share of the way", "off, median", "brought"], cells)
    for title, members in groups.items():
        count = len({trial.drawn.number for trial in members})
        lengths = [trial.drawn.length for trial in members]
        rows.append([title, "no drag", str(count), "100 %", "0.00", f"{100 * float(np.median(lengths)):.1f}", "0 %"])
    about = (
        f"Brought: found within {100 * settings.near:g} % of the way from the target, or a pixel; lost content is not."
    )
    return table(rows) + f"\n\n{about}"


def content_cells(trials: Sequence[Trial], legs: Sequence[Leg], resolution: int, settings: Settings) -> list[str]:
    """Return the share of contents found, the mean share of the way, the median distance, and the share brought."""
    brought = [trial.brought(leg, settings.near, resolution) for trial, leg in zip(trials, legs, strict=True)]
    offs = [100 * leg.off for leg in legs if leg.off is not None]
    return [
        share([leg.off is not None for leg in legs]),
        mean([leg.along for leg in legs if leg.along is not None], 2),
        told(median_estimate(np.array([offs]), settings.resamples), 1) if offs else NOTHING,
        share(brought),
    ]


def outside(groups: Groups, settings: Settings, resolution: int) -> str:
    """Return the root mean square change of what the mask keeps, without and with the mask; undragged it is 0."""

    def cells(mine: Sequence[Trial]) -> list[str]:
        masked = [trial.masked for trial in mine]
        return [
            mean([trial.there.outside for trial in mine], 3),
            mean([leg.outside for leg in masked], 3),
            content_cells(mine, masked, resolution, settings)[-1],
        ]

    return table(_rows(groups, settings, ["change outside, no mask", "with mask", "brought, with mask"], cells))


def endings(groups: Groups, settings: Settings) -> str:
    """Return why drags end, there and back together, and after how many steps and seconds those there do."""

    def cells(mine: Sequence[Trial]) -> list[str]:
        legs = [leg for trial in mine for leg in (trial.there, trial.back)]
        counts = Counter(leg.reason for leg in legs)
        return [
            *(f"{100 * counts[reason] / len(legs):.0f} %" for reason in (REACHED, STALLED, STEP_LIMIT, NOT_FINITE)),
            mean([trial.there.steps for trial in mine], 0),
            mean([trial.there.seconds for trial in mine], 1),
        ]

    return table(_rows(groups, settings, ["reached", "stalled", "step limit", "not finite", "steps", "seconds"], cells))


def paired(pairs: Sequence[Paired], settings: Settings) -> str:
    """Return how far the dragged picture is from the pair's second one, beside how far the first was."""
    rows = [["method", "pairs", "distance", "PSNR, dB", "distance / no drag", "off, mean", "reached", "steps"]]
    if not pairs:
        return NOTHING
    first = [one for one in pairs if one.method == settings.methods[0]]
    untouched = [one.pair.distance for one in first]
    started = [100 * one.off_at_first for one in first if one.off_at_first is not None]
    rows.append(
        ["no drag", str(len(first)), mean(untouched, 3), mean([one.pair.psnr for one in first], 1), "1",
         mean(started, 1), "", ""]
    )  # fmt: skip
    for method in settings.methods:
        mine = [one for one in pairs if one.method == method]
        distances = [one.distance for one in mine]
        rows.append([
            NAMES.get(method, method), str(len(mine)), mean(distances, 3), mean([one.psnr for one in mine], 1),
            told(quotient_of_means(distances, untouched, settings.resamples), 2),
            mean([100 * one.off for one in mine if one.off is not None], 1),
            share([one.reason == REACHED for one in mine]), mean([one.steps for one in mine], 0),
        ])  # fmt: skip
    lengths = [100 * one.pair.length for one in first]
    handles = np.mean([len(one.pair.handles) for one in first])
    spread = f"{np.quantile(lengths, 0.1):.0f} to {np.quantile(lengths, 0.9):.0f} % of the width"
    return table(rows) + f"\n\nThe farthest corner of a pair goes {spread} (middle 80 %); {handles:.1f} handles a pair."


def accuracies(found: Sequence[Accuracy], resolution: int) -> str:
    """Return the tracker's errors by condition, in pixels of this generator's pictures."""
    rows = [["condition", "handles", "pictures", "says it found", "error, median px", "95 % are below", "over 2 %"]]
    for one in found:
        errors = resolution * np.array([error for error in one.errors if error is not None])
        known = [f"{np.median(errors):.2f}", f"{np.quantile(errors, 0.95):.2f}"] if len(errors) else [NOTHING] * 2
        wrong = f"{100 * np.mean(errors > WRONG * resolution):.0f} %" if len(errors) else NOTHING
        place = "low texture" if one.low_texture else "corners"
        seen = f"{100 * len(errors) / len(one.errors):.0f} %"
        rows.append([one.condition, place, str(len(one.errors)), seen, *known, wrong])
    return table(rows)


def mean(values: Sequence[float | int], digits: int) -> str:
    """Return the mean with its interval in words."""
    return told(mean_estimate([float(value) for value in values]), digits) if values else NOTHING


def share(values: Sequence[bool]) -> str:
    """Return the share of what holds, with its interval."""
    if not values:
        return NOTHING
    found = mean_estimate([float(value) for value in values])
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f}–{100 * found.high:.0f})"


def told(number: Estimate, digits: int) -> str:
    """Return a number with its interval, with so many digits after the point."""
    return f"{number.value:.{digits}f} ({number.low:.{digits}f}–{number.high:.{digits}f})"
