"""The study's numbers as tables, and pictures to look at. Measures nothing but the distances it writes on pictures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.images import sheets
from ganvas.metrics.distribution import KernelDistance
from ganvas.metrics.features import FeatureNetwork, global_features
from ganvas.metrics.perceptual import perceptual_distance
from studies.features.measures import KINDS, SHIFT, Rising

UNITS = {"noise": "noise {:g}", "blur": "blur {:g} px", "shift": "shift {:g} px"}


@dataclass(frozen=True)
class SetResult:
    """What one network sees in one set of test pictures; ``faults`` are kernel and Fréchet distances from training
    pictures by what was done to the test pictures.
    """

    rising: Mapping[str, Rising]
    nearest: float
    found: float
    faults: Mapping[str, tuple[KernelDistance, float]]


Results = Mapping[str, Mapping[str, SetResult]]


def markdown(results: Results) -> str:
    """Return the tables; `results` by network, then by set."""
    networks, sets = list(results), list(next(iter(results.values())))
    return "\n\n".join(
        [
            _table(["", *(f"{name}, {network}" for name in sets for network in networks)], _shares(results)),
            *(_table(["", *networks], _faults(results, name), f"**{name}**") for name in sets),
        ]
    )


def _shares(results: Results) -> list[list[str]]:
    cells = [results[network][name] for name in next(iter(results.values())) for network in results]
    rows = [
        [f"{kind}: distance rises five times"] + [_percent(cell.rising[kind].share) for cell in cells] for kind in KINDS
    ]
    rows += [
        [f"{kind}: both distances of the set rise"] + ["yes" if cell.rising[kind].sets_rise else "no" for cell in cells]
        for kind in KINDS
    ]
    rows.append([f"shifted by {SHIFT} px: nearest to itself"] + [_percent(cell.nearest) for cell in cells])
    rows.append(["crop in other colours: most alike to its own picture"] + [_percent(cell.found) for cell in cells])
    return rows


def _faults(results: Results, name: str) -> list[list[str]]:
    columns = [each[name].faults for each in results.values()]
    return [[fault] + [f"{column[fault][0]}; {column[fault][1]:.1f}" for column in columns] for fault in columns[0]]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(head: list[str], rows: list[list[str]], title: str = "") -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join([*([title, ""] if title else []), *("| " + " | ".join(line) + " |" for line in lines)])


def to_json(results: Results) -> dict[str, Any]:
    """Return all numbers as plain values."""
    return {network: {name: asdict(result) for name, result in sets.items()} for network, sets in results.items()}


@torch.no_grad()
def distorted_sheet(network: FeatureNetwork, pictures: Mapping[str, Float[Tensor, "1 3 h w"]]) -> Tensor:
    """Return one picture of each set at five levels of every distortion, with its perceptual distance from itself."""
    strips = []
    for name, picture in pictures.items():
        for kind, (spoil, levels) in KINDS.items():
            row = torch.cat([picture, *(spoil(picture, level).clamp(-1, 1) for level in levels)])
            distances = perceptual_distance(network, row[1:], picture).tolist()
            labels = [
                f"{UNITS[kind].format(level)}: {distance:.3f}"
                for level, distance in zip(levels, distances, strict=True)
            ]
            strips.append(sheets.labelled_grid(row, len(row), [name, *labels]))
    return torch.cat(strips, dim=2)


@torch.no_grad()
def alike_sheet(network: FeatureNetwork, pictures: Float[Tensor, "n 3 h w"], rows: int = 4, columns: int = 6) -> Tensor:
    """Return the first pictures, each followed by those most alike to it among the rest, with their similarity."""
    codes = F.normalize(global_features(network, pictures), dim=1)
    likeness = codes @ codes.T
    strips = []
    for index in range(rows):
        nearest = likeness[index].argsort(descending=True)[:columns]
        labels = ["picture", *(f"{value:.2f}" for value in likeness[index, nearest[1:]].tolist())]
        strips.append(sheets.labelled_grid(pictures[nearest], columns, labels))
    return torch.cat(strips, dim=2)
