"""Directions that studies find once, and keep in their folders."""

from pathlib import Path

from ganvas.directions.direction import Direction
from ganvas.directions.files import load_directions
from ganvas.directions.find import find_directions
from ganvas.directions.resefa import ReSeFa
from ganvas.generators.protocol import Generator, about_of
from ganvas.latents.latent import sample

FOUND_ON, TRUNCATION = (0, 1, 2, 3), 0.7


def first_direction(generator: Generator, region: str, out: Path, method: ReSeFa = ReSeFa()) -> Direction:
    """Return the first direction of a region on seeds 0-3, found once, in the recommended layers."""
    path = out / f"directions-{region}.safetensors"
    if not path.exists():
        codes = sample(generator, FOUND_ON, space="w", truncation=TRUNCATION)
        layers = about_of(generator).layers_for(region) or None
        find_directions(generator, codes, region, layers=layers, method=method, count=2).save(path)
    return load_directions(path)[0]
