"""The directions that a comparison measures: found once per method and region, kept in files with their times."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganvas.comparisons.directions.settings import COMPARED, DirectionComparison
from ganvas.directions.direction import Direction, Directions
from ganvas.directions.files import load_directions
from ganvas.directions.find import region_of, space_for
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
    all else, for all regions that were searched ``together``.
    """

    directions: Directions | None
    derivatives: float = 0.0
    solving: float = 0.0
    reason: str = ""
    together: int = 1

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
    """Return the directions of every region, by its number, and method; those in the folder are not searched again.
    Regions with the same layers are searched together, for they share the derivatives.
    """
    for method in settings.methods:
        groups: dict[Layers, list[int]] = {}
        for number, region in enumerate(settings.regions):
            if not _path(folder, number, method).with_suffix(".json").is_file():
                groups.setdefault(_layers_by(generator, settings, region, method), []).append(number)
        for layers, numbers in groups.items():
            for number, found in _search(generator, settings, numbers, method, layers, progress).items():
                _save(_path(folder, number, method), found)
    keys = [(number, method) for number in range(len(settings.regions)) for method in settings.methods]
    return {key: read_found(_path(folder, *key)) for key in keys}


def direction_at(searches: Mapping[tuple[int, str], Found], region: int, method: str, index: int) -> Direction:
    """Return a direction that a search has found."""
    directions = searches[region, method].directions
    assert directions is not None
    return directions[index]


def _path(folder: Path, number: int, method: str) -> Path:
    return folder / f"{number}-{method}.safetensors"


def _save(path: Path, found: Found) -> None:
    """Write what `read_found` reads: the numbers last, whose file says that the search is done."""
    if found.directions is not None:
        found.directions.save(path)
    numbers = {"derivatives": found.derivatives, "solving": found.solving, "reason": found.reason}
    numbers |= {"together": found.together}
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


def _layers_by(generator: Generator, settings: DirectionComparison, region: str, method: str) -> Layers:
    """Return the layers in which a method searches; None where it cannot serve the generator at all."""
    try:
        return layers_for(generator, settings, region, space_for(COMPARED[method], generator))
    except GanvasError:
        return None


def _search(
    generator: Generator,
    settings: DirectionComparison,
    numbers: Sequence[int],
    method: str,
    layers: Layers,
    progress: Progress,
) -> dict[int, Found]:
    """Search for some regions together; a method that cannot serve this generator or one of them says why."""
    latent = sample(generator, settings.found_on, truncation=settings.truncation)
    regions = {str(number): region_of(generator, settings.regions[number])[1] for number in numbers}
    clock = _Clock(progress)
    try:
        how = COMPARED[method]
        space = space_for(how, generator)
        found = how.find(
            generator, latent, regions, space=space, layers=layers, count=settings.directions, progress=clock
        )
    except GanvasError as reason:
        if len(numbers) == 1:
            return {numbers[0]: Found(None, reason=str(reason))}
        alone = [_search(generator, settings, [number], method, layers, progress) for number in numbers]
        return {number: one for each in alone for number, one in each.items()}
    whole = time.perf_counter() - clock.begun
    seconds = clock.derivatives, whole - clock.derivatives
    named = {number: _named(found[str(number)], settings.regions[number]) for number in numbers}
    return {number: Found(one, *seconds, together=len(numbers)) for number, one in named.items()}


def _named(directions: Directions, region: str) -> Directions:
    return replace(directions, origin=replace(directions.origin, region_name=region))
