"""Images of the benchmark: drags as they usually go, pairs, and what failed. Measures nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.drag.pairs import Paired, dragged_codes, pair_of
from ganvas.comparisons.drag.settings import Settings
from ganvas.comparisons.drag.tasks import Drawn
from ganvas.comparisons.drag.trials import Bench, Trial, codes_of
from ganvas.comparisons.drag.words import name_of
from ganvas.comparisons.sheets import write_jpeg
from ganvas.drag.state import REACHED, Point
from ganvas.drag.video import at_viewing_size, marked
from ganvas.images import pixels, sheets

SIDE = 160
DEFAULT_ROWS, PAIR_ROWS = 6, 6
HARMFUL = 0.5


def write_sheets(bench: Bench, trials: Sequence[Trial], pairs: Sequence[Paired]) -> list[Path]:
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


def default_sheet(bench: Bench, trials: Sequence[Trial]) -> Float[Tensor, "1 3 h w"]:
    """Return the first drags as rows: the image, and each method's turning point and last image."""
    tiles, labels = [], []
    methods = bench.settings.methods
    for number in range(min(DEFAULT_ROWS, bench.settings.drags)):
        mine = [trial for trial in trials if trial.drawn.number == number]
        drawn = mine[0].drawn
        tiles.append(shown(bench.open(drawn.seed).image(), [drawn.handle], [drawn.target]))
        for trial in mine:
            tiles += _turned(bench, trial)
        labels.append(f"{100 * drawn.length:g} %, {ground(drawn)}")
    columns = ["before", *(f"{name_of(method)} {way}" for method in methods for way in ("there", "back"))]
    return sheets.labeled_grid(torch.cat(tiles), len(columns), columns, labels, gap=2, text_size=12)


def ground(drawn: Drawn) -> str:
    """Return in a word what a handle lies on."""
    return "even" if drawn.low_texture else "corner"


def _turned(bench: Bench, trial: Trial) -> list[Tensor]:
    """Return the images there and back: red where the tracker finds the content, blue where it should be."""
    session, codes = bench.open(trial.drawn.seed), codes_of(bench.folder, trial)
    ends = {"there": (trial.there, trial.drawn.target), "back": (trial.back, trial.drawn.handle)}
    return [shown(session.image(codes[way]), [leg.place], [goal]) for way, (leg, goal) in ends.items()]


def pairs_sheet(bench: Bench, pairs: Sequence[Paired]) -> Float[Tensor, "1 3 h w"]:
    """Return the first pairs as rows: the first image with its points, what each method made, the second image.

    Blue is where content should be, red where the tracker finds it; on the second image both are the same place.
    """
    tiles = []
    rows = range(min(PAIR_ROWS, bench.settings.pairs))
    for number in rows:
        pair, session, second = pair_of(bench, number)
        tiles.append(shown(session.image(), pair.handles, pair.targets))
        for result in (one for one in pairs if one.pair.number == number):
            tiles.append(shown(session.image(dragged_codes(bench.folder, result)), result.places, pair.targets))
        tiles.append(shown(session.image(second), [None] * len(pair.targets), pair.targets))
    names = [name_of(method) for method in bench.settings.methods]
    return sheets.labeled_grid(torch.cat(tiles), len(names) + 2, ["first", *names, "second"], gap=2, text_size=12)


def failures(trials: Sequence[Trial], settings: Settings, resolution: int) -> list[tuple[Trial, str]]:
    """Return the worst drag of each kind by each method, with the kind: content that the tracker finds no more, content
    elsewhere although the drag says that it arrived, content left behind at the limit, and harm: a way back that
    leaves more than half of what the way there has changed.
    """
    worst: list[tuple[Trial, str]] = []
    for method in settings.methods:
        mine = [trial for trial in trials if trial.method == method]
        missed = [t for t in mine if t.there.off is not None and not t.brought(t.there, settings.near, resolution)]
        kinds = {
            "lost": [(-t.there.score, t) for t in mine if t.there.off is None],
            "arrived, content not": [(t.there.off or 0, t) for t in missed if t.there.reason == REACHED],
            "not arrived": [(t.there.off or 0, t) for t in missed if t.there.reason != REACHED],
            "harm": [(t.back.distance, t) for t in mine if t.back.distance > HARMFUL * t.there.distance],
        }
        for kind, ranked in kinds.items():
            if ranked:
                worst.append((max(ranked, key=lambda pair: (pair[0], -pair[1].drawn.number))[1], kind))
    return worst


def failures_sheet(bench: Bench, failed: Sequence[tuple[Trial, str]]) -> Float[Tensor, "1 3 h w"]:
    """Return failures as rows: before, at the turning point, back again."""
    tiles, labels = [], []
    for trial, kind in failed:
        drawn = trial.drawn
        tiles.append(shown(bench.open(drawn.seed).image(), [drawn.handle], [drawn.target]))
        tiles += _turned(bench, trial)
        labels.append(f"{name_of(trial.method)}: {kind}, {ground(drawn)}")
    return sheets.labeled_grid(torch.cat(tiles), 3, ["before", "there", "back"], labels, gap=2, text_size=12)
