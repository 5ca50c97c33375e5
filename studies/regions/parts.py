"""Parts (a) to (e) of the study, each a function of the bench that returns the rows of a table.

Ratios are mean squared change inside over that outside, at strengths that change the inside equally; 0 where a strength
is out of reach. Intervals are percentile bootstraps over the held-out seeds unless a row says otherwise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ganvas.comparisons.estimates import Estimate, median_estimate
from ganvas.images import pixels
from ganvas.metrics.evaluation import fake_images
from ganvas.metrics.features import global_features, load_features
from studies.locality.study import Cell
from studies.regions.bench import Bench, Recipe, Trial, ratios
from studies.regions.measures import abs_cosine, groups_of, kernel_excess, principal_angles, quotients
from studies.regions.plan import variants_of

SPAN = 3


@dataclass(frozen=True)
class DirectionRow:
    """(a) One direction of a region: its eigenvalue from the averaged Grams, and those of the direction of the same
    number on single images (median, interval over the seeds of discovery); then what it does to held-out images.
    """

    region: str
    index: int
    eigenvalue: float
    eigenvalue_of_one: Estimate
    ratio: Estimate
    strength: float
    unreached: int


@dataclass(frozen=True)
class RangeRow:
    """(b) The first directions of a region over one range of layers."""

    region: str
    layers: str
    ratio: Estimate
    strength: float
    unreached: int


@dataclass(frozen=True)
class BoxRow:
    """(c) Directions found with another shape than the region, all of one kind: |cos| of the first with that of the
    region, from averaged Grams and on single images (median, interval over the seeds of discovery); the largest of
    the principal angles of the spans of the first three, in degrees; and the quotient of the ratios, inside and outside
    the region itself, pair by pair.
    """

    region: str
    kind: str
    cosine: float
    cosine_of_one: Estimate
    angles: tuple[float, ...]
    quotient: Estimate
    unreached: int


@dataclass(frozen=True)
class SeedsRow:
    """(d) The first direction from Grams averaged over so many images: the ratio that its own images predict, that
    on held-out ones, and its |cos| with the direction of all (median over the groups of images).
    """

    region: str
    images: int
    groups: int
    predicted: float
    ratio: Estimate
    cosine: float
    unreached: int


@dataclass(frozen=True)
class RidgeRow:
    """(e) The first direction with one ridge (a share of the trace); at the strong change, how much larger the kernel
    distance from unedited images of other seeds is after editing than before (interval by the jackknife).
    """

    region: str
    tau: float
    eigenvalue: float
    cosine: float
    ratio: Estimate
    strength: float
    strong_strength: float
    excess: Estimate
    unreached: int
    strong_unreached: int


def directions_of_regions(bench: Bench, names: Sequence[str]) -> list[DirectionRow]:
    """Part (a): the first directions of each region."""
    wanted = [default(bench, name, index) for name in names for index in range(bench.settings.count)]
    cells = bench.cells(wanted, "a")
    return [_direction_row(bench, trial, cells[trial]) for trial in wanted]


def default(bench: Bench, name: str, index: int = 0, target: float = 0.0) -> Trial:
    """Return the trial of a region's own direction as the study finds it."""
    return Trial(bench.recipe(name, index=index), name, target or bench.settings.target)


def _direction_row(bench: Bench, trial: Trial, cell: Cell) -> DirectionRow:
    recipe = trial.recipe
    singles = [bench.direction(replace(recipe, seeds=(seed,))).eigenvalue for seed in recipe.seeds]
    return DirectionRow(
        trial.region,
        recipe.index,
        bench.direction(recipe).eigenvalue,
        estimate_of(bench, [np.array(singles)]),
        estimate_of(bench, [ratios(cell)]),
        strength_of([cell]),
        unreached_of([cell]),
    )


def estimate_of(bench: Bench, values: Sequence[np.ndarray]) -> Estimate:
    """Return the median over arrays of one number a seed, with the interval of the bootstrap over seeds."""
    return median_estimate(np.stack(values), bench.settings.resamples)


def strength_of(cells: Sequence[Cell]) -> float:
    """Return the median strength; inf where most were out of reach."""
    return float(np.median([cell.strengths for cell in cells]))


def unreached_of(cells: Sequence[Cell]) -> int:
    """Return how many strengths were out of reach."""
    return sum(int((~cell.reached).sum()) for cell in cells)


def layer_ranges(bench: Bench, names: Sequence[str]) -> list[RangeRow]:
    """Part (b): the compared ranges of layers, the usual one and all."""
    chosen = bench.settings
    wanted = {
        (name, layers): [
            Trial(bench.recipe(name, layers, index=index), name, chosen.target) for index in range(chosen.compared)
        ]
        for name in names
        for layers in chosen.all_ranges
    }
    cells = bench.cells([trial for trials in wanted.values() for trial in trials], "b")
    rows = []
    for (name, layers), trials in wanted.items():
        found = [cells[trial] for trial in trials]
        ratio = estimate_of(bench, [ratios(cell) for cell in found])
        rows.append(RangeRow(name, layers, ratio, strength_of(found), unreached_of(found)))
    return rows


