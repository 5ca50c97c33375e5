"""The files of a sketch run: a sheet of sketches with their images, an image file each, codes, and metrics."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.recipe import Recipe
from ganvas.errors import ResultFileError
from ganvas.images import pixels, sheets
from ganvas.images.saving import ImageFiles
from ganvas.inversion.batch import concatenate
from ganvas.inversion.sketch.batch import BatchSketch
from ganvas.inversion.sketch.fidelity import fidelity_of
from ganvas.inversion.sketch.search import CandidateMetrics
from ganvas.inversion.sketch.target import Sketch
from ganvas.io.json_files import plain, write_json
from ganvas.latents.latent import sample
from ganvas.reports.region_report import captioned_sheet
from ganvas.reports.sheet_size import on_sheet

SQUARES, DARK, LIGHT = 8, 0.35, 0.55
Images = Float[Tensor, "n 3 h w"]


def write_sketches(
    folder: Path,
    sketching: BatchSketch,
    lines: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    files: ImageFiles = ImageFiles(),
) -> list[Path]:
    """Write a run into a folder: the sheet, the best image of each sketch (and variant), all codes, and `lines` of
    metrics with `facts`; returns the paths.
    """
    several = len(sketching.variants) > 1
    sheet = variants_sheet(sketching) if several else candidates_sheet(sketching)
    paths = [pixels.write_image(folder / "sketches.png", sheet)]
    for (row, _), result in sketching.results.items():
        one = result.settings
        variant = f"weight-{one.delta_weight:g}-steps-{one.steps}" if several else "image"  # not the sketch's own name
        path = folder / f"{sketching.sketches[row].name}-{variant}.png"
        paths.append(files.write(path, result.images[:1]))
    paths.append(sketching.latent().save(folder / "latent.safetensors"))
    chosen = concatenate([result.latent.rows([0]) for result in sketching.results.values()])
    paths.append(Recipe(chosen).save(folder / "sketch.recipe"))
    numbers = plain({"settings": facts, "images": lines})
    return [*paths, write_json(folder / "numbers.json", numbers, ResultFileError)]


def metrics_of(sketching: BatchSketch) -> list[dict[str, Any]]:
    """Return the metrics of every candidate, the chosen one of each sketch and variant first."""
    return [
        {
            "sketch": sketching.sketches[row].name,
            "fidelity": fidelity_of(result.settings.delta_weight),
            "delta_weight": result.settings.delta_weight,
            "candidate": rank,
            "chosen": rank == 0,
            **vars(metrics),
            "seconds": result.seconds,
        }
        for (row, _), result in sketching.results.items()
        for rank, metrics in enumerate(result.metrics)
    ]


def candidates_sheet(sketching: BatchSketch) -> Float[Tensor, "1 3 height width"]:
    """Return one image: a line for each sketch with its candidates, the chosen one first, and the nearest random
    image; above each the start, the loss, the masked distance relative to the nearest random image's where there is
    one, and how real the discriminator finds it, where there is one.
    """
    images, captions = [], []
    for (row, _), result in sketching.results.items():
        images += [over_checkerboard(sketching.sketches[row]), on_sheet(result.images.clamp(-1, 1))]
        captions += [result.sketch.name, *(caption_of(one, rank == 0) for rank, one in enumerate(result.metrics))]
        if sketching.random:
            images.append(on_sheet(nearest_image(sketching, row).clamp(-1, 1)))
            captions.append(f"nearest of {sketching.random}")
    columns = 1 + sketching.variants[0].candidates + bool(sketching.random)
    return captioned_sheet(torch.cat(images), columns, captions)


def variants_sheet(sketching: BatchSketch) -> Float[Tensor, "1 3 height width"]:
    """Return one image: a line for each sketch with the best image of every variant; missing ones are white."""
    images, rows = [], sorted({row for row, _ in sketching.results})
    for row in rows:
        drawing = over_checkerboard(sketching.sketches[row])
        found = [sketching.results.get((row, column)) for column in range(len(sketching.variants))]
        best = [torch.ones_like(drawing) if one is None else on_sheet(one.images[:1].clamp(-1, 1)) for one in found]
        images += [drawing, *best]
    heads = [f"{one.delta_weight:g}, {one.steps} steps" for one in sketching.variants]
    names = [sketching.sketches[row].name[:20] for row in rows]
    return sheets.labeled_grid(torch.cat(images), 1 + len(heads), ["weight", *heads], names)


def caption_of(metrics: CandidateMetrics, chosen: bool) -> str:
    """Return the two lines above a candidate: its start and distance, its loss and realness."""
    score = "" if math.isnan(metrics.realness) else f", real {metrics.realness:.2f}"
    return f"{'CHOSEN ' * chosen}{metrics.start}: {distance_text(metrics)}\nloss {metrics.loss:.3f}{score}"


def distance_text(metrics: CandidateMetrics) -> str:
    """Return the masked distance relative to the nearest random image's, without one as it is."""
    relative = metrics.relative_distance
    return f"{metrics.distance:.3f}" if math.isnan(relative) else f"{relative:.2f}"


def over_checkerboard(sketch: Sketch) -> Float[Tensor, "1 3 height width"]:
    """Return a sketch at the size of sheets over gray squares, on which white and black strokes show."""
    colors = on_sheet(sketch.colors.cpu())
    alpha = on_sheet(sketch.alpha[None].expand(-1, 3, -1, -1).cpu()).clamp(0, 1)
    index = torch.arange(colors.shape[-1]) // SQUARES
    squares = torch.where((index[:, None] + index) % 2 == 0, LIGHT, DARK).to(colors)
    return alpha * colors.clamp(-1, 1) + (1 - alpha) * squares


def nearest_image(sketching: BatchSketch, row: int) -> Images:
    """Return the random image that is nearest to a sketch."""
    assert sketching.random_images is not None
    seeds = sketching.random_images.nearest_seeds(row, 1)
    label = sketching.variants[0].label
    return torch.cat(list(sample(sketching.generator, seeds, label=label).images(sketching.generator)))


def metric_lines(metrics: Sequence[dict[str, Any]]) -> list[str]:
    """Return the metrics of the candidates of each sketch, the chosen one first, one line each."""
    width = max(len(line["sketch"]) for line in metrics)
    scored = "    OOD score" if "ood_score" in metrics[0] else ""
    heads = "weight  steps  start         loss      distance  of the nearest  from the mean  realness"
    lines = [f"{'':{width}}  {heads}{scored}"]
    for line in metrics:
        ratio = line["relative_distance"]
        relative = "" if ratio != ratio else f"{ratio:.2f} times"
        real = "" if line["realness"] != line["realness"] else f"{line['realness']:.2f}"
        score = f"  {line['ood_score']:11.2f}" if scored else ""
        lines.append(
            f"{line['sketch']:{width}}  {line['delta_weight']:<6.3g}  {line['steps']:5}  {line['start']:12}  "
            f"{line['loss']:8.4f}  {line['distance']:8.4f}  {relative:>14}  {line['from_mean']:13.2f}  {real:>8}{score}"
        )
    return lines
