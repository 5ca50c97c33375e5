"""What the table of inversions shows: means with 95 % intervals, and a sheet of the first photos."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.estimates import Estimate, mean_estimate
from ganvas.comparisons.inversion.table import LOSSES, Row, TableCell, images_of, measured_side
from ganvas.comparisons.reconstruction import TITLES
from ganvas.comparisons.tables import table
from ganvas.images import pixels, sheets
from ganvas.io.files import atomic_path
from ganvas.io.json_files import write_json

SHOWN = 6
MEASURES = {**TITLES, "perceptual": "perceptual", "from_mean": "std from the mean"}


def markdown(cells: Sequence[TableCell], perceptual: str, side: int) -> str:
    """Return the table: rows are generators and spaces, column groups losses; `perceptual` names the distance, and
    `side` the size at which all was measured.
    """
    measures = [name for name in MEASURES if all(getattr(cell, name) is not None for cell in cells)]
    columns = [(column, measure) for column in LOSSES for measure in measures]
    head = ["", *(f"{column}: {perceptual if name == 'perceptual' else MEASURES[name]}" for column, name in columns)]
    by_place = {(cell.row, cell.column): cell for cell in cells}
    lines = [head]
    for row in dict.fromkeys(cell.row for cell in cells):
        numbers = [mean_estimate(getattr(by_place[row, column], name)) for column, name in columns]
        lines.append([row, *(_text(number, name) for number, (_, name) in zip(numbers, columns, strict=True))])
    note = f"PSNR, SSIM and distance of photos and images brought to {side} x {side} pixels, by area."
    return f"{table(lines)}\n\n{note}\n"


def _text(number: Estimate, measure: str) -> str:
    digits = 1 if measure == "psnr" else 2 if measure == "from_mean" else 3
    return f"{number.value:.{digits}f} ({number.low:.{digits}f}–{number.high:.{digits}f})"


def sheet(
    rows: Sequence[Row], cells: Sequence[TableCell], photos: Mapping[int, Tensor], folder: Path, side: int
) -> Float[Tensor, "1 3 height width"]:
    """Return the first photos over what they became: a line for each row and loss, all at `side` pixels."""
    generators = {row.title: row.generator for row in rows}
    largest = photos[max(photos)][:SHOWN].cpu()
    lines, labels = [largest], ["photo"]
    for cell in cells:
        lines.append(images_of(cell, generators[cell.row], folder, SHOWN))
        labels.append(f"{cell.row}: {cell.column}")
    images = torch.cat([pixels.resize(line.clamp(-1, 1), side, side) for line in lines])
    return sheets.labeled_grid(images, len(largest), row_labels=labels)


def write(
    rows: Sequence[Row],
    cells: Sequence[TableCell],
    photos: Mapping[int, Tensor],
    folder: Path,
    perceptual: str,
    side: int = 128,
) -> list[Path]:
    """Write ``table.md``, ``table.json`` and ``table.png``; returns their paths."""
    words, numbers, image = (folder / f"table.{suffix}" for suffix in ("md", "json", "png"))
    with atomic_path(words) as temporary:
        temporary.write_text(markdown(cells, perceptual, measured_side(rows)), "utf-8")
    facts = {"perceptual_distance": perceptual, "measured_at": measured_side(rows)}
    write_json(numbers, {**facts, "cells": [_described(cell) for cell in cells]})
    pixels.write_image(image, sheet(rows, cells, photos, folder, side))
    return [words, numbers, image]


def _described(cell: TableCell) -> dict[str, Any]:
    means = {name: asdict(mean_estimate(getattr(cell, name))) for name in MEASURES if getattr(cell, name) is not None}
    return {**asdict(cell), "means": means}
