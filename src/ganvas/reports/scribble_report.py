"""What scribbling leaves: a sheet of sketches with their images, an image file for each, codes, and numbers."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ResultFileError
from ganvas.images import pixels, sheets
from ganvas.inversion.sketch.batch import Scribbling
from ganvas.inversion.sketch.fidelity import position_of
from ganvas.inversion.sketch.paint import Mark, Painting
from ganvas.inversion.sketch.sketch import Sketch
from ganvas.io.files import atomic_path
from ganvas.latents.latent import sample
from ganvas.reports.records import without_nan
from ganvas.reports.region_report import captioned_sheet, on_sheet

SQUARES, DARK, LIGHT = 8, 0.35, 0.55
Images = Float[Tensor, "n 3 h w"]


def write_scribbles(
    folder: Path, work: Scribbling, lines: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> list[Path]:
    """Write what there is of a work into a folder: the sheet, the best image of each sketch (with several variants of
    each of these), all codes, and the numbers of `told` with `facts`; returns the paths.
    """
    several = len(work.variants) > 1
    sheet = variants_sheet(work) if several else candidates_sheet(work)
    paths = [pixels.write_image(folder / "scribble.png", sheet)]
    for (row, _), painting in work.paintings.items():
        one = painting.settings
        variant = f"weight-{one.delta:g}-steps-{one.steps}" if several else "image"  # never the sketch's own name
        path = folder / f"{work.sketches[row].name}-{variant}.png"
        paths.append(pixels.write_image(path, painting.images[:1]))
    paths.append(work.latent().save(folder / "latent.safetensors"))
    paths.append(folder / "numbers.json")
    with atomic_path(paths[-1], ResultFileError) as temporary:
        text = json.dumps({"settings": dict(facts), "images": [without_nan(line) for line in lines]}, indent=1)
        temporary.write_text(text + "\n", "utf-8")
    return paths


def told(work: Scribbling) -> list[dict[str, Any]]:
    """Return the numbers of every candidate, the best of each sketch and variant first."""
    return [
        {
            "sketch": work.sketches[row].name,
            "dial": position_of(painting.settings.delta),
            "delta_weight": painting.settings.delta,
            "candidate": place,
            **mark.as_dict(),
            "seconds": painting.seconds,
        }
        for (row, _), painting in work.paintings.items()
        for place, mark in enumerate(painting.marks)
    ]


def variant_name(painting: Painting) -> str:
    """Return what the settings of an image are called on a sheet."""
    return f"weight {painting.settings.delta:g}, {painting.settings.steps}"


def candidates_sheet(work: Scribbling) -> Float[Tensor, "1 3 height width"]:
    """Return one image: a line for each sketch, with its candidates, the best first, and the nearest random image;
    above each the start and the masked distance, as a multiple of the nearest random image's where there is one.
    """
    images, captions = [], []
    for (row, _), painting in work.paintings.items():
        images += [laid_on_squares(work.sketches[row]), shown(painting.images)]
        captions += [painting.sketch.name, *(f"{mark.start}: {in_short(mark)}" for mark in painting.marks)]
        if work.random:
            images.append(shown(nearest_image(work, row)))
            captions.append(f"nearest of {work.random}")
    columns = 1 + work.variants[0].candidates + bool(work.random)
    return captioned_sheet(torch.cat(images), columns, captions)


def variants_sheet(work: Scribbling) -> Float[Tensor, "1 3 height width"]:
    """Return one image: a line for each sketch, with the best image of every variant; what is missing is white."""
    images, rows = [], sorted({row for row, _ in work.paintings})
    for row in rows:
        sketch = laid_on_squares(work.sketches[row])
        found = [work.paintings.get((row, column)) for column in range(len(work.variants))]
        images += [sketch, *(torch.ones_like(sketch) if one is None else shown(one.images[:1]) for one in found)]
    heads = [f"{one.delta:g}, {one.steps} steps" for one in work.variants]
    names = [work.sketches[row].name[:20] for row in rows]
    return sheets.labeled_grid(torch.cat(images), 1 + len(heads), ["weight", *heads], names)


def in_short(mark: Mark) -> str:
    """Return the masked distance as a multiple of the nearest random image's, else as it is."""
    return f"{mark.distance:.3f}" if math.isnan(mark.quotient) else f"{mark.quotient:.2f}"


def laid_on_squares(sketch: Sketch) -> Float[Tensor, "1 3 height width"]:
    """Return a sketch at the size of sheets over gray squares, on which white and black strokes are seen."""
    colors, alpha = (
        on_sheet(sketch.colors.cpu()),
        on_sheet(sketch.alpha[None].expand(-1, 3, -1, -1).cpu()).clamp(0, 1),
    )
    places = torch.arange(colors.shape[-1]) // SQUARES
    squares = torch.where((places[:, None] + places) % 2 == 0, LIGHT, DARK).to(colors)
    return alpha * colors.clamp(-1, 1) + (1 - alpha) * squares


def nearest_image(work: Scribbling, row: int) -> Images:
    """Return the image, of the random ones that were looked at, that is nearest to a sketch."""
    assert work.nearest is not None
    seeds = work.nearest.seeds(row, 1)
    return torch.cat(list(sample(work.generator, seeds, label=work.variants[0].label).images(work.generator)))


def shown(images: Images) -> Float[Tensor, "n 3 height width"]:
    """Return images as sheets show them."""
    return on_sheet(images.clamp(-1, 1))
