"""``python -m studies.confine.photos MODEL PHOTOS --out DIR``: confined edits of photos, to be looked at."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.comparisons.sheets import write_jpeg
from ganvas.directions.cached import cache_jacobians
from ganvas.directions.direction import Directions
from ganvas.directions.files import load_directions
from ganvas.edits.confine import confine
from ganvas.edits.move import edit
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import sheets
from ganvas.images.dataset_files import images_in
from ganvas.images.pixels import read_image, write_image
from ganvas.inversion.open import open_photo
from ganvas.latents.latent import sample
from studies.command import Out, Photos, Threads, main, show_line
from studies.files import write_text

EDITS = {"mouth": 4.0, "eyes": -4.0, "nose": 4.0}
"""Strength by region."""
FOUND_ON, TRUNCATION = (0, 1, 2, 3), 0.7


def study(model: str, photos: Photos, /, *, out: Out, threads: Threads = None) -> list[Path]:
    """Edit mouth, eyes and nose of every photo, each confined to it, and count the pixels that differ beyond.

    Writes ``photos.jpg`` and ``photos.txt``; a photo that is done is not edited again.

    Args:
        model: A generator with regions mouth, eyes and nose.
    """
    generator = load(model)
    directions = _directions(generator, out)
    tiles, names, lines = [], [], []
    for file in sorted(images_in(photos)[0]):
        image, counted = out / "photos" / f"{file.stem}.png", out / "photos" / f"{file.stem}.txt"
        if not counted.exists():
            row, count = _edited(generator, file, directions)
            write_image(image, sheets.strip(torch.cat(row).clamp(-1, 1), gap=0))
            write_text(counted, f"{file.stem}: {count} pixels differ outside")
        names.append(file.stem)
        tiles += read_image(image).split(generator.resolution, dim=-1)
        lines.append(counted.read_text().strip())
        show_line(lines[-1])
    columns = ["photo", "inversion", *(f"{name} {strength:+g}" for name, strength in EDITS.items())]
    sheet = sheets.labeled_grid(torch.cat(tiles), len(columns), columns, names)
    return [write_jpeg(out / "photos.jpg", sheet), write_text(out / "photos.txt", "\n".join(lines))]


def _directions(generator: Generator, out: Path) -> dict[str, Directions]:
    """Return the directions of every region, found once on generated images."""
    paths = {name: out / f"directions-{name}.safetensors" for name in EDITS}
    if not all(path.exists() for path in paths.values()):
        codes = sample(generator, FOUND_ON, space="w", truncation=TRUNCATION)
        cached = cache_jacobians(generator, codes, layers=about_of(generator).layers_for("mouth") or None)
        for name, path in paths.items():
            cached.find(name, 2).save(path)
    return {name: load_directions(path) for name, path in paths.items()}


def _edited(
    generator: Generator, photo: Path, directions: dict[str, Directions]
) -> tuple[list[Float[Tensor, "1 3 r r"]], int]:
    """Return photo, inversion and edits, each with the limit of what may differ, and how many pixels beyond do."""
    latent = open_photo(photo, generator).latent
    assert latent.photo is not None
    row, count = [latent.photo.images], 0
    for name, strength in EDITS.items():
        confined = confine(generator, latent, edit(generator, latent, directions[name][0], strength), name)
        row += [confined.original] if len(row) == 1 else []
        row.append(sheets.outline(confined.images, 1 - confined.outside, sheets.OUTLINE_ORANGE, thickness=1.0))
        count += int(((confined.images != confined.original).any(1) & confined.outside.bool()).sum())
    return row, count


if __name__ == "__main__":
    main("studies.confine.photos:study")
