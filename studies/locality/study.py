"""The measurements: directions of four kinds, each at the strengths that change a region equally, on fresh seeds.

Every finished (region, direction) is a small file, so that a study that was interrupted goes on where it was. Knows the
generator protocol, no architecture.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.matching import match_strength
from ganvas.directions.basis import make_basis
from ganvas.directions.direction import Direction, Directions
from ganvas.directions.files import load_directions
from ganvas.directions.linalg import Ridge
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.json_files import write_json
from ganvas.io.shared_folder import claim_folder
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.locality import mean_squared_change, rms_change
from ganvas.regions import Region

Say = Callable[[str], None]

# Added to the background, it leaves nothing of it: the directions become the principal axes of the region alone.
OVERWHELMING_RIDGE = Ridge(1e9)


@dataclass(frozen=True)
class Settings:
    """What is measured. `found_on` and `seeds` are seeds of codes that share no member; the rest as in `Search`.

    `target` is the root mean square change inside the region, in image units (black to white is 2); `limit` the
    largest strength tried (Euclid).
    """

    found_on: tuple[int, ...] = (0, 1, 2, 3)
    seeds: tuple[int, ...] = tuple(range(100, 164))
    truncation: float = 0.7
    space: str = "w"
    layers: str | None = None
    count: int = 3
    random_count: int = 20
    random_seed: int = 0
    target: float = 0.1
    tolerance: float = 0.01
    limit: float = 60.0
    resamples: int = 2000

    def __post_init__(self) -> None:
        if shared := set(self.found_on) & set(self.seeds):
            raise GanvasError(
                f"Seeds {sorted(shared)} are to be fresh, but directions are found on them; choose others."
            )


@dataclass(frozen=True)
class Trial:
    """One direction on one region: `kind` is "ours", "other sign", "one seed", "foreground" or "random"."""

    region: str
    kind: str
    index: int
    direction: Direction
    sign: float = 1.0

    @property
    def file_name(self) -> str:
        """Name of its file of results."""
        return f"{self.region}-{self.kind.replace(' ', '-')}-{self.index}.json"


@dataclass(frozen=True)
class Cell:
    """What one trial gave, a number per fresh seed; where the target was not reached, strength is inf and the others
    nan.

    ``inside`` and ``outside`` are mean squared changes in image units.
    """

    strengths: Float[np.ndarray, "n"]
    inside: Float[np.ndarray, "n"]
    outside: Float[np.ndarray, "n"]

    @property
    def reached(self) -> np.ndarray:
        """True for each seed whose target was reached."""
        return np.isfinite(self.strengths)

    def ratios(self, unreached: float) -> Float[np.ndarray, "n"]:
        """Return outside over inside, `unreached` where the target was not reached."""
        return np.where(self.reached, self.outside / self.inside, unreached)

    def to_json(self) -> dict[str, list[float | None]]:
        """Return lists with None for what is not finite, which JSON has no number for."""
        return {name: [v if np.isfinite(v) else None for v in array.tolist()] for name, array in vars(self).items()}

    @classmethod
    def from_json(cls, lists: Mapping[str, list[float | None]]) -> "Cell":
        """Read what `to_json` gave."""
        missing = {"strengths": np.inf, "inside": np.nan, "outside": np.nan}
        return cls(
            **{name: np.array([other if v is None else v for v in lists[name]]) for name, other in missing.items()}
        )


Cells = dict[tuple[str, str, int], Cell]
"""Cells by (region, kind, index)."""


def run(
    generator: Generator, regions: Mapping[str, Region], settings: Settings, folder: Path, say: Say
) -> tuple[list[Trial], Cells]:
    """Measure every trial that `folder` does not hold yet; return all trials and their cells.

    Raises `GanvasError` where the folder holds another study.
    """
    claim_folder(folder, study_record(generator, regions, settings))
    trials = list(all_trials(generator, regions, settings, folder / "directions", say))
    codes = study_codes(generator, settings.seeds, settings)
    with torch.no_grad():
        originals = generator.synthesize(codes, _space_of_codes(generator, settings))
    paths = [folder / "cells" / trial.file_name for trial in trials]
    missing = sum(not path.is_file() for path in paths)
    done, start = 0, time.monotonic()
    cells: Cells = {}
    for trial, path in zip(trials, paths, strict=True):
        if path.is_file():
            cell = Cell.from_json(json.loads(path.read_text("utf-8")))
        else:
            cell = measure(generator, codes, originals, trial, regions[trial.region], settings)
            write_json(path, cell.to_json())
            done += 1
            each = (time.monotonic() - start) / done
            reached = f"reached by {cell.reached.sum()} of {len(settings.seeds)} seeds"
            say(f"{done}/{missing} {path.stem}: {reached}; {each:.1f} s each, {each * (missing - done):.0f} s left")
        cells[trial.region, trial.kind, trial.index] = cell
    return trials, cells


@torch.no_grad()
def measure(
    generator: Generator, codes: Tensor, originals: Tensor, trial: Trial, region: Region, settings: Settings
) -> Cell:
    """Match the change inside `region` on all rows and measure what changes inside and outside at these strengths."""
    foreground, background = region.split(generator.resolution, generator.resolution)

    def edited(rows: Tensor, strengths: Tensor) -> Tensor:
        return move(generator, codes[rows], trial, strengths, settings)

    def change(rows: Tensor, strengths: Tensor) -> Tensor:
        return rms_change(edited(rows, strengths), originals[rows], foreground)

    strengths = match_strength(change, len(codes), settings.target, settings.limit, settings.tolerance)
    reached = strengths.isfinite()
    inside, outside = torch.full_like(strengths, torch.nan), torch.full_like(strengths, torch.nan)
    if reached.any():
        rows = reached.nonzero()[:, 0]
        images = edited(rows, strengths[rows])
        inside[rows] = mean_squared_change(images, originals[rows], foreground)
        outside[rows] = mean_squared_change(images, originals[rows], background)
    return Cell(*(values.double().numpy() for values in (strengths, inside, outside)))


def move(generator: Generator, codes: Tensor, trial: Trial, strengths: Tensor, settings: Settings) -> Tensor:
    """Return the images of `codes`, each moved by its own strength along the trial's direction."""
    basis = make_basis(generator, settings.space, trial.direction.layers)
    vector = trial.direction.vector[None]
    # Directions of wider spaces are stored as changes of codes already.
    step = trial.sign * (basis.embed(vector) if settings.space == "w" else vector)
    lengths = strengths.view(-1, *[1] * (codes.ndim - 1))
    return generator.synthesize(codes + lengths * step, basis.acts_in)


