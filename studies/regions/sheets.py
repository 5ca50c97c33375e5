"""Sheets of images for each part of the study, as JPEG. Measures nothing: strengths come from the finished trials. A
white place is a change that was out of reach.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.sheets import write_jpeg
from ganvas.comparisons.tables import short
from ganvas.images import pixels, sheets
from studies.locality.report import change_map
from studies.regions.bench import Bench, Recipe, Trial
from studies.regions.failures import ways_of
from studies.regions.parts import default
from studies.regions.plan import HEAD_NAME, Plan, telling_names, variants_of

SIZE = 96
Setting = TypeVar("Setting")
TWIN_BLUE = (64, 128, 255)
SHOWN_KINDS = ("rough box", "moved 10%", "moved 20%", "moved 30%", "larger 30%", "smaller 30%")
Images = Float[Tensor, "_n 3 _h _w"]


def write_sheets(bench: Bench, plan: Plan, folder: Path) -> list[Path]:
    """Write the sheets of all parts; returns their paths."""
    names = telling_names(plan.names)
    sheets = {f"a-{name}": directions_sheet(bench, name) for name in plan.names}
    sheets["a-shared"] = shared_sheet(bench, names)
    sheets["b-layers"] = ranges_sheet(bench, names)
    sheets |= {f"c-{name}": boxes_sheet(bench, name) for name in plan.names if variants_of(bench.regions, name)}
    sheets["d-averages"] = averages_sheet(bench, names)
    sheets["e-ridge"] = ridges_sheet(bench, names)
    sheets |= {
        f"f-{part}": failures_sheet(bench, plan, part) for part in (*plan.parts, HEAD_NAME) if part in bench.regions
    }
    return [write_jpeg(folder / f"{name.replace(' ', '-')}.jpg", sheet) for name, sheet in sheets.items()]


def directions_sheet(bench: Bench, name: str) -> Images:
    """Return the directions of a region as rows; a few held-out images at -s, 0 and +s as columns.

    s changes the region by the strong change in the median, as far as the change grows evenly.
    """
    rows, tiles, labels = _first(bench, 3), [], []
    for index in range(bench.settings.count):
        recipe = bench.recipe(name, index=index)
        strength = _typical(bench, default(bench, name, index)) * bench.settings.strong / bench.settings.target
        steps = [_shown(_at(bench, recipe, sign * strength, rows)) for sign in (-1, 0, 1)]
        steps[1] = sheets.outline(steps[1], bench.mask(name), thickness=1.0)
        tiles.append(torch.stack(steps, dim=1).flatten(0, 1))
        labels.append(f"{index}: {short(bench.direction(recipe).eigenvalue)}, s {strength:.1f}")
    columns = [text for seed in _seeds(bench, rows) for text in ("-s", f"seed {seed}", "+s")]
    return sheets.labeled_grid(torch.cat(tiles), len(columns), columns, labels, gap=2, text_size=12)


def shared_sheet(bench: Bench, names: Sequence[str]) -> Images:
    """Return many held-out images as rows, and the first direction of each region at -s and +s as columns."""
    rows = _first(bench, 8)
    before = bench.originals[list(rows)]
    for name in names:
        before = sheets.outline(_shown(before), bench.mask(name), thickness=1.0)
    columns, labels = [before], ["before"]
    for name in names:
        strength = _typical(bench, default(bench, name)) * bench.settings.strong / bench.settings.target
        columns += [_shown(_at(bench, bench.recipe(name), sign * strength, rows)) for sign in (-1, 1)]
        labels += [f"{name} -", f"{name} +"]
    tiles = torch.stack(columns, dim=1).flatten(0, 1)
    seeds = [str(seed) for seed in _seeds(bench, rows)]
    return sheets.labeled_grid(tiles, len(columns), labels, seeds, gap=2, text_size=12)


def ranges_sheet(bench: Bench, names: Sequence[str], row: int = 0) -> Images:
    """Return regions as rows; one held-out image edited in each range of layers, with its change, as columns."""
    ranges = {f"layers {layers}": layers for layers in bench.settings.all_ranges}

    def changed(name: str, layers: str) -> list[Images]:
        return _with_change(bench, Trial(bench.recipe(name, layers), name, bench.settings.target), row)

    return _settings_sheet(bench, names, row, ranges, changed)


def boxes_sheet(bench: Bench, name: str) -> Images:
    """Return shapes as columns: where they lie, and held-out images edited by their first directions."""
    rows, found = _first(bench, 2), variants_of(bench.regions, name)
    shown = {"region": name} | {kind: found[kind][0] for kind in SHOWN_KINDS if kind in found}
    tiles = []
    for row in rows:
        tiles.append(_shown(bench.originals[row : row + 1]))
        tiles += [_outlined(bench, bench.originals[row : row + 1], mask) for mask in shown.values()]
        tiles.append(torch.ones_like(tiles[0]))
        trials = [Trial(bench.recipe(mask), name, bench.settings.target) for mask in shown.values()]
        tiles += [_shown(_edited(bench, trial, row, align=bench.recipe(name))) for trial in trials]
    labels = [label for seed in _seeds(bench, rows) for label in (f"seed {seed}", "edited")]
    return sheets.labeled_grid(torch.cat(tiles), len(shown) + 1, ["before", *shown], labels, gap=2, text_size=12)


def averages_sheet(bench: Bench, names: Sequence[str]) -> Images:
    """Return regions as rows; held-out images edited by directions from so many images, with their changes."""
    rows, sizes = _first(bench, 2), bench.settings.averages
    tiles = []
    for name in names:
        for row in rows:
            tiles.append(_outlined(bench, bench.originals[row : row + 1], name))
            for size in sizes:
                seeds = bench.settings.found_on[:size]
                trial = Trial(bench.recipe(name, seeds=seeds), name, bench.settings.target)
                tiles += _with_change(bench, trial, row, align=bench.recipe(name))
    counted = [text for size in sizes for text in (f"from {size}", "change")]
    labels = [text for seed in _seeds(bench, rows) for text in (f"seed {seed}", *counted)]
    return sheets.labeled_grid(torch.cat(tiles), len(labels), labels, list(names), gap=2, text_size=12)


def ridges_sheet(bench: Bench, names: Sequence[str], row: int = 0) -> Images:
    """Return regions as rows; one held-out image at the strong change with each ridge as columns."""
    ridges = {f"ridge {tau:g}": tau for tau in bench.settings.ridges}

    def changed(name: str, tau: float) -> list[Images]:
        trial = Trial(bench.recipe(name, tau=tau), name, bench.settings.strong)
        return _with_change(bench, trial, row, align=bench.recipe(name))

    return _settings_sheet(bench, names, row, ridges, changed)


def _settings_sheet(
    bench: Bench,
    names: Sequence[str],
    row: int,
    settings: Mapping[str, Setting],
    changed: Callable[[str, Setting], list[Images]],
) -> Images:
    """Return regions as rows; one held-out image, and what `changed` makes of a region and each setting, as columns."""
    tiles = []
    for name in names:
        tiles.append(_outlined(bench, bench.originals[row : row + 1], name))
        tiles += [image for setting in settings.values() for image in changed(name, setting)]
    labels = [f"seed {_seeds(bench, [row])[0]}", *(text for label in settings for text in (label, "change"))]
    return sheets.labeled_grid(torch.cat(tiles), len(labels), labels, list(names), gap=2, text_size=12)


def failures_sheet(bench: Bench, plan: Plan, part: str) -> Images:
    """Return ways of finding directions as rows; held-out images with the part (green) and its twin (blue) outlined,
    edited by the first direction at the strong change, and their changes.
    """
    twin = plan.parts.get(part, "")
    rows, tiles, labels = _first(bench, 3), [], []
    for way, recipes in ways_of(bench, part).items():
        labels.append(way)
        for row in rows:
            before = _outlined(bench, bench.originals[row : row + 1], part)
            tiles.append(sheets.outline(before, bench.mask(twin), TWIN_BLUE, 1.0) if twin else before)
            tiles += _with_change(bench, Trial(recipes[0], part, bench.settings.strong), row)
    columns = [text for seed in _seeds(bench, rows) for text in (f"seed {seed}", "edited", "change")]
    return sheets.labeled_grid(torch.cat(tiles), len(columns), columns, labels, gap=2, text_size=12)


def _first(bench: Bench, count: int) -> Sequence[int]:
    return range(min(count, len(bench.settings.held_out)))


def _seeds(bench: Bench, rows: Sequence[int]) -> list[int]:
    return [bench.settings.held_out[row] for row in rows]


def _typical(bench: Bench, trial: Trial) -> float:
    """Return the median strength over the seeds at which the target was reached, the limit where none was."""
    strengths = bench.cells([trial], "images")[trial].strengths
    reached = strengths[np.isfinite(strengths)]
    return float(np.median(reached)) if len(reached) else bench.settings.limit


def _at(bench: Bench, recipe: Recipe, strength: float, rows: Sequence[int]) -> Images:
    return bench.images(recipe, np.full(len(rows), strength), rows)


def _edited(bench: Bench, trial: Trial, row: int, align: Recipe | None = None) -> Images:
    """Return one image at its measured strength, white where the change was out of reach; with `align`, which must
    not differ in space, on the side of that direction, so that images beside each other change the same way.
    """
    strengths = bench.cells([trial], "images")[trial].strengths[[row]]
    if not np.isfinite(strengths).all():
        return torch.ones_like(bench.originals[row : row + 1])
    if align is not None:
        ours, other = bench.direction(trial.recipe).vector, bench.direction(align).vector
        strengths = strengths if float((ours * other).sum()) >= 0 else -strengths
    return bench.images(trial.recipe, strengths, [row])


def _with_change(bench: Bench, trial: Trial, row: int, align: Recipe | None = None) -> list[Images]:
    """Return one image edited, and a map of its change with the outline of the trial's region; both white where the
    change was out of reach.
    """
    edited = _edited(bench, trial, row, align)
    after, before = _shown(edited), _shown(bench.originals[row : row + 1])
    if bool((edited == 1).all()):
        return [after, after]
    return [after, sheets.outline(change_map(after, before), bench.mask(trial.region), (0, 0, 0), thickness=1.0)]


def _shown(images: Images) -> Images:
    return pixels.resize(images, SIZE, SIZE).clamp(-1, 1)


def _outlined(bench: Bench, images: Images, region: str) -> Images:
    return sheets.outline(_shown(images), bench.mask(region), thickness=1.0)
