"""Part (f): what the paper itself says fails, tried and measured. One of a pair, in three spaces; and the pose of the
head from a large region.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ganvas.comparisons.estimates import Estimate
from ganvas.generators.protocol import Generator, HasStyles
from studies.regions.bench import Bench, Recipe, Trial, ratios
from studies.regions.measures import motion_share, odd_share, twin_share
from studies.regions.parts import estimate_of, strength_of, unreached_of
from studies.regions.plan import HEAD_NAME, WIDE_SPACES, Plan, pair_name

# Leaves nothing of the background: the principal axes of the region's own change.
OVERWHELMING_TAU = 1e9


@dataclass(frozen=True)
class FailureRow:
    """(f) The first directions of one part, found in one way, at the strong change of the part.

    ``twin`` is the twin's share of the change in both (0.5 where both change alike), ``best_twin`` the smallest median
    among the directions; ``odd`` the share of the whole image's change that changes sign in the mirror, ``motion``
    the share that an affine motion explains, ``best_motion`` the largest median among the directions.
    """

    part: str
    way: str
    ratio: Estimate
    twin: Estimate | None
    best_twin: float | None
    odd: Estimate
    motion: Estimate
    best_motion: float
    strength: float
    unreached: int
    measured: int


def failures(bench: Bench, plan: Plan) -> list[FailureRow]:
    """Measure every part of the plan in every way there is for it."""
    ways = {(part, way): recipes for part in [*plan.parts, HEAD_NAME] for way, recipes in ways_of(bench, part).items()}
    trials = {key: [Trial(one, key[0], bench.settings.strong) for one in recipes] for key, recipes in ways.items()}
    bench.cells([trial for some in trials.values() for trial in some], "f")
    return [_failure_row(bench, *key, plan.parts.get(key[0], ""), some) for key, some in trials.items()]


def ways_of(bench: Bench, part: str) -> dict[str, list[Recipe]]:
    """Return the first directions of a part by the way they are found; none for a part that the plan lacks."""
    if part not in bench.regions:
        return {}
    chosen = bench.settings
    indices = range(min(3, chosen.count)) if part == HEAD_NAME else range(chosen.compared)
    default = [bench.recipe(part, index=index) for index in indices]
    if part == HEAD_NAME:
        first = chosen.ranges[0]
        return {
            f"layers {chosen.layers}": default,
            f"layers {first}": [bench.recipe(part, first, index=index) for index in indices],
            f"layers {first}, background ignored": [
                bench.recipe(part, first, index=index, tau=OVERWHELMING_TAU) for index in indices
            ],
        }
    few = chosen.found_on[: chosen.few]
    counted = "1 image" if len(few) == 1 else f"{len(few)} images"
    found = {f"w, {len(chosen.found_on)} images": default}
    if pair_name(part) in bench.regions:
        found["w, the pair as region"] = [bench.recipe(pair_name(part), index=index) for index in indices]
    found[f"w, {counted}"] = [bench.recipe(part, seeds=few, index=index) for index in indices]
    for space in wide_spaces(bench.generator):
        found[f"{space}, {counted}"] = [bench.recipe(part, seeds=few, index=index, space=space) for index in indices]
    return found


def wide_spaces(generator: Generator) -> tuple[str, ...]:
    """Return the spaces wider than w that a generator has."""
    return tuple(
        space
        for space in WIDE_SPACES
        if space in generator.spaces and (space != "s" or isinstance(generator, HasStyles))
    )


def _failure_row(bench: Bench, part: str, way: str, twin: str, trials: Sequence[Trial]) -> FailureRow:
    cells = bench.cells(trials, "f")
    noted = [bench.noted(f"shares {trial.file_name}", lambda t=trial: _shares(bench, t, twin)) for trial in trials]
    shares = {name: [np.array(one[name], dtype=float) for one in noted] for name in noted[0]}
    return FailureRow(
        part,
        way,
        estimate_of(bench, [ratios(cells[trial]) for trial in trials]),
        estimate_of(bench, shares["twin"]) if twin else None,
        min(float(np.median(values)) for values in shares["twin"]) if twin else None,
        estimate_of(bench, shares["odd"]),
        estimate_of(bench, shares["motion"]),
        max(float(np.median(values)) for values in shares["motion"]),
        strength_of(list(cells.values())),
        unreached_of(list(cells.values())),
        len(trials) * len(bench.settings.held_out),
    )


def _shares(bench: Bench, trial: Trial, twin: str) -> dict[str, list[float]]:
    """Return the shares of every held-out image; where the change is out of reach they are measured at the limit."""
    strengths = np.minimum(bench.cells([trial], "f")[trial].strengths, bench.settings.limit)
    edited = bench.images(trial.recipe, strengths, range(len(strengths)))
    change = edited - bench.originals
    found = {"odd": odd_share(change), "motion": motion_share(change, bench.originals)}
    if twin:
        found["twin"] = twin_share(bench.change_in(trial.region, edited), bench.change_in(twin, edited))
    return {name: torch.as_tensor(values).tolist() for name, values in found.items()}
