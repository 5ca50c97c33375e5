"""Where directions come from and what they do on held-out seeds: a direction is named by how it was found, a trial by
a direction, a region and a change. Every finished trial is a small file, so that a study goes on where it stopped.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Direction, Directions, Origin
from ganvas.directions.linalg import Ridge
from ganvas.directions.resefa import ReSeFa, Search
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.json_files import write_json
from ganvas.latents.spaces import draw_samples
from ganvas.metrics.locality import mean_squared_change
from ganvas.regions import Region
from studies.locality import study as locality
from studies.regions.grams import Grams, Say, layers_of
from studies.regions.settings import Settings

DEFAULT_TAU = Ridge().tau


@dataclass(frozen=True)
class Recipe:
    """How a direction was found: from the Grams of `mask` over `layers`, averaged over `seeds`; the `index`-th."""

    mask: str
    layers: str
    seeds: tuple[int, ...]
    index: int = 0
    tau: float = DEFAULT_TAU
    space: str = "w"

    def __str__(self) -> str:
        seeds = ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs(self.seeds))
        return f"{self.mask}, {self.space} {self.layers}, seeds {seeds}, ridge {self.tau:g}, number {self.index}"


@dataclass(frozen=True)
class Trial:
    """A direction at the strengths that change `region` by `target` (root mean square)."""

    recipe: Recipe
    region: str
    target: float

    @property
    def file_name(self) -> str:
        """Name of its file of results."""
        words = f"{self.region} by {self.target:g}: {self.recipe}"
        return re.sub(r"[^A-Za-z0-9.,+-]+", "_", words) + ".json"


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last of each run of consecutive numbers."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


class Bench:
    """Everything that the parts of the study share; directions are solved once, images made when they are needed."""

    def __init__(
        self,
        generator: Generator,
        regions: Mapping[str, Region],
        grams: Mapping[str, Grams],
        settings: Settings,
        folder: Path,
        say: Say,
    ) -> None:
        self.generator, self.regions, self.grams = generator, regions, grams
        self.settings, self.folder, self.say = settings, folder, say
        self._found: dict[Recipe, Directions] = {}
        self._codes: dict[str, Tensor] = {}
        self._samples: dict[str, Tensor | None] = {}

    def recipe(self, mask: str, layers: str = "", seeds: tuple[int, ...] = (), **others: Any) -> Recipe:
        """Return a recipe of the usual layers and all seeds of discovery, unless others are given."""
        return Recipe(mask, layers or self.settings.layers, seeds or self.settings.found_on, **others)

    def directions(self, recipe: Recipe) -> Directions:
        """Return the strongest directions of a recipe, whatever its index."""
        key = replace(recipe, index=0)
        if key not in self._found:
            self._found[key] = self._solve(key)
        return self._found[key]

    def direction(self, recipe: Recipe) -> Direction:
        """Return the direction of a recipe."""
        return self.directions(recipe)[recipe.index]

    def _solve(self, recipe: Recipe) -> Directions:
        space, grams = recipe.space, self.grams[recipe.space]
        if space not in self._samples:
            self._samples[space] = draw_samples(self.generator, space)
        about = about_of(self.generator)
        origin = Origin("resefa", about.name, about.hash, seeds=recipe.seeds, truncation=self.settings.truncation)
        search = Search(
            ReSeFa(Ridge(recipe.tau)),
            self.generator,
            space,
            layers_of(recipe.layers),
            self.settings.count,
            self._samples[space],
            origin,
        )
        mean = grams.mean(recipe.layers, recipe.mask, recipe.seeds)
        return search.solve(mean, self.regions[recipe.mask], grams.masks[recipe.mask], recipe.mask)

    def codes(self, space: str) -> Tensor:
        """Return the codes of the held-out seeds that directions of `space` move."""
        if space not in self._codes:
            matching = self.settings.matching(space, 1.0)
            self._codes[space] = locality.study_codes(self.generator, self.settings.held_out, matching)
        return self._codes[space]

    @cached_property
    def originals(self) -> Float[Tensor, "n 3 h w"]:
        """The unedited images of the held-out seeds."""
        with torch.no_grad():
            return self.generator.synthesize(self.codes("w"), "w+")

    def mask(self, region: str) -> Float[Tensor, "1 h w"]:
        """Return a region's mask at the size of the images."""
        return self.regions[region].mask(self.generator.resolution, self.generator.resolution)

    def cells(self, trials: Iterable[Trial], part: str) -> dict[Trial, locality.Cell]:
        """Return strengths and changes of each trial on the held-out seeds, measuring what the folder lacks."""
        wanted = list(dict.fromkeys(trials))
        paths = {trial: self.folder / "trials" / trial.file_name for trial in wanted}
        missing = sum(not path.is_file() for path in paths.values())
        start, number = time.monotonic(), count(1)
        for trial, path in paths.items():
            if path.is_file():
                continue
            write_json(path, self._measure(trial).to_json())
            done = next(number)
            each = (time.monotonic() - start) / done
            self.say(
                f"part {part}: {done}/{missing} {path.stem}; {each:.1f} s each, {each * (missing - done):.0f} s left"
            )
        return {trial: locality.Cell.from_json(json.loads(path.read_text("utf-8"))) for trial, path in paths.items()}

    def _measure(self, trial: Trial) -> locality.Cell:
        space = trial.recipe.space
        moved = locality.Trial(trial.region, "ours", trial.recipe.index, self.direction(trial.recipe))
        region, matching = self.regions[trial.region], self.settings.matching(space, trial.target)
        return locality.measure(self.generator, self.codes(space), self.originals, moved, region, matching)

    @torch.no_grad()
    def images(
        self, recipe: Recipe, strengths: Float[np.ndarray, "k"], rows: Sequence[int]
    ) -> Float[Tensor, "k 3 h w"]:
        """Return some of the held-out images, each at its own strength; unedited where that is infinite."""
        codes = self.codes(recipe.space)[list(rows)]
        lengths = torch.from_numpy(np.where(np.isfinite(strengths), strengths, 0)).to(codes)
        moved = locality.Trial("", "ours", recipe.index, self.direction(recipe))
        return locality.move(self.generator, codes, moved, lengths, self.settings.matching(recipe.space, 1.0))

    def noted(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what `compute` gives, from a file of this name where it is there already."""
        path = self.folder / "noted" / (re.sub(r"[^A-Za-z0-9.,+-]+", "_", name) + ".json")
        if not path.is_file():
            write_json(path, compute())
        return json.loads(path.read_text("utf-8"))

    def change_in(self, region: str, edited: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
        """Return the mean squared change of all held-out images in a region."""
        return mean_squared_change(edited, self.originals, self.mask(region))


def ratios(cell: locality.Cell) -> Float[np.ndarray, "n"]:
    """Return the mean squared change inside over that outside; 0 where the target was not reached, which stands against
    the direction.
    """
    return 1 / cell.ratios(np.inf)
