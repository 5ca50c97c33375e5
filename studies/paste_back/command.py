"""Edits of photos put back at full size: counts what differs outside, and shows crops at 100 %."""

import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.comparisons.sheets import write_jpeg
from ganvas.directions.direction import Direction
from ganvas.directions.files import load_directions
from ganvas.directions.find import find_directions
from ganvas.directions.resefa import ReSeFa
from ganvas.edits.paste_back import paste_back
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import render
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import from_bytes
from ganvas.images.sheets import labeled_grid
from ganvas.images.stored_photo import read_stored
from ganvas.inversion.open import open_photo
from ganvas.inversion.photos import photo_files
from ganvas.io.json_files import write_json
from ganvas.latents.latent import sample
from studies.command import Out, Photos, Threads, show_line
from studies.files import provenance, write_text
from studies.paste_back.phones import phone_photo

Row = dict[str, Any]
EDITS = (("mouth", 0, -4.0), ("eyes", 0, 3.0), ("nose", 0, 3.0))
"""Region, number of the direction, strength."""
AUTO = "auto"
DETAILS: tuple[tuple[str, float | Literal["auto"]], ...] = (("change added", 1.0), (AUTO, AUTO), ("edited image", 0.0))
SEEDS, RESOLUTION, LAYERS = range(3), 64, "4-6"
CROP = 320  # pixels of a crop


def study(model: str, photos: Photos, /, *, out: Out, count: int = 10, threads: Threads = None) -> list[Path]:
    """Edit photos at mouth, eyes and nose, confined, and put the edits back: at the photo's size with the change added,
    chosen by itself, and with the edited image blended in; and into files of 12 megapixels. Writes a sheet of crops at
    100 % for each region, and a table. Directions and inversions are kept; all else is done again.

    Args:
        model: A generator of faces: a bundled name, a name of the zoo, or a file.
        count: Number of photos.
    """
    generator = load(model)
    out.mkdir(parents=True, exist_ok=True)
    directions = {region: direction_at(out, generator, region, index) for region, index, _ in EDITS}
    rows, crops = list[Row](), {region: list[Tensor]() for region, *_ in EDITS}
    for number, photo in enumerate(photo_files([photos])[:count]):
        latent = open_photo(photo, generator).latent
        for region, _, strength in EDITS:
            recipe = Recipe(latent).move(directions[region], strength, inside=region)
            row, shown = edited_photo(generator, recipe, region, photo, out / "pasted.png")
            rows.append(row)
            crops[region] += shown
        file, placed = phone_photo(out, photo, latent, number)
        mouth, _, strength = EDITS[0]
        recipe = Recipe(placed).move(directions[mouth], strength, inside=mouth)
        rows.append(measured(generator, recipe, file, file.with_name(f"{file.stem}-pasted{file.suffix}")))
        show_line(f"{photo.name}: {rows[-1]}")
    heads = ["photo", *(name for name, _ in DETAILS)]
    sheets = [
        write_jpeg(out / f"{region}.jpg", labeled_grid(torch.cat(images), len(heads), heads))
        for region, images in crops.items()
    ]
    write_json(out / "paste-back.json", {"rows": rows, **provenance()})
    return [*sheets, write_text(out / "paste-back.md", table(rows)), out / "paste-back.json"]


def edited_photo(
    generator: Generator, recipe: Recipe, region: str, photo: Path, path: Path
) -> tuple[Row, list[Float[Tensor, "1 3 h w"]]]:
    """Return what was measured, and crops of the photo and of it with the edit, for each of `DETAILS`."""
    edited, levels, shown = render(generator, recipe), read_stored(photo).levels, list[np.ndarray]()
    row: Row = {}
    for name, detail in DETAILS:
        row = row if name != AUTO else measured(generator, recipe, photo, path)
        if name != AUTO:
            paste_back(generator, edited, photo, path, original=recipe.base, region=region, detail=detail)
        shown.append(read_stored(path).levels)
    rows, columns = (shown[0] != levels).any(axis=2).nonzero()
    top, left = (
        min(max(0, int(at.min() + at.max() - CROP) // 2), size - CROP)
        for at, size in zip((rows, columns), levels.shape[:2], strict=True)
    )
    cut = [torch.from_numpy(one[top : top + CROP, left : left + CROP].copy())[None] for one in (levels, *shown)]
    return {**row, "region": region}, [from_bytes(one) for one in cut]


def measured(generator: Generator, recipe: Recipe, photo: Path, path: Path) -> Row:
    """Put a recipe's edit back into a photo, and count what differs outside."""
    begun = time.process_time()
    done = paste_back(generator, recipe, photo, path)
    seconds = time.process_time() - begun
    before, after = read_stored(photo), read_stored(path)
    differs = (before.levels != after.levels).any(axis=2)
    size = np.abs(before.levels.astype(int) - after.levels)[~done.inside]
    return {
        "file": photo.name,
        "format": before.format,
        "bits": 8 * before.levels.itemsize,
        "orientation": before.orientation,
        "megapixels": round(done.pixels / 1e6, 1),
        "inside": done.changed,
        "differing inside": int((differs & done.inside).sum()),
        "differing outside": int((differs & ~done.inside).sum()),
        "mean difference outside": round(float(size.mean()), 4),
        "largest": int(size.max()),
        "detail kept": round(done.detail, 2),
        "CPU seconds": round(seconds, 1),
        "peak GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "region": recipe.active[0].inside,
    }


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    heads = ("file", "format", "bits", "orientation", "megapixels", "region", "inside", "differing inside")
    heads += ("differing outside", "mean difference outside", "largest", "detail kept", "CPU seconds", "peak GB")
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[head]) for head in heads)} |" for row in rows)])


def direction_at(out: Path, generator: Generator, region: str, index: int) -> Direction:
    """Return a direction, found once."""
    path = out / f"{region}.directions.safetensors"
    if not path.exists():
        latent, method = sample(generator, SEEDS, truncation=0.7), ReSeFa(resolution=RESOLUTION)
        find_directions(generator, latent, region, method=method, layers=LAYERS, count=4).save(path)
    return load_directions(path)[index]
