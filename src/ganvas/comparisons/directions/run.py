"""A comparison from start to end: what its folder lacks is measured, by one process or several."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ganvas.comparisons.directions.cells import SHARD, Bench, Cell, Measured, all_cells
from ganvas.comparisons.directions.found import Found, direction_at, find_all
from ganvas.comparisons.directions.likeness import Alike, PerceptualChange, measure_likeness
from ganvas.comparisons.directions.results import Likenesses, Line, chosen, distance_to, joined, lines
from ganvas.comparisons.directions.second_network import add_features, with_second
from ganvas.comparisons.directions.settings import COMPARED, DirectionComparison
from ganvas.directions.find import region_of
from ganvas.errors import GanvasError
from ganvas.generators.codes import parse_layers
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.cache import exclusive
from ganvas.io.json_files import plain
from ganvas.io.progress import Progress, silent
from ganvas.io.shared_folder import claim_folder, missing_shares, rank_and_count, wait_for
from ganvas.metrics.distribution import KernelMMD
from ganvas.metrics.evaluation import fake_images, real_features
from ganvas.metrics.features import ImageFeatures, load_features
from ganvas.metrics.likeness import likeness
from ganvas.metrics.lpips import PublishedFeatures
from ganvas.parts.located import drawn

RULES = 2  # raised with every change of what is measured that no setting shows


@dataclass(frozen=True)
class ComparedDirections:
    """The result: a line for each region, level and method; the searches, with their seconds, by number of the region
    and method; the kernel MMD of the unedited images to the reference, also by the second network with its name; what
    identity was measured by; the name of the perceptual distance inside and outside.
    """

    settings: DirectionComparison
    lines: tuple[Line, ...]
    searches: Mapping[tuple[int, str], Found]
    unedited: KernelMMD | None
    identity: str
    bench: Bench
    unedited_second: KernelMMD | None = None
    second: str = ""
    perceptual: str = ""


def compare_directions(
    generator: Generator,
    settings: DirectionComparison,
    folder: Path,
    data: Path | None = None,
    second: ImageFeatures | None = None,
    perceptual: PublishedFeatures | None = None,
    progress: Progress = silent,
) -> ComparedDirections | None:
    """Measure every cell that the folder lacks, and return what all say together.

    Several processes with the same folder (``torchrun``) each take a part of the cells; the first waits for all and
    returns the result, the same to the last digit whoever measured what; the others return None. `data` are real
    images, to which edited ones are compared as sets, by Ganvas's own network and a `second` one; None: as many images
    of other seeds. By `perceptual` features the distance inside and outside the region is measured too.

    Raises `GanvasError` where the folder holds another comparison, where the generator lacks the layers, and where no
    method finds a direction.
    """
    if settings.layers is not None:
        parse_layers(settings.layers, generator.layers)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "search"):
        claim_folder(folder, record(generator, settings, data))
        searches = find_all(generator, settings, folder / "directions", progress)
    if not any(found.count for found in searches.values()):
        reasons = "; ".join(dict.fromkeys(found.reason for found in searches.values()))
        raise GanvasError(f"No method finds a direction here: {reasons}")
    regions = tuple(drawn(region_of(generator, one)[1], "every method compares one mask") for one in settings.regions)
    network = load_features(device=generator.device)
    distance = likeness(generator, network)
    bench = Bench(generator, settings, regions, network)
    cells = all_cells(settings, {key: found.count for key, found in searches.items()})
    paths = [folder / "cells" / f"{cell.name}.npz" for cell in cells]
    _measure(bench, searches, cells, paths, progress)
    wait_for(paths, progress)
    if second is not None:
        add_features(second, bench, searches, cells, folder, progress)
    found = joined(settings, cells, [Measured.load(path) for path in paths])
    best = chosen(settings, found)
    alike = measure_likeness(Alike(distance.to), bench, searches, cells, best, folder, progress)
    seen: Likenesses = {}
    if perceptual is not None:
        change = PerceptualChange(perceptual, regions)
        seen = measure_likeness(change, bench, searches, cells, best, folder, progress)
    if rank_and_count()[0]:
        return None
    reference, unedited = _reference(generator, settings, network, data, progress)
    table, own = lines(settings, found, alike, reference, seen), distance_to(reference, unedited)
    name = "" if perceptual is None else perceptual.name
    result = ComparedDirections(settings, tuple(table), searches, own, distance.name, bench, perceptual=name)
    if second is None:
        return result
    reference, unedited = _reference(generator, settings, second, data, progress)
    table = with_second(table, settings, cells, folder, reference, progress)
    unedited_second = distance_to(reference, unedited)
    return replace(result, lines=tuple(table), unedited_second=unedited_second, second=second.name)


def _measure(
    bench: Bench,
    searches: Mapping[tuple[int, str], Found],
    cells: Sequence[Cell],
    paths: Sequence[Path],
    progress: Progress,
) -> None:
    """Measure this process's share of the cells."""
    mine = missing_shares(paths)
    for done, number in enumerate(mine):
        progress("Measuring edits", done, len(mine))
        cell = cells[number]
        direction = direction_at(searches, cell.region, cell.method, cell.index)
        bench.measure(cell, direction).save(paths[number])


def record(generator: Generator, settings: DirectionComparison, data: Path | None) -> dict[str, Any]:
    """Return what makes two comparisons the same: not how many images, which may be more the next time."""
    kept = {name: value for name, value in asdict(settings).items() if name not in ("images", "alike")}
    methods = {name: repr(COMPARED[name]) for name in settings.methods}
    found = {
        "rules": RULES,
        "shard": SHARD,
        "settings": kept,
        "methods": methods,
        "generator": about_of(generator).hash,
        "data": None if data is None else str(data),
    }
    return json.loads(json.dumps(plain(found, str)))


def _reference(
    generator: Generator, settings: DirectionComparison, network: ImageFeatures, data: Path | None, progress: Progress
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, "n d"]]:
    """Return the features of the reference images and of the unedited ones."""

    @torch.no_grad()
    def features_of(seeds: range) -> Float[np.ndarray, "n d"]:
        batches = fake_images(generator, seeds, truncation=settings.truncation)
        return torch.cat([network(images.to(network.device)) for images in batches]).cpu().numpy()

    last = settings.seeds[-1]
    if data is None:
        reference = features_of(range(last + 1, last + 1 + settings.images))
    else:
        reference = real_features(network, data, settings.images, progress).cpu().numpy()
    return reference, features_of(settings.seeds)
