"""The directions that a comparison measures: found once per method and region, kept in files with their times."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from ganvas.comparisons.directions.settings import COMPARED, DirectionComparison
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
    derivatives: float = 0.0
    begun: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.last = self.begun

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.perf_counter()
        if what == WORK:
            self.derivatives += now - self.last
        self.last = now
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
                _save(path, _search(generator, settings, region, method, progress))
            found[number, method] = read_found(path)
    return found


def _save(path: Path, found: Found) -> None:
    """Write what `read_found` reads: the numbers last, whose file says that the search is done."""
    if found.directions is not None:
        found.directions.save(path)
    numbers = {"derivatives": found.derivatives, "solving": found.solving, "reason": found.reason}
    write_json(path.with_suffix(".json"), numbers)


def read_found(path: Path) -> Found:
    """Read what a search has left."""
    numbers = json.loads(path.with_suffix(".json").read_text("utf-8"))
    return Found(load_directions(path) if path.is_file() else None, **numbers)


def layers_for(generator: Generator, settings: DirectionComparison, region: str, space: str) -> Layers:
    """Return the layers that are edited in a region; None where the space has none."""
    if space == "z" or not generator.layers:
        return None
    return settings.layers or about_of(generator).layers_for(region) or None


def _search(generator: Generator, settings: DirectionComparison, region: str, method: str, progress: Progress) -> Found:
    """Search by a method; a method that cannot serve this generator says why."""
    how = COMPARED[method]
    latent = sample(generator, settings.found_on, truncation=settings.truncation)
    clock = _Clock(progress)
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
        return Found(None, reason=str(reason))
    whole = time.perf_counter() - clock.begun
    return Found(directions, clock.derivatives, whole - clock.derivatives)
