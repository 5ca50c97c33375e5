"""How local strong edits stay, in every way to go."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from ganvas.checkpoints.load import load, named_regions
from ganvas.comparisons.estimates import median_estimate
from ganvas.comparisons.sheets import write_jpeg
from ganvas.comparisons.tables import table, text
from ganvas.directions.direction import Direction
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.pixels import write_image
from ganvas.io.json_files import plain, write_json
from ganvas.io.shared_folder import claim_folder
from ganvas.latents.latent import sample
from ganvas.metrics.features import load_features
from ganvas.metrics.identity import Distance
from ganvas.metrics.likeness import likeness
from studies.command import Out, Threads, show_line
from studies.directions import TRUNCATION, first_direction
from studies.files import provenance, write_text
from studies.strong_edits.measures import ALIKE, RESOLUTION, STRAIGHT, TARGETS, Start, measured, reach
from studies.strong_edits.sheet import SHOWN, strong_sheet

REGIONS = ("mouth", "eyes")
FIRST, RESAMPLES = 104, 2000
Row = dict[str, dict[str, dict[str, float]]]
"""Numbers by way, target and name."""


def study(
    model: str = "faces", /, *, out: Out, seeds: int = 16, costly: int = 2, threads: Threads = None
) -> list[Path]:
    """Go along the first direction of eyes and mouth on held-out samples, in every way, to equal changes inside.

    Writes ``strong-edits.json``, ``strong-edits.md`` and ``strong-edits.jpg``.

    Args:
        model: A generator of the w family with regions eyes and mouth.
        seeds: How many samples: seeds from 104, every second one against the direction.
        costly: On how many of them the ways are gone, too, that compute many Jacobians.
    """
    generator = load(model)
    if not set(REGIONS) <= set(named_regions(generator)) or generator.layers == 0:
        raise GanvasError(f"'{model}' lacks the regions {', '.join(REGIONS)} or the space w+; give another generator.")
    claim_folder(out, {"model": about_of(generator).hash, "targets": list(TARGETS)})
    method = ReSeFa(resolution=min(RESOLUTION, generator.resolution))
    directions = {name: first_direction(generator, name, out, method) for name in REGIONS}
    distance = likeness(generator, load_features(device=generator.device)).to
    rows: dict[str, list[Row]] = {name: [] for name in REGIONS}
    for number, dear in [*((number, False) for number in range(seeds)), *((number, True) for number in range(costly))]:
        for name, row in _rows(generator, FIRST + number, directions, dear, distance, out).items():
            rows[name].append(row)
        show_line(f"seed {FIRST + number}")
    return [
        write_json(out / "strong-edits.json", {**provenance(), "results": rows}),
        write_text(out / "strong-edits.md", markdown(rows)),
        write_jpeg(out / "strong-edits.jpg", strong_sheet(generator, out / "images")),
    ]


def _rows(
    generator: Generator, seed: int, directions: Mapping[str, Direction], costly: bool, distance: Distance, out: Path
) -> dict[str, Row]:
    """Return what every way did for every region of one sample; measured once."""
    path = out / "samples" / f"{seed}{'-costly' if costly else ''}.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        latent = sample(generator, [seed], truncation=TRUNCATION)
        start = Start.of(generator, latent, directions[REGIONS[0]])
        original, found = generator.synthesize(start.latent), {}
        for name, direction in directions.items():
            area, sign = named_regions(generator)[name], 1.0 if seed % 2 == 0 else -1.0
            reached = reach(start, direction, sign, area, costly)
            found[name] = {
                way: {target: asdict(one) for target, one in by_target.items()}
                for way, by_target in measured(reached, original, area, distance).items()
            }
            if seed < FIRST + SHOWN:
                (out / "images").mkdir(exist_ok=True)
                for way, image in {"original": original, **_strongest(reached)}.items():
                    write_image(out / "images" / f"{name}-{seed}-{way}.png", image)
        write_json(path, plain(found, str))
    return json.loads(path.read_text())


def _strongest(reached: Mapping[tuple[str, float], tuple[float, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {way: image for (way, target), (_, image) in reached.items() if target == TARGETS[-1]}


def markdown(rows: Mapping[str, list[Row]]) -> str:
    """Return a table of every region, and one of both."""
    together = [row for one in rows.values() for row in one]
    return "\n\n".join(f"### {name}\n\n{_table(some)}" for name, some in {**rows, "all": together}.items()) + "\n"


def _table(rows: list[Row]) -> str:
    lines = [["way", "change inside", "reached", "change outside", "outside / straight's", "seam / straight's"]]
    lines[0] += ["likeness", "distance", "distance / straight's", "length"]
    for way in dict.fromkeys(way for row in rows for way in row):
        for target in (f"{one:g}" for one in TARGETS):
            asked = [row for row in rows if way in row and (way != STRAIGHT or ALIKE in row)]
            both = [
                (row[way][target], row[STRAIGHT][target]) for row in asked if target in row[way].keys() & row[STRAIGHT]
            ]
            if both:
                lines.append([way, target, f"{len(both)} of {len(asked)}", *_cells(both, target == f"{TARGETS[-1]:g}")])
    return table(lines)


def _cells(both: list[tuple[dict[str, float], dict[str, float]]], last: bool) -> list[str]:
    """Return the numbers of one way at one target, beside those of the straight one."""
    ours = {name: [one[name] for one, _ in both] for name in both[0][0]}
    over = {name: [one[name] / other[name] for one, other in both] for name in ("outside", "seam")}
    columns = [ours["outside"], over["outside"], over["seam"], ours["likeness"]]
    if last:
        columns += [ours["distance"], [one["distance"] / other["distance"] for one, other in both]]
    texts = [text(median_estimate(np.array([values]), RESAMPLES)) for values in columns]
    return [*texts, *([] if last else ["", ""]), f"{np.median(ours['length']):.1f}"]
