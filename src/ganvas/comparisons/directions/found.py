"""The directions that a comparison measures: found once per method and region, kept in files with their times."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from ganvas.comparisons.directions.settings import METHODS, DirectionComparison
from ganvas.directions.direction import Directions
from ganvas.directions.files import load_directions
from ganvas.directions.find import find_directions, space_for
from ganvas.directions.jacobian import WORK
from ganvas.errors import GanvasError
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.json_files import write_json
from ganvas.io.progress import Progress
from ganvas.latents.latent import sample


@dataclass(frozen=True)
class Found:
    """Directions of a method for a region, or the ``reason`` why it found none; the seconds that derivatives took, and
    all else.
    """

    directions: Directions | None
    derivatives: float = 0.0
    solving: float = 0.0
    reason: str = ""

    @property
    def count(self) -> int:
        """How many directions there are."""
        return 0 if self.directions is None else len(self.directions)


@dataclass
class _Clock:
    """Tells the time of derivatives from that of all else, by what is reported."""

    progress: Progress
    begun: float
    derivatives: float = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        if what == WORK:
            self.derivatives = time.perf_counter() - self.begun
        self.progress(what, done, total)


def find_all(
    generator: Generator, settings: DirectionComparison, folder: Path, progress: Progress
) -> dict[tuple[int, str], Found]:
    """Return the directions of every region, by its number, and method; those in the folder are not searched again."""
    found = {}
    for number, region in enumerate(settings.regions):
        for method in settings.methods:
            path = folder / f"{number}-{method}.safetensors"
            if not path.with_suffix(".json").is_file():
                _find(generator, settings, region, method, path, progress)
            found[number, method] = read_found(path)
    return found


def read_found(path: Path) -> Found:
    """Read what a search has left."""
    numbers = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return Found(load_directions(path) if path.is_file() else None, **numbers)


def layers_for(generator: Generator, settings: DirectionComparison, region: str, space: str) -> Layers:
    """Return the layers that are edited in a region; None where the space has none."""
    if space == "z" or not generator.layers:
        return None
    return settings.layers or about_of(generator).layers_for(region) or None


def _find(
    generator: Generator, settings: DirectionComparison, region: str, method: str, path: Path, progress: Progress
) -> None:
    how = METHODS[method]
    latent = sample(generator, settings.found_on, truncation=settings.truncation)
    clock = _Clock(progress, time.perf_counter())
    try:
        space = space_for(how, generator)
        directions = find_directions(
            generator,
            latent,
            region,
            method=how,
            space=space,
            layers=layers_for(generator, settings, region, space),
            count=settings.directions,
            progress=clock,
        )
    except GanvasError as reason:
        found = Found(None, reason=str(reason))
    else:
        whole = time.perf_counter() - clock.begun
        directions.save(path)
        found = Found(None, clock.derivatives, whole - clock.derivatives)
    numbers = {"derivatives": found.derivatives, "solving": found.solving, "reason": found.reason}
    write_json(path.with_suffix(".json"), numbers)