def robustness(bench: Bench, names: Sequence[str]) -> list[BoxRow]:
    """Part (c): the region as drawn against boxes around it; the exact region decides inside and outside."""
    kinds = {(name, kind): members for name in names for kind, members in variants_of(bench.regions, name).items()}
    wanted = {key: [_variant_trial(bench, key[0], member) for member in members] for key, members in kinds.items()}
    own = {name: default(bench, name) for name in names}
    cells = bench.cells([*own.values(), *(trial for trials in wanted.values() for trial in trials)], "c")
    return [
        _box_row(bench, own[name], cells[own[name]], kind, trials, [cells[trial] for trial in trials])
        for (name, kind), trials in wanted.items()
    ]


def _variant_trial(bench: Bench, name: str, mask: str) -> Trial:
    return Trial(bench.recipe(mask), name, bench.settings.target)


def _box_row(
    bench: Bench, own: Trial, own_cell: Cell, kind: str, trials: Sequence[Trial], cells: Sequence[Cell]
) -> BoxRow:
    angles = torch.stack([_angles(bench, own.recipe, trial.recipe) for trial in trials])
    singles = [[_cosine(bench, own.recipe, trial.recipe, (seed,)) for seed in own.recipe.seeds] for trial in trials]
    changes = [quotients(ratios(cell), ratios(own_cell)) for cell in cells]
    return BoxRow(
        own.region,
        kind,
        float(np.median([_cosine(bench, own.recipe, trial.recipe) for trial in trials])),
        estimate_of(bench, [np.array(values) for values in singles]),
        tuple(angles.median(dim=0).values.tolist()),
        estimate_of(bench, changes),
        unreached_of(cells),
    )


def _cosine(bench: Bench, first: Recipe, second: Recipe, seeds: tuple[int, ...] = ()) -> float:
    pair = [bench.direction(replace(each, seeds=seeds or each.seeds)).vector for each in (first, second)]
    return abs_cosine(pair[0], pair[1])


def _angles(bench: Bench, first: Recipe, second: Recipe) -> Tensor:
    return principal_angles(*(bench.directions(each).vectors[:SPAN].flatten(1) for each in (first, second)))


def averages(bench: Bench, names: Sequence[str]) -> list[SeedsRow]:
    """Part (d): one image against averages over several."""
    chosen = bench.settings
    groups = {size: list(groups_of(chosen.found_on, size, chosen.groups)) for size in chosen.averages}
    wanted = {
        (name, size): [Trial(bench.recipe(name, seeds=group), name, chosen.target) for group in members]
        for name in names
        for size, members in groups.items()
    }
    cells = bench.cells([trial for trials in wanted.values() for trial in trials], "d")
    return [
        _seeds_row(bench, name, size, trials, [cells[trial] for trial in trials])
        for (name, size), trials in wanted.items()
    ]


def _seeds_row(bench: Bench, name: str, size: int, trials: Sequence[Trial], cells: Sequence[Cell]) -> SeedsRow:
    predicted = [bench.direction(trial.recipe).predicted_ratio for trial in trials]
    cosines = [_cosine(bench, bench.recipe(name), trial.recipe) for trial in trials]
    ratio = estimate_of(bench, [ratios(cell) for cell in cells])
    medians = float(np.median(predicted)), float(np.median(cosines))
    return SeedsRow(name, size, len(trials), medians[0], ratio, medians[1], unreached_of(cells))


def ridges(bench: Bench, names: Sequence[str]) -> list[RidgeRow]:
    """Part (e): the ridge over four decades."""
    chosen = bench.settings
    pairs = [
        tuple(Trial(bench.recipe(name, tau=tau), name, target) for target in (chosen.target, chosen.strong))
        for name in names
        for tau in chosen.ridges
    ]
    cells = bench.cells([trial for pair in pairs for trial in pair], "e")
    excesses = list(_excesses(bench, [(strong, cells[strong]) for _, strong in pairs]))
    return [
        _ridge_row(bench, weak, cells[weak], cells[strong], excess)
        for (weak, strong), excess in zip(pairs, excesses, strict=True)
    ]


def _ridge_row(bench: Bench, trial: Trial, cell: Cell, strong: Cell, excess: Estimate) -> RidgeRow:
    recipe = trial.recipe
    return RidgeRow(
        trial.region,
        recipe.tau,
        bench.direction(recipe).eigenvalue,
        _cosine(bench, recipe, bench.recipe(trial.region)),
        estimate_of(bench, [ratios(cell)]),
        strength_of([cell]),
        strength_of([strong]),
        excess,
        unreached_of([cell]),
        unreached_of([strong]),
    )


def _excesses(bench: Bench, strong: Sequence[tuple[Trial, Cell]]) -> Iterator[Estimate]:
    """Yield the excess of the kernel MMD at the strong change, at the limit where that is out of reach."""
    network = load_features()
    known: list[Tensor] = []

    def features(images: Tensor) -> Tensor:
        return global_features(network, pixels.from_bytes(pixels.to_bytes(images)))

    def excess(trial: Trial, cell: Cell) -> Estimate:
        if not known:
            seeds, psi = bench.settings.reference, bench.settings.truncation
            made = fake_images(bench.generator, seeds, truncation=psi)
            known.extend((torch.cat([features(part) for part in made]), features(bench.originals)))
        lengths = np.minimum(cell.strengths, bench.settings.limit)
        edited = bench.images(trial.recipe, lengths, range(len(lengths)))
        return kernel_excess(known[0], known[1], features(edited))

    for trial, cell in strong:
        noted = bench.noted(f"excess {trial.file_name}", lambda t=trial, c=cell: vars(excess(t, c)))
        yield Estimate(**noted)
