"""The study's numbers as tables in Markdown, a table for each part."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganvas.comparisons.estimates import Estimate
from ganvas.comparisons.tables import short, table, text
from studies.regions.failures import FailureRow
from studies.regions.parts import BoxRow, DirectionRow, RangeRow, RidgeRow, SeedsRow
from studies.regions.settings import Settings


@dataclass(frozen=True)
class Results:
    """The rows of all parts."""

    directions: Sequence[DirectionRow]
    ranges: Sequence[RangeRow]
    boxes: Sequence[BoxRow]
    averages: Sequence[SeedsRow]
    ridges: Sequence[RidgeRow]
    failures: Sequence[FailureRow]


def markdown(found: Results, settings: Settings, name: str, reasons: Sequence[str], short_study: bool) -> str:
    """Return the page of tables."""
    kind = "Short study (--quick)" if short_study else "Full study"
    seeds = f"{_span(settings.found_on)} for discovery, {_span(settings.held_out)} held out"
    about = (
        f"{kind} of `{name}`: seeds {seeds}, truncation {settings.truncation:g}, layers {settings.layers} unless said "
        f"otherwise. Change inside: {settings.target:g} root mean square (parts a to e), {settings.strong:g} (kernel "
        "distances and part f); black to white is 2. Ratios: mean squared change inside over outside, medians, with 95 "
        "% intervals."
    )
    parts = [
        ("(a) Directions of each region", directions_table(found.directions)),
        ("(b) Layer ranges", ranges_table(found.ranges)),
        ("(c) Other shapes than the region", boxes_table(found.boxes)),
        ("(d) Averaging over images", averages_table(found.averages)),
        ("(e) The ridge", ridges_table(found.ridges)),
        ("(f) Where it fails", failures_table(found.failures)),
    ]
    left_out = "\n".join(f"* {reason}" for reason in reasons) or "* nothing"
    tables = "\n\n".join(f"## {title}\n\n{rows}" for title, rows in parts)
    return f"{about}\n\n{tables}\n\n## Left out\n\n{left_out}\n"


def _span(seeds: Sequence[int]) -> str:
    return f"{seeds[0]}-{seeds[-1]}"


def directions_table(rows: Sequence[DirectionRow]) -> str:
    """Return the table of part (a)."""
    head = [
        "region",
        "number",
        "eigenvalue",
        "eigenvalue on one image",
        "inside / outside",
        "strength",
        "out of reach",
    ]
    lines = [
        [
            row.region,
            str(row.index),
            short(row.eigenvalue),
            text(row.eigenvalue_of_one),
            text(row.ratio),
            short(row.strength),
            str(row.unreached),
        ]
        for row in rows
    ]
    return table([head, *lines])


def ranges_table(rows: Sequence[RangeRow]) -> str:
    """Return the table of part (b), a column for each range."""
    ranges = list(dict.fromkeys(row.layers for row in rows))
    cells = {(row.region, row.layers): row for row in rows}
    lines = [
        [
            name,
            *(text(cells[name, layers].ratio) for layers in ranges),
            " / ".join(short(cells[name, layers].strength) for layers in ranges),
            " / ".join(str(cells[name, layers].unreached) for layers in ranges),
        ]
        for name in dict.fromkeys(row.region for row in rows)
    ]
    return table([["region", *(f"layers {layers}" for layers in ranges), "strengths", "out of reach"], *lines])


def boxes_table(rows: Sequence[BoxRow]) -> str:
    """Return the table of part (c)."""
    head = ["region", "found with", "cos", "cos on one image", "angles of the first three", "ratio / own ratio"]
    lines = [
        [
            row.region,
            row.kind,
            f"{row.cosine:.2f}",
            text(row.cosine_of_one),
            ", ".join(f"{angle:.0f}°" for angle in row.angles),
            text(row.quotient),
            str(row.unreached),
        ]
        for row in rows
    ]
    return table([[*head, "out of reach"], *lines])


def averages_table(rows: Sequence[SeedsRow]) -> str:
    """Return the table of part (d)."""
    head = ["region", "images", "tried", "predicted by its own", "held out", "cos with that of all", "out of reach"]
    lines = [
        [
            row.region,
            str(row.images),
            str(row.groups),
            short(row.predicted),
            text(row.ratio),
            f"{row.cosine:.2f}",
            str(row.unreached),
        ]
        for row in rows
    ]
    return table([head, *lines])


def ridges_table(rows: Sequence[RidgeRow]) -> str:
    """Return the table of part (e)."""
    head = ["region", "ridge", "eigenvalue", "cos with the usual", "inside / outside", "strength", "strength, strong"]
    lines = [
        [
            row.region,
            f"{row.tau:g}",
            short(row.eigenvalue),
            f"{row.cosine:.2f}",
            text(row.ratio),
            short(row.strength),
            short(row.strong_strength),
            signed(row.excess),
            f"{row.unreached}, {row.strong_unreached}",
        ]
        for row in rows
    ]
    return table([[*head, "kernel MMD added", "out of reach"], *lines])


def failures_table(rows: Sequence[FailureRow]) -> str:
    """Return the table of part (f)."""
    head = ["part", "found in", "inside / outside", "twin's share", "least of them", "odd", "motion", "most of them"]
    lines = [
        [
            row.part,
            row.way,
            text(row.ratio),
            "" if row.twin is None else text(row.twin),
            "" if row.best_twin is None else f"{row.best_twin:.2f}",
            text(row.odd),
            text(row.motion),
            short(row.best_motion),
            short(row.strength),
            f"{row.unreached} of {row.measured}",
        ]
        for row in rows
    ]
    return table([[*head, "strength", "out of reach"], *lines])


def signed(number: Estimate) -> str:
    """Return a number around 0 with its interval."""
    return f"{number.value:+.3f} ({number.low:+.3f} to {number.high:+.3f})"
