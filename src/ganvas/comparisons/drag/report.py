"""The benchmark as tables in Markdown: means with 95 % intervals that resample drags. Measures nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ganvas.comparisons.drag.content_tables import content_table, paired
from ganvas.comparisons.drag.formatting import NOTHING, format_estimate, mean, name_of, share
from ganvas.comparisons.drag.groups import CORNERS, Groups, by_method, group_table, grouped
from ganvas.comparisons.drag.pairs import PairResult
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.trials import DragTrial, Outcome
from ganvas.comparisons.estimates import quotient_of_means
from ganvas.comparisons.tables import table
from ganvas.drag.state import NOT_FINITE, REACHED, STALLED, STEP_LIMIT

HALF_WAY = 0.5


@dataclass(frozen=True)
class DragResults:
    """What the benchmark measured of one generator."""

    trials: tuple[DragTrial, ...]
    pairs: tuple[PairResult, ...]
    resolution: int
    perceptual: str
    likeness: str = ""


def markdown(found: DragResults, settings: DragBenchmarkSettings, name: str) -> str:
    """Return all tables; `name` is the generator's."""
    groups = grouped(found.trials, settings)
    parts = [
        f"# Drags on {name}",
        f"{len(found.trials) // len(settings.methods)} drags and {len(found.pairs) // len(settings.methods)} pairs by "
        f"each method, {found.resolution} px, at most {settings.steps} steps a drag. Means with 95 % intervals over "
        f"drags, shares with Wilson's; distances: {found.perceptual}; lengths are in % of the width.",
        "## (a) Round trip: forward and reverse",
        round_trips(groups, settings),
        round_trip_quotients(groups, settings),
        "## (b) Pairs with a known displacement",
        paired(found.pairs, settings),
        "## (c) Where the handle's content is",
        content_table(groups, found.resolution, settings),
        "## (d) What else changes",
        outside(groups, found.resolution, settings),
        *([identity(groups, settings, found.likeness)] if found.likeness else []),
        "## (e) How drags end",
        endings(groups, settings),
    ]
    return "\n\n".join(parts) + "\n"


def round_trips(groups: Groups, settings: DragBenchmarkSettings) -> str:
    """Return how far the last image is from the first, and how far the turning point was: a method that moves nothing
    comes back unharmed. Undragged images have distance 0.
    """

    def cells(mine: Sequence[DragTrial]) -> list[str]:
        reverse, forward = [trial.reverse for trial in mine], [trial.forward for trial in mine]
        left = quotient_of_means(
            [leg.distance for leg in reverse], [leg.distance for leg in forward], settings.resamples
        )
        return [
            mean([leg.distance for leg in reverse], 3),
            mean([leg.psnr for leg in reverse], 1),
            mean([leg.distance for leg in forward], 3),
            format_estimate(left, 2),
        ]

    head = ["first to last: distance", "PSNR, dB", "first to turning point: distance", "last / turning point"]
    return group_table(groups, settings, head, cells, ["0.000", NOTHING, "0.000", NOTHING])


def round_trip_quotients(groups: Groups, settings: DragBenchmarkSettings) -> str:
    """Return the last method's round trip over the first's in every group: of all its drags, and of those that both
    carried at all. That of corners comes first: on low texture there is little to follow.
    """
    if len(settings.methods) != 2:
        return ""
    rows = [["handles", "drags", "all", "drags that both carried", "of these"]]
    for title, members in groups.items():
        first, second = by_method(members, settings)
        legs = [(one.reverse.distance, other.reverse.distance) for one, other in zip(first, second, strict=True)]
        carried = [_moved(one.forward) and _moved(other.forward) for one, other in zip(first, second, strict=True)]
        both = [pair for pair, moved in zip(legs, carried, strict=True) if moved]
        rows.append([title, str(len(legs)), _quotient(legs, settings), str(len(both)), _quotient(both, settings)])
    names = [name_of(method) for method in settings.methods]
    about = f"Mean distance from first to last image, {names[1]} over {names[0]}"
    headline = [f": **{row[2]}** from corners" for row in rows if row[0] == CORNERS]
    carried_about = "Carried: the content is found at least half way along."
    return f"{about}{''.join(headline)}. {carried_about}\n\n" + table(rows)


def _quotient(legs: Sequence[tuple[float, float]], settings: DragBenchmarkSettings) -> str:
    """Return the mean of the second numbers over that of the first ones."""
    under, over = ([pair[side] for pair in legs] for side in (0, 1))
    return format_estimate(quotient_of_means(over, under, settings.resamples), 2) if legs else NOTHING


def _moved(leg: Outcome) -> bool:
    return leg.share is not None and leg.share >= HALF_WAY


def outside(groups: Groups, resolution: int, settings: DragBenchmarkSettings) -> str:
    """Return the root mean square change of what the mask keeps, without the mask, with it, and confined to it;
    undragged it is 0.
    """

    def cells(mine: Sequence[DragTrial]) -> list[str]:
        return [
            mean([trial.forward.outside for trial in mine], 3),
            mean([trial.masked.outside for trial in mine], 3),
            share([trial.success(trial.masked, settings.near, resolution) for trial in mine]),
            mean([trial.confined.outside for trial in mine], 3),
            share([trial.success(trial.confined, settings.near, resolution) for trial in mine]),
        ]

    head = ["change outside, no mask", "with mask", "success, with mask", "confined to the mask", "success, confined"]
    return group_table(groups, settings, head, cells, ["0.000", "0.000", "0 %", "0.000", "0 %"])


def identity(groups: Groups, settings: DragBenchmarkSettings, likeness: str) -> str:
    """Return how far the dragged images are from the first in identity: at the turning point, after the reverse drag,
    and with the mask.
    """

    def cells(mine: Sequence[DragTrial]) -> list[str]:
        legs = ([getattr(trial, leg).identity or 0.0 for trial in mine] for leg in ("forward", "reverse", "confined"))
        return [mean(values, 3) for values in legs]

    head = [f"{likeness}: at the turning point", "after the reverse drag", "confined to the mask"]
    return group_table(groups, settings, head, cells, ["0.000", "0.000", "0.000"])


def endings(groups: Groups, settings: DragBenchmarkSettings) -> str:
    """Return why drags end, both ways together; how many of the forward ones stop by themselves (arrived or stalled,
    before the limit), and after how many steps and seconds they do.
    """

    def cells(mine: Sequence[DragTrial]) -> list[str]:
        legs = [leg for trial in mine for leg in (trial.forward, trial.reverse)]
        counts = Counter(leg.reason for leg in legs)
        return [
            *(f"{100 * counts[reason] / len(legs):.0f} %" for reason in (REACHED, STALLED, STEP_LIMIT, NOT_FINITE)),
            share([trial.forward.reason in (REACHED, STALLED) for trial in mine]),
            mean([trial.forward.steps for trial in mine], 0),
            mean([trial.forward.seconds for trial in mine], 1),
        ]

    reasons = ["reached", "stalled", "step limit", "not finite"]
    return group_table(groups, settings, [*reasons, "forward: stops by itself", "steps", "seconds"], cells)
