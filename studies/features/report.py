"""The study's numbers as tables, and images to look at. Measures nothing but the distances it writes on images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.images import sheets
from ganvas.metrics.distribution import KernelMMD
from ganvas.metrics.features import FeatureNetwork, global_features
from ganvas.metrics.perceptual import perceptual_distance
from studies.features.measures import KINDS, SHIFT, Rising

UNITS = {"noise": "noise {:g}", "blur": "blur {:g} px", "shift": "shift {:g} px"}


@dataclass(frozen=True)
class SetResult:
    """What one network sees in one set of test images; ``faults`` are kernel and Fréchet distances from training
    images by what was done to the test images.
    """

    rising: Mapping[str, Rising]
    nearest: float
    found: float
    faults: Mapping[str, tuple[KernelMMD, float]]


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
    rows.append(["crop in other colors: most alike to its own image"] + [_percent(cell.found) for cell in cells])
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
def distorted_sheet(network: FeatureNetwork, images: Mapping[str, Float[Tensor, "1 3 h w"]]) -> Tensor:
    """Return one image of each set at five levels of every distortion, with its perceptual distance from itself."""
    strips = []
    for name, image in images.items():
        for kind, (spoil, levels) in KINDS.items():
            row = torch.cat([image, *(spoil(image, level).clamp(-1, 1) for level in levels)])
            distances = perceptual_distance(network, row[1:], image).tolist()
            labels = [
                f"{UNITS[kind].format(level)}: {distance:.3f}"
                for level, distance in zip(levels, distances, strict=True)
            ]
            strips.append(sheets.labeled_grid(row, len(row), [name, *labels]))
    return torch.cat(strips, dim=2)


@torch.no_grad()
def alike_sheet(network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], rows: int = 4, columns: int = 6) -> Tensor:
    """Return the first images, each followed by those most alike to it among the rest, with their similarity."""
    codes = F.normalize(global_features(network, images), dim=1)
    likeness = codes @ codes.T
    strips = []
    for index in range(rows):
        nearest = likeness[index].argsort(descending=True)[:columns]
        labels = ["image", *(f"{value:.2f}" for value in likeness[index, nearest[1:]].tolist())]
        strips.append(sheets.labeled_grid(images[nearest], columns, labels))
    return torch.cat(strips, dim=2)
