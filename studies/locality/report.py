"""The result of the study as numbers, as tables in Markdown and as an image."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganvas.comparisons.estimates import Estimate, median_estimate
from ganvas.comparisons.tables import table, text
from ganvas.errors import ImageError
from ganvas.generators.protocol import Generator
from ganvas.images import pixels, sheets
from ganvas.io.files import atomic_path
from ganvas.io.json_files import plain
from ganvas.regions import Region
from studies.locality.statistics import quotient_estimate
from studies.locality.study import Cell, Cells, Settings, Trial, move, study_codes

# What was not reached counts against the claim that ours are more local, whichever side it is on.
UNREACHED = {"ours": np.inf, "other sign": np.inf, "one seed": np.inf, "foreground": 0.0, "random": 0.0}
SHOWN_SEEDS = 4
SHOWN_SIZE = 80
COLORS = 160
BLACK_CHANGE = 0.3


@dataclass(frozen=True)
class Group:
    """What directions of one kind did to one region: change outside over inside, strength, cells not reached."""

    ratio: Estimate
    strength: float
    unreached: int
    measured: int


@dataclass(frozen=True)
class RegionResult:
    """One row of the tables: ours one by one, every kind pooled, and the median of random over that of each kind."""

    region: str
    single: tuple[Group, ...]
    pooled: Mapping[str, Group]
    quotients: Mapping[str, Estimate]


def results(cells: Cells, settings: Settings) -> list[RegionResult]:
    """Return one result per region, in the order of the cells."""
    names = dict.fromkeys(region for region, _, _ in cells)
    return [_region_result(name, cells, settings.resamples) for name in names]


def _region_result(region: str, cells: Cells, resamples: int) -> RegionResult:
    kinds = {kind: [cell for key, cell in cells.items() if key[:2] == (region, kind)] for kind in UNREACHED}
    ratios = {kind: np.stack([cell.ratios(UNREACHED[kind]) for cell in kinds[kind]]) for kind in kinds}
    quotients = {
        kind: quotient_estimate(ratios["random"], ratios[kind], resamples) for kind in kinds if kind != "random"
    }
    single = tuple(_group([cell], "ours", resamples) for cell in kinds["ours"])
    pooled = {kind: _group(members, kind, resamples) for kind, members in kinds.items()}
    return RegionResult(region, single, pooled, quotients)


def _group(members: Sequence[Cell], kind: str, resamples: int) -> Group:
    ratios = np.stack([cell.ratios(UNREACHED[kind]) for cell in members])
    strengths = np.stack([cell.strengths for cell in members])
    unreached = int(np.isinf(strengths).sum())
    return Group(median_estimate(ratios, resamples), float(np.median(strengths)), unreached, strengths.size)


def to_json(found: Sequence[RegionResult]) -> list[dict[str, Any]]:
    """Return the results as JSON knows it."""
    return [plain(asdict(result), str) for result in found]


def markdown(found: Sequence[RegionResult]) -> str:
    """Return both tables: ours against random directions, and the checks."""
    count = len(found[0].single)
    head = ["region", *(f"ours {i}" for i in range(count)), "ours, all", "random", "random / ours"]
    head += ["strength ours", "strength random", "not reached ours", "not reached random"]
    rows = [head]
    for one in found:
        ours, random = one.pooled["ours"], one.pooled["random"]
        rows.append([one.region, *(text(group.ratio) for group in (*one.single, ours, random))])
        rows[-1] += [text(one.quotients["ours"]), f"{ours.strength:.1f}", f"{random.strength:.1f}"]
        rows[-1] += [f"{group.unreached} of {group.measured}" for group in (ours, random)]
    checks = [["region", *(f"{kind}: {what}" for kind in _CHECKS for what in ("outside / inside", "random / it"))]]
    checks[0].append("not reached")
    for one in found:
        checks.append([one.region])
        for kind in _CHECKS:
            checks[-1] += [text(one.pooled[kind].ratio), text(one.quotients[kind])]
        checks[-1].append(", ".join(str(one.pooled[kind].unreached) for kind in _CHECKS))
    return f"{table(rows)}\n\n{table(checks)}\n"


_CHECKS = ("other sign", "one seed", "foreground")


@torch.no_grad()
def sheet(
    generator: Generator, trials: Sequence[Trial], cells: Cells, regions: Mapping[str, Region], settings: Settings
) -> Float[Tensor, "1 3 height width"]:
    """Return a sheet: originals on top, then for each region our first and the first random direction, matched.

    Beside each image stands its change with the region's outline: white for none, black for `BLACK_CHANGE` and more.
    Where the target was not reached, the original stands.
    """
    seeds = settings.seeds[:SHOWN_SEEDS]
    codes = study_codes(generator, seeds, settings)
    before = _images(generator, trials[0], codes, np.zeros(len(seeds)), settings)
    tiles, labels = [_beside(before, torch.ones_like(before))], ["before"]
    for trial in trials:
        if trial.index == 0 and trial.kind in ("ours", "random"):
            strengths = cells[trial.region, trial.kind, 0].strengths[: len(seeds)]
            after = _images(generator, trial, codes, np.where(np.isfinite(strengths), strengths, 0), settings)
            mask = regions[trial.region].mask(SHOWN_SIZE, SHOWN_SIZE)
            tiles.append(_beside(after, sheets.outline(change_map(after, before), mask, (0, 0, 0), thickness=1.0)))
            labels.append(f"{trial.region}: {trial.kind}")
    columns = [label for seed in seeds for label in (f"seed {seed}", "change")]
    grid = sheets.labeled_grid(torch.cat(tiles), len(columns), columns, labels, gap=3)
    return torch.nn.functional.pad(grid, (4, 4, 4, 4), value=1.0)


def _images(
    generator: Generator, trial: Trial, codes: Tensor, strengths: np.ndarray, settings: Settings
) -> Float[Tensor, "n 3 h w"]:
    moved = move(generator, codes, trial, torch.from_numpy(strengths).to(codes), settings)
    return pixels.resize(moved, SHOWN_SIZE, SHOWN_SIZE).clamp(-1, 1)


def change_map(after: Float[Tensor, "n 3 h w"], before: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return the root mean square change of each pixel: white for none, black for `BLACK_CHANGE` and more."""
    size = (after - before).square().mean(1, keepdim=True).sqrt()
    return (1 - 2 * size / BLACK_CHANGE).clamp(-1, 1).expand(-1, 3, -1, -1)


def _beside(left: Float[Tensor, "n 3 h w"], right: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "m 3 h w"]:
    return torch.stack([left, right], dim=1).flatten(0, 1)


def write_small_png(path: Path, image: Float[Tensor, "1 3 h w"]) -> Path:
    """Write a PNG of `COLORS` colors, a third of the size of one of all colors."""
    values = Image.fromarray(pixels.to_bytes(image)[0].cpu().numpy())
    with atomic_path(path, ImageError) as temporary:
        values.quantize(COLORS, dither=Image.Dither.NONE).save(temporary, format="PNG", optimize=True)
    return path
