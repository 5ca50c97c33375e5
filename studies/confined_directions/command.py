"""How much more inside directions made for confined edits change at the same seam; the dial from local to global."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load, named_regions
from ganvas.comparisons.estimates import median_estimate
from ganvas.comparisons.matching import match_strength
from ganvas.comparisons.sheets import write_jpeg
from ganvas.comparisons.tables import table, text
from ganvas.directions.cached import cache_jacobians
from ganvas.directions.direction import Direction, Directions
from ganvas.directions.files import load_directions
from ganvas.directions.resefa import ReSeFa
from ganvas.edits.confine import ConfinedImages, confine
from ganvas.edits.move import edit
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import sheets
from ganvas.io.json_files import plain, write_json
from ganvas.io.shared_folder import claim_folder
from ganvas.latents.latent import sample
from ganvas.metrics.locality import rms_change
from studies.command import Out, Threads, show_line
from studies.confined_directions.searches import PLAIN, searches
from studies.files import provenance, write_text

REGIONS = ("mouth", "eyes")
FOUND_ON, FIRST, TRUNCATION, STRENGTH, LONGEST, RESAMPLES = (0, 1), 104, 0.7, 4.0, 24.0, 2000
TRIES, TOLERANCE = 8, 0.03
WEIGHTS = (0.0, 0.03, 0.1, 0.2, 0.4, 1.0)
DIAL_SEEDS, DIAL_CHANGE, DIAL_RESOLUTION, DIAL_LAYERS = (104, 107), 0.2, 64, "0-3"
Rows = dict[str, list[dict[str, float]]]


def study(model: str = "faces", /, *, out: Out, seeds: int = 16, threads: Threads = None) -> list[Path]:
    """Confine the first direction of every way at the seam that ReSeFa's has at strength 4, on held-out samples.

    Writes ``directions.json``, ``directions.md`` and ``dial.jpg``.

    Args:
        model: A generator of the w family with regions eyes and mouth.
        seeds: How many samples: seeds from 104, every second one against the direction.
    """
    generator = load(model)
    if not set(REGIONS) <= set(named_regions(generator)) or generator.layers == 0:
        raise GanvasError(f"'{model}' lacks the regions {', '.join(REGIONS)} or the space w+; give another generator.")
    claim_folder(out, {"model": about_of(generator).hash, "strength": STRENGTH})
    rows: Rows = {}
    for name in REGIONS:
        directions = _directions(generator, name, out)
        rows[name] = [_row(generator, name, seed, directions, out) for seed in range(FIRST, FIRST + seeds)]
        show_line(f"{name}: {seeds} samples")
    return [
        write_json(out / "directions.json", {**provenance(), "results": plain(rows, str)}),
        write_text(out / "directions.md", markdown(rows)),
        write_jpeg(out / "dial.jpg", torch.cat([dial(generator, REGIONS[0], seed) for seed in DIAL_SEEDS], dim=2)),
    ]


def _directions(generator: Generator, region: str, out: Path) -> dict[str, Direction]:
    """Return the direction of a region in every way, found once."""
    path = out / f"{region}.json"
    if not path.exists():
        latent = sample(generator, FOUND_ON, space="w", truncation=TRUNCATION)
        layers = about_of(generator).layers_for(region) or None
        found = searches(generator, latent, named_regions(generator)[region], layers)
        for number, one in enumerate(found.values()):
            Directions.of(one).save(out / f"{region}-{number}.safetensors")
        write_json(path, [*found])
    names = json.loads(path.read_text())
    return {name: load_directions(out / f"{region}-{i}.safetensors")[0] for i, name in enumerate(names)}


def _row(
    generator: Generator, region: str, seed: int, directions: Mapping[str, Direction], out: Path
) -> dict[str, float]:
    """Return the change inside that every direction reaches at the seam of ReSeFa's, over what that one reaches; inf
    where no strength was found that gives such a seam. Measured once.
    """
    path = out / "samples" / f"{region}-{seed}.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        sign = 1.0 if seed % 2 == 0 else -1.0
        reference = _confined(generator, region, seed, directions[PLAIN], sign * STRENGTH)
        found = {name: _gain(generator, region, seed, one, sign, reference) for name, one in directions.items()}
        write_json(path, plain(found, str))
    return {name: float(value) for name, value in json.loads(path.read_text()).items()}


def _gain(
    generator: Generator, region: str, seed: int, direction: Direction, sign: float, reference: ConfinedImages
) -> float:
    strength, wanted = STRENGTH, float(reference.seam)
    for _ in range(TRIES):
        reached = _confined(generator, region, seed, direction, sign * strength)
        seam = float(reached.seam)
        if abs(seam / wanted - 1) <= TOLERANCE:
            return float(reached.inside_change / reference.inside_change)
        strength *= min(max(wanted / seam, 0.25), 4.0)  # a seam is about proportional to the strength
        if strength > LONGEST:
            break
    return math.inf


def _confined(generator: Generator, region: str, seed: int, direction: Direction, strength: float) -> ConfinedImages:
    latent = sample(generator, [seed], truncation=TRUNCATION)
    return confine(generator, latent, edit(generator, latent, direction, strength), region)


def markdown(rows: Rows) -> str:
    """Return a table of the medians, with one row for each way, and how many never had such a seam."""
    lines = [["way", *rows, "both", "not reached"]]
    for name in rows[next(iter(rows))][0]:
        by_region = [np.array([[row[name] for row in some]]) for some in rows.values()]
        both = np.concatenate(by_region, axis=1)
        texts = [text(median_estimate(values, RESAMPLES)) for values in (*by_region, both)]
        lines.append([name, *texts, f"{int(np.isinf(both).sum())} of {both.size}"])
    return table(lines) + "\n"


@torch.no_grad()
def dial(generator: Generator, region: str, seed: int) -> Float[Tensor, "1 3 height width"]:
    """Return the dial from local to global: the first direction of a region of one image by the background's weight,
    both signs, each where it has changed the region by `DIAL_CHANGE`; the layers move that hold shapes and pose. Signs
    are those that go with the weight before.
    """
    latent = sample(generator, [seed], truncation=TRUNCATION)
    size = generator.resolution
    method = ReSeFa(resolution=min(DIAL_RESOLUTION, size))
    cached = cache_jacobians(generator, latent, space="w", layers=DIAL_LAYERS, method=method)
    original, (mask, outside) = generator.synthesize(latent), named_regions(generator)[region].split(size, size)
    rows, heads = [[sheets.outline(original, mask, thickness=1.0)], [original]], ["original"]
    before = torch.zeros(())
    for weight in WEIGHTS:
        weighted = replace(cached.search, method=replace(method, background_weight=weight))
        direction = replace(cached, search=weighted).find(region, 1)[0]
        if float((before * direction.vector).sum()) < 0:
            direction = replace(direction, vector=-direction.vector)
        before = direction.vector

        def change(_: Tensor, strengths: Tensor, direction: Direction = direction) -> Float[Tensor, "1"]:
            edited = edit(generator, latent, direction, float(strengths[0]))
            return rms_change(generator.synthesize(edited), original, mask)

        changes = []
        for row, sign in zip(rows, (-1.0, 1.0), strict=True):

            def signed(rows: Tensor, strengths: Tensor, sign: float = sign) -> Float[Tensor, "1"]:
                return change(rows, sign * strengths)

            strength = sign * float(match_strength(signed, 1, DIAL_CHANGE, LONGEST)[0])
            row.append(generator.synthesize(edit(generator, latent, direction, strength)))
            changes.append(float(rms_change(row[-1], original, outside)))
        heads.append(f"{weight:g}\n(outside {np.mean(changes):.2f})")
    return sheets.labeled_grid(torch.cat([*rows[0], *rows[1]]).clamp(-1, 1), len(heads), heads, ["-", "+"])
