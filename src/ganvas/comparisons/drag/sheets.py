"""Images of the benchmark: typical drags, pairs, and failures. Measures nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.formatting import name_of
from ganvas.comparisons.drag.pairs import PairResult, dragged_codes, pair_of
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.tasks import DragTask
from ganvas.comparisons.drag.trials import DragBenchmark, DragTrial, codes_of
from ganvas.comparisons.sheets import write_jpeg
from ganvas.drag.request import Point
from ganvas.drag.state import REACHED
from ganvas.drag.video import at_viewing_size, marked
from ganvas.images import pixels, sheets

SIDE = 160
DEFAULT_ROWS, PAIR_ROWS = 6, 6
HARMFUL = 0.5


def write_sheets(bench: DragBenchmark, trials: Sequence[DragTrial], pairs: Sequence[PairResult]) -> list[Path]:
    """Write ``drags.jpg``, ``pairs.jpg`` and ``failures.jpg``; returns their paths."""
    sheets = {"drags": default_sheet(bench, trials), "pairs": pairs_sheet(bench, pairs)}
    failed = failures(trials, bench.settings, bench.generator.resolution)
    if failed:
        sheets["failures"] = failures_sheet(bench, failed)
    return [write_jpeg(bench.folder / f"{name}.jpg", sheet) for name, sheet in sheets.items()]


def shown(
    image: Float[Tensor, "1 3 h w"], handles: Iterable[Point | None] = (), targets: Iterable[Point] = ()
) -> Float[Tensor, "1 3 side side"]:
    """Return an image as a tile, with points on it."""
    return pixels.resize(marked(at_viewing_size(image), tuple(handles), tuple(targets)), SIDE, SIDE)


def default_sheet(bench: DragBenchmark, trials: Sequence[DragTrial]) -> Float[Tensor, "1 3 h w"]:
    """Return the first drags as rows: the image, and each method's turning point and last image."""
    tiles, labels = [], []
    methods = bench.settings.methods
    for number in range(min(DEFAULT_ROWS, bench.settings.drags)):
        mine = [trial for trial in trials if trial.task.number == number]
        task = mine[0].task
        tiles.append(shown(bench.open(task.seed).image(), [task.handle], [task.target]))
        for trial in mine:
            tiles += _turned(bench, trial)
        labels.append(f"{100 * task.length:g} %, {ground(task)}")
    columns = ["before", *(f"{name_of(method)} {leg}" for method in methods for leg in ("forward", "reverse"))]
    return sheets.labeled_grid(torch.cat(tiles), len(columns), columns, labels, gap=2, text_size=12)


def ground(task: DragTask) -> str:
    """Return what a handle lies on: "even" or "corner"."""
    return "even" if task.low_texture else "corner"


def _turned(bench: DragBenchmark, trial: DragTrial) -> list[Tensor]:
    """Return the images after both legs: red where the tracker finds the content, blue where it should be."""
    session, codes = bench.open(trial.task.seed), codes_of(bench.folder, trial)
    ends = {"forward": (trial.forward, trial.task.target), "reverse": (trial.reverse, trial.task.handle)}
    return [shown(session.image(codes[name]), [leg.found], [goal]) for name, (leg, goal) in ends.items()]


def pairs_sheet(bench: DragBenchmark, pairs: Sequence[PairResult]) -> Float[Tensor, "1 3 h w"]:
    """Return the first pairs as rows: the first image with its points, what each method made, the second image.

    Blue is where content should be, red where the tracker finds it; on the second image both coincide.
    """
    tiles = []
    rows = range(min(PAIR_ROWS, bench.settings.pairs))
    for number in rows:
        pair, session, second = pair_of(bench, number)
        tiles.append(shown(session.image(), pair.handles, pair.targets))
        for result in (one for one in pairs if one.pair.number == number):
            tiles.append(shown(session.image(dragged_codes(bench.folder, result)), result.found, pair.targets))
        tiles.append(shown(session.image(second), [None] * len(pair.targets), pair.targets))
    names = [name_of(method) for method in bench.settings.methods]
    return sheets.labeled_grid(torch.cat(tiles), len(names) + 2, ["first", *names, "second"], gap=2, text_size=12)


def failures(
    trials: Sequence[DragTrial], settings: DragBenchmarkSettings, resolution: int
) -> list[tuple[DragTrial, str]]:
    """Return the worst drag of each kind by each method, with the kind: content that the tracker does not find, content
    elsewhere although the drag says that it arrived, content left behind at the limit, and harm: a reverse drag
    that leaves more than half of what the forward drag has changed.
    """
    worst: list[tuple[DragTrial, str]] = []
    for method in settings.methods:
        mine = [trial for trial in trials if trial.method == method]
        missed = [
            t for t in mine if t.forward.error is not None and not t.success(t.forward, settings.near, resolution)
        ]
        kinds = {
            "lost": [(-t.forward.score, t) for t in mine if t.forward.error is None],
            "arrived, content not": [(t.forward.error or 0, t) for t in missed if t.forward.reason == REACHED],
            "not arrived": [(t.forward.error or 0, t) for t in missed if t.forward.reason != REACHED],
            "harm": [(t.reverse.distance, t) for t in mine if t.reverse.distance > HARMFUL * t.forward.distance],
        }
        for kind, ranked in kinds.items():
            if ranked:
                worst.append((max(ranked, key=lambda pair: (pair[0], -pair[1].task.number))[1], kind))
    return worst


def failures_sheet(bench: DragBenchmark, failed: Sequence[tuple[DragTrial, str]]) -> Float[Tensor, "1 3 h w"]:
    """Return failures as rows: before, after the forward drag, after the reverse one."""
    tiles, labels = [], []
    for trial, kind in failed:
        task = trial.task
        tiles.append(shown(bench.open(task.seed).image(), [task.handle], [task.target]))
        tiles += _turned(bench, trial)
        labels.append(f"{name_of(trial.method)}: {kind}, {ground(task)}")
    return sheets.labeled_grid(torch.cat(tiles), 3, ["before", "forward", "reverse"], labels, gap=2, text_size=12)
