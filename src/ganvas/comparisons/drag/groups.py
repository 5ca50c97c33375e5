"""The groups of drags in the tables, and tables with a row for each group and method."""

from collections.abc import Callable, Mapping, Sequence

from ganvas.comparisons.drag.formatting import name_of
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.trials import DragTrial
from ganvas.comparisons.tables import table

Groups = Mapping[str, Sequence[DragTrial]]
CORNERS, EVEN = "corners, all", "low texture, all"


def grouped(trials: Sequence[DragTrial], settings: DragBenchmarkSettings) -> Groups:
    """Return the drags by group: corners by length, all corners, and low texture."""
    corners = [trial for trial in trials if not trial.task.low_texture]
    groups = {
        f"corners, {100 * length:g} %": [trial for trial in corners if trial.task.length == length]
        for length in settings.lengths
    }
    groups |= {CORNERS: corners, EVEN: [trial for trial in trials if trial.task.low_texture]}
    return {title: members for title, members in groups.items() if members}


def by_method(members: Sequence[DragTrial], settings: DragBenchmarkSettings) -> list[list[DragTrial]]:
    """Return the drags of each method in the order of their numbers, which are the same for all of them."""
    return [
        sorted((trial for trial in members if trial.method == method), key=lambda trial: trial.task.number)
        for method in settings.methods
    ]


def group_table(
    groups: Groups,
    settings: DragBenchmarkSettings,
    head: Sequence[str],
    cells: Callable[[Sequence[DragTrial]], list[str]],
    still: Sequence[str] | None = None,
) -> str:
    """Return a table of `cells` by group and method; `still` are those of undragged images."""
    rows = [["handles", "method", "drags", *head]]
    for title, members in groups.items():
        sides = by_method(members, settings)
        for method, mine in zip(settings.methods, sides, strict=True):
            rows.append([title, name_of(method), str(len(mine)), *cells(mine)])
        if still is not None:
            rows.append([title, "no drag", str(len(sides[0])), *still])
    return table(rows)
