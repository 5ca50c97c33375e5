"""A comparison of methods for directions as tables, a plot and images of the same faces by every method."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.directions.cells import SHARD, Cell, Measured
from ganvas.comparisons.directions.results import Line
from ganvas.comparisons.directions.run import ComparedDirections
from ganvas.comparisons.estimates import Estimate
from ganvas.comparisons.tables import short, table, text
from ganvas.images.pixels import read_image, write_image
from ganvas.images.saving import file_name
from ganvas.images.sheets import labeled_grid
from ganvas.io.json_files import plain, write_json
from ganvas.reports.html import TablesSection, tables_page
from ganvas.reports.plots import can_plot, figure

COLORS = (
    *("#0b5fa5", "#d1495b", "#3c8d53", "#8a5ba8", "#c77f1a", "#4a9aa5", "#7a7a7a", "#a0522d", "#5c6b8a", "#b0a030"),
    *("#e08fb0", "#2f4858", "#98c379"),
)
"""As many as there are methods."""
GRAY = "A gray panel: this method does not reach that change in this image, at any strength tried."


def markdown(found: ComparedDirections) -> str:
    """Return a table for each region and level, and one of the searches."""
    parts = []
    for region in found.settings.regions:
        for level in found.settings.levels:
            rows = [line for line in found.lines if (line.region, line.level) == (region, level)]
            parts += [f"### {region}, change inside {level:g}", table(table_rows(rows, found))]
    if found.unedited is not None:
        parts.append(unedited(found))
    return "\n\n".join([*parts, "### Searches", table(search_rows(found))]) + "\n"


def unedited(found: ComparedDirections) -> str:
    """Say how far the unedited images are from the reference."""
    second = "" if found.unedited_second is None else f"; by {found.second}: {found.unedited_second}"
    return f"Kernel MMD of the unedited images to the reference: {found.unedited}{second}."


def table_rows(lines: Sequence[Line], found: ComparedDirections) -> list[list[str]]:
    """Return the rows of a region and level, the head first, the method that changes least outside on top."""
    head = ["method", "outside / inside, best direction", "mean of directions", "ReSeFa / it", found.identity]
    second = [f"kernel MMD, {found.second}"] if found.second else []
    parts = [f"{found.perceptual} {part}" for part in ("inside", "outside")] if found.perceptual else []
    rows = [[*head, *parts, "kernel MMD", *second, "strength", "not reached"]]
    for line in sorted(lines, key=lambda one: one.outside.value):
        rows.append(
            [
                line.method,
                text(line.outside),
                text(line.mean),
                _text(line.against),
                _text(line.identity),
                *([_text(line.perceptual_inside), _text(line.perceptual_outside)] if found.perceptual else []),
                "" if line.distribution is None else str(line.distribution),
                *([str(line.second or "")] if found.second else []),
                short(line.strength),
                f"{line.unreached} of {line.measured}",
            ]
        )
    return rows


def _text(number: Estimate | None) -> str:
    return "" if number is None else text(number)


def search_rows(found: ComparedDirections) -> list[list[str]]:
    """Return the rows of the searches, the head first."""
    rows = [["region", "method", "derivatives, s", "all else, s", "for regions together", "directions"]]
    for (number, method), search in found.searches.items():
        times = [f"{search.derivatives:.1f}", f"{search.solving:.1f}"]
        times.append(str(search.together))
        rows.append([found.settings.regions[number], method, *times, search.reason or str(search.count)])
    return rows


def write_comparison(folder: Path, found: ComparedDirections, facts: dict[str, Any]) -> list[Path]:
    """Write comparison.json, from which all else can be made again, comparison.md, comparison.png, an image of the same
    faces by every method for each region, and comparison.html, which holds all.
    """
    tables = folder / "comparison.md"
    tables.write_text(markdown(found), "utf-8")
    searches = [
        {"region": found.settings.regions[number], "method": method, "derivatives": one.derivatives}
        | {"solving": one.solving, "together": one.together, "directions": one.count}
        | {"reason": one.reason}
        for (number, method), one in found.searches.items()
    ]
    apart = {"": found.unedited, "_second": found.unedited_second}
    content = facts | {"settings": asdict(found.settings), "identity": found.identity, "searches": searches}
    content |= {f"unedited_kernel_mmd{name}": None if one is None else asdict(one) for name, one in apart.items()}
    content |= {"second_network": found.second, "perceptual_distance": found.perceptual}
    content |= {"lines": [asdict(line) for line in found.lines]}
    paths = [tables, write_json(folder / "comparison.json", plain(content, str))]
    grids = {}
    for number, region in enumerate(found.settings.regions):
        grid = image_grid(found, number, found.settings.levels[-1], folder / "cells")
        if grid is not None:
            grids[region] = grid
            paths.append(write_image(folder / f"{file_name(region)}.png", grid))
    drawn = [plot(found, folder / "comparison.png")] if can_plot() else []
    known = {name: str(value) for name, value in facts.items()}
    curves = read_image(*drawn) if drawn else None
    return [*paths, *drawn, write_page(folder / "comparison.html", found, grids, curves, known)]


def write_page(
    path: Path,
    found: ComparedDirections,
    grids: Mapping[str, Float[Tensor, "1 3 _h _w"]],
    curves: Float[Tensor, "1 3 _h2 _w2"] | None,
    facts: Mapping[str, str],
) -> Path:
    """Write the page: the curves, for each region the faces and a table for each level, and the searches."""
    settings = found.settings
    known = {
        **facts,
        "images": f"{settings.images} held out, from seed {settings.first_seed}, truncation {settings.truncation:g}",
        "directions": f"found at {len(settings.found_on)} images, the first {settings.directions} of each method",
        "confined": "every edit, to its region" if settings.confined else "",
        "sets": "" if found.unedited is None else unedited(found),
    }
    sections = [TablesSection("Outside over inside", "Both axes are root mean squares; lower is better.", curves)]
    for region in settings.regions:
        of_region = [line for line in found.lines if line.region == region]
        tables = [
            (f"change inside {level:g}", table_rows([line for line in of_region if line.level == level], found))
            for level in settings.levels
        ]
        how = f"by each method's first direction, at change inside {settings.levels[-1]:g}"
        sections.append(TablesSection(region, f"The same images {how}.", grids.get(region), tables, GRAY))
    sections.append(
        TablesSection("Searches", "Seconds, on the machine that searched.", None, [("", search_rows(found))])
    )
    return tables_page(
        path,
        title="Methods for directions, compared",
        intro="What changes outside a region where every method changes it equally inside.",
        facts={name: value for name, value in known.items() if value},
        sections=sections if curves is not None else sections[1:],
    )


def plot(found: ComparedDirections, path: Path) -> Path:
    """Draw the change outside over the change inside, a panel for each region (Figure 5 of ReSeFa, at equal change)."""
    regions = found.settings.regions[:4]
    with figure(path, len(regions)) as panels:
        for panel, region in zip(panels, regions, strict=True):
            for method, color in zip(found.settings.methods, cycle(COLORS), strict=False):
                lines = [line for line in found.lines if (line.region, line.method) == (region, method)]
                reached = [line for line in lines if np.isfinite(line.outside.value)]
                inside = [line.level for line in reached]
                outside = [line.level * line.outside.value for line in reached]
                panel.plot(inside, outside, marker="o", markersize=4, color=color, label=method, linewidth=1.6)
            panel.set_title(region)
            panel.set_xlabel("change inside (RMS)")
            panel.set_yscale("log")
            panel.grid(alpha=0.25, linewidth=0.6)
            panel.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel("change outside (RMS)")
        panels[-1].legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return path


def image_grid(
    found: ComparedDirections, region: int, level: float, cells: Path, rows: int = 6
) -> Float[Tensor, "1 3 h w"] | None:
    """Return the same held-out faces edited by every method at one level: the originals on the left (Figure 4); None
    where no method has directions for the region.
    """
    columns, captions, number = [], ["original"], found.settings.levels.index(level)
    for method in found.settings.methods:
        search = found.searches[region, method]
        cell = Cell(region, method, 0, 0, min(SHARD, found.settings.images))
        path = cells / f"{cell.name}.npz"
        if search.directions is None or not path.is_file():
            continue
        strengths = torch.from_numpy(Measured.load(path).at(number).strengths[:rows]).float()
        before, after = found.bench.edited(replace(cell, last=len(strengths)), search.directions[0], strengths)
        after[strengths.isinf()] = 0  # gray
        columns = columns or [before]
        columns.append(after)
        captions.append(method)
    if not columns:
        return None
    stacked = torch.stack(columns, dim=1).flatten(0, 1)
    seeds = [f"seed {seed}" for seed in found.settings.seeds[: len(columns[0])]]
    return labeled_grid(stacked, len(columns), captions, seeds)
