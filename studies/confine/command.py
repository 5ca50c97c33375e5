"""What confined edits keep, and their seams."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ganvas.checkpoints.load import load, named_regions
from ganvas.comparisons.estimates import Estimate, median_estimate
from ganvas.comparisons.tables import table, text
from ganvas.directions.direction import Direction
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.pixels import write_image
from ganvas.io.json_files import write_json
from ganvas.io.shared_folder import claim_folder
from ganvas.latents.latent import sample
from studies.command import Out, Threads, show_line
from studies.confine.measures import COMPOSITED, Measured, measure
from studies.confine.sheet import confined_sheet
from studies.directions import TRUNCATION, first_direction
from studies.files import provenance, write_text

REGIONS = ("eyes", "mouth", "nose", "ears")
"""Those of them that the generator has are measured."""
STRENGTH, RESAMPLES, EVERY = 4.0, 2000, 4
Rows = list[dict[str, Measured]]


def study(model: str = "faces", /, *, out: Out, seeds: int = 64, threads: Threads = None) -> list[Path]:
    """Confine the first direction of every region on held-out samples, in every way, and compare with compositing.

    Writes ``confine.json``, ``confine.md`` and ``confine.jpg``.

    Args:
        model: A generator with named regions: a bundled name, a name of the zoo, or a file.
        seeds: How many samples: seeds from 100.
    """
    generator = load(model)
    regions = {name: area for name, area in named_regions(generator).items() if name in REGIONS}
    if not regions:
        raise GanvasError(f"'{model}' has none of the regions {', '.join(REGIONS)}; name some: ganvas models convert.")
    claim_folder(out, {"model": about_of(generator).hash, "seeds": seeds, "strength": STRENGTH})
    directions = {name: first_direction(generator, name, out) for name in regions}
    found: dict[str, Rows] = {}
    for name in regions:
        found[name] = [_row(generator, name, seed, directions[name], out) for seed in range(100, 100 + seeds)]
        show_line(f"{name}: {seeds} samples")
    numbers = {name: [{way: asdict(one) for way, one in row.items()} for row in rows] for name, rows in found.items()}
    sheet = confined_sheet(generator, directions, STRENGTH, TRUNCATION)
    return [
        write_json(out / "confine.json", {**provenance(), "strength": STRENGTH, "results": numbers}),
        write_text(out / "confine.md", markdown(found)),
        write_image(out / "confine.jpg", sheet),
    ]


def _row(generator: Generator, region: str, seed: int, direction: Direction, out: Path) -> dict[str, Measured]:
    """Return what every way gives on one sample; measured once."""
    path = out / "samples" / f"{region}-{seed}.json"
    if path.exists():
        return {way: Measured(**one) for way, one in json.loads(path.read_text()).items()}
    path.parent.mkdir(exist_ok=True)
    latent = sample(generator, [seed], truncation=TRUNCATION)
    measured = measure(generator, latent, direction, STRENGTH, named_regions(generator)[region], seed % EVERY == 0)
    write_json(path, {way: asdict(one) for way, one in measured.items()})
    return measured


def markdown(found: dict[str, Rows]) -> str:
    """Return a table of every region, and one of all of them together."""
    together = [row for rows in found.values() for row in rows]
    return "\n\n".join(f"### {name}\n\n{_table(rows)}" for name, rows in {**found, "all": together}.items()) + "\n"


def _table(rows: Rows) -> str:
    lines = [["way", "samples", "kept inside", "seam", "seam / compositing's", "pixels that differ outside"]]
    for way in max(rows, key=len):
        measured = [row for row in rows if way in row]
        kept, seam = (median([getattr(row[way], what) for row in measured]) for what in ("kept", "seam"))
        quotient = median([row[way].seam / row[COMPOSITED].seam for row in measured])
        outside = sum(row[way].outside_pixels for row in measured)
        lines.append([way, str(len(measured)), text(kept), text(seam), text(quotient), f"{outside:,}"])
    return table(lines)


def median(values: list[float]) -> Estimate:
    """Return the median of one value for each sample, and its interval over samples."""
    return median_estimate(np.array([values]), RESAMPLES)