def study_codes(generator: Generator, seeds: tuple[int, ...], settings: Settings) -> Tensor:
    """Return the truncated codes of `seeds`, in the space that directions move."""
    return study_latent(generator, seeds, settings).codes


def study_latent(generator: Generator, seeds: tuple[int, ...], settings: Settings) -> Latent:
    """Return the truncated latent of `seeds`, in the space that directions move."""
    return sample(generator, seeds, truncation=settings.truncation, space=_space_of_codes(generator, settings))


def _space_of_codes(generator: Generator, settings: Settings) -> str:
    return make_basis(generator, settings.space, settings.layers).acts_in


def all_trials(
    generator: Generator, regions: Mapping[str, Region], settings: Settings, folder: Path, say: Say
) -> Iterator[Trial]:
    """Yield ours with both signs, ours found on one seed, the region's principal axes, and random ones, region by
    region.
    """
    first_seed = settings.found_on[:1]
    kinds = {"ours": (settings.found_on, Ridge()), "one seed": (first_seed, Ridge())}
    kinds["foreground"] = (settings.found_on, OVERWHELMING_RIDGE)
    found = {kind: _found(generator, regions, settings, *how, folder, kind, say) for kind, how in kinds.items()}
    drawn = random_directions(generator, settings)
    for name in regions:
        for kind in kinds:
            yield from (Trial(name, kind, i, direction) for i, direction in enumerate(found[kind][name]))
        yield from (Trial(name, "other sign", i, direction, -1.0) for i, direction in enumerate(found["ours"][name]))
        yield from (Trial(name, "random", i, direction) for i, direction in enumerate(drawn))


def _found(
    generator: Generator,
    regions: Mapping[str, Region],
    settings: Settings,
    seeds: tuple[int, ...],
    ridge: Ridge,
    folder: Path,
    kind: str,
    say: Say,
) -> dict[str, Directions]:
    """Return the directions of one kind for every region, from files where they are there already."""
    paths = {name: folder / f"{name}-{kind.replace(' ', '-')}.safetensors" for name in regions}
    if not all(path.is_file() for path in paths.values()):
        say(f"finding directions: {kind}")
        latent = study_latent(generator, seeds, settings)
        found = ReSeFa(ridge).find(
            generator, latent, regions, space=settings.space, layers=settings.layers, count=settings.count
        )
        for name, directions in found.items():
            directions.save(paths[name])
    return {name: load_directions(path) for name, path in paths.items()}


def random_directions(generator: Generator, settings: Settings) -> list[Direction]:
    """Return unit vectors drawn evenly from the sphere of `settings.space`, for the same layers."""
    basis = make_basis(generator, settings.space, settings.layers)
    normal = np.random.default_rng(settings.random_seed).standard_normal((settings.random_count, basis.size))
    unit = torch.from_numpy(normal / np.linalg.norm(normal, axis=1, keepdims=True)).float()
    return [Direction(vector, settings.space, basis.layers) for vector in basis.stored(unit)]


def study_record(generator: Generator, regions: Mapping[str, Region], settings: Settings) -> dict[str, Any]:
    """Return what makes two studies the same: settings, regions, generator."""
    described = {name: region.describe() for name, region in regions.items()}
    # Through JSON, so that what was read from a file equals what was not.
    return json.loads(
        json.dumps({"settings": asdict(settings), "regions": described, "generator": about_of(generator).hash})
    )
