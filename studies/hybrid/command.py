"""Inversion, pivotal tuning and hybrid refinement of the same photos: how near, how fast, and whether edits survive."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.comparisons.estimates import mean_estimate
from ganvas.comparisons.reconstruction import ReconstructionMetrics
from ganvas.comparisons.sheets import write_jpeg
from ganvas.comparisons.tables import table, text
from ganvas.directions.direction import Direction
from ganvas.directions.find import find_directions, region_of
from ganvas.edits.move import edit
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.datasets import open_images
from ganvas.images.pixels import read_image, write_image
from ganvas.images.sheets import labeled_grid
from ganvas.inversion.encoder import default_start
from ganvas.inversion.features import BundledFeatures
from ganvas.inversion.hybrid import refine_hybrid
from ganvas.inversion.prepare import finish_inversion, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.tuning import TuningSettings
from ganvas.io.json_files import write_json
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.features import load_features
from ganvas.metrics.identity import Distance
from ganvas.metrics.likeness import likeness
from ganvas.metrics.locality import rms_change
from ganvas.parts.located import drawn
from studies.command import Out, Photos, Threads, show_progress
from studies.files import write_text

WAYS = ("inversion", "pivotal tuning", "hybrid refinement")
STRENGTH, SHOWN = 4.0, 4
Painter = Callable[[Tensor], Tensor]
"""Takes codes to the image of a way."""


@dataclass(frozen=True)
class Bench:
    """What all photos share."""

    generator: Generator
    direction: Direction
    mask: Float[Tensor, "1 h w"]
    metrics: ReconstructionMetrics
    identity: Distance


def study(
    model: str, photos: Photos, /, *, out: Out, count: int = 20, region: str = "mouth", threads: Threads = None
) -> list[Path]:
    """Refine photos in three ways. Writes ``hybrid.md`` and ``hybrid.jpg``.

    Args:
        model: A generator with named regions and an encoder, which inversion starts from.
        photos: A folder or zip of photos framed as its images are.
        count: How many of them, evenly spread.
        region: The region of the edit, by ReSeFa's first direction at seeds 0-3.
    """
    generator, network = load(model), load_features()
    found = find_directions(
        generator, sample(generator, range(4), truncation=0.7), region, layers=about_of(generator).layers_for(region)
    )
    side, area = generator.resolution, drawn(region_of(generator, region)[1], "one mask is measured")
    metrics = ReconstructionMetrics(BundledFeatures(network))
    alike = likeness(generator, network)
    bench = Bench(generator, found[0], area.mask(side, side), metrics, alike.to)
    held = open_images(photos, side, fewest=count)
    paths = [out / f"photo-{number:03}.json" for number in range(count)]
    for number, photo in enumerate(held.batch(held.spread(count)).split(1)):
        show_progress("Photos", number, count)
        if not paths[number].is_file():
            numbers, images = _one_photo(bench, photo)
            write_image(paths[number].with_suffix(".png"), torch.cat([photo, *images], dim=3))
            write_json(paths[number], numbers)
    rows = [json.loads(path.read_text("utf-8")) for path in paths]
    captions = ["photo", *WAYS, *(f"{way}, edited" for way in WAYS)]
    strips = [read_image(path.with_suffix(".png")) for path in paths[:SHOWN]]
    grid = labeled_grid(torch.cat([torch.cat(one.split(side, dim=3)) for one in strips]), len(captions), captions)
    return [write_text(out / "hybrid.md", _text(rows, alike.name)), write_jpeg(out / "hybrid.jpg", grid)]


def _one_photo(
    bench: Bench, photo: Float[Tensor, "1 3 h w"]
) -> tuple[dict[str, dict[str, float]], list[Float[Tensor, "1 3 h w"]]]:
    """Return the numbers of each way, and its images: of the photo, then of the edit."""
    generator, features = bench.generator, bench.metrics.features
    begun = time.perf_counter()
    settings = InversionSettings(start=default_start(generator, "w+") or "mean")
    prepared = prepare_inversion(generator, photo, settings, features=features)
    *_, step = prepared.steps()
    pivot = finish_inversion(prepared, step, 0.0).latent
    seconds = {"inversion": time.perf_counter() - begun}
    begun = time.perf_counter()
    *_, tuned = prepared.tuning(step, TuningSettings())
    tuned_latent = finish_inversion(prepared, step, 0.0, tuned).latent
    seconds["pivotal tuning"] = time.perf_counter() - begun
    begun = time.perf_counter()
    hybrid = refine_hybrid(prepared.objective, prepared.variables.at(step.x), features)
    seconds["hybrid refinement"] = time.perf_counter() - begun
    ways: dict[str, Painter] = {
        "inversion": lambda codes: generator.synthesize(codes, pivot.space),
        "pivotal tuning": lambda codes: tuned_latent.generator_for(generator).synthesize(codes, pivot.space),
        "hybrid refinement": hybrid.images,
    }
    return _measured(bench, photo, pivot, ways, seconds)


@torch.no_grad()
def _measured(
    bench: Bench, photo: Tensor, pivot: Latent, ways: dict[str, Painter], seconds: dict[str, float]
) -> tuple[dict[str, dict[str, float]], list[Tensor]]:
    moved = edit(bench.generator, pivot, bench.direction, STRENGTH)
    numbers, before, after = {}, [], []
    own = ways[WAYS[0]](moved.codes) - ways[WAYS[0]](pivot.codes)
    for way, paint in ways.items():
        still, edited = paint(pivot.codes), paint(moved.codes)
        near = {name: values[0] for name, values in bench.metrics.measure(still, photo).items()}
        change = ((edited - still) * bench.mask).flatten(), (own * bench.mask).flatten()
        numbers[way] = near | {
            "identity": bench.identity(photo)(still),
            "seconds": seconds[way],
            "edit": float(rms_change(edited, still, bench.mask)),
            "edit like the inversion's": float(torch.cosine_similarity(*change, dim=0)),
        }
        before.append(still.clamp(-1, 1))
        after.append(edited.clamp(-1, 1))
    return numbers, before + after


def _text(rows: list[dict[str, dict[str, float]]], identity: str) -> str:
    names = list(rows[0][WAYS[0]])
    titles = {"identity": identity, "edit": "change of the region by the edit"}
    lines = [["", *WAYS]]
    for name in names:
        values = ([row[way][name] for row in rows] for way in WAYS)
        lines.append([titles.get(name, name), *(text(mean_estimate(list(one))) for one in values)])
    return f"{len(rows)} photos, means with 95 % intervals.\n\n{table(lines)}\n"
