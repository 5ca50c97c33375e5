"""How well parts overlap what a person has marked, on labeled faces that took no part in finding them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ganvas.generators.protocol import Generator, about_of
from ganvas.latents.latent import Latent
from ganvas.parts.click import ClickFeatures, Clicks
from ganvas.parts.find import find_parts
from ganvas.parts.labels import learn_parts
from ganvas.parts.model_part import label_maps
from ganvas.regions.coverage import deepest
from ganvas.regions.shapes import Point
from studies.parts.labeled import EYES, HELD_OUT, LABELS, LabeledFaces

JUDGED = ("eyes", "nose", "mouth", "hair")
COUNTS = 1, 5, 20
REPEATS = 3
Overlaps = dict[str, dict[str, list[float]]]
"""By way and part, the overlap on each image."""


def split(faces: LabeledFaces) -> tuple[LabeledFaces, LabeledFaces]:
    """Return the faces to learn from, and those that are held out."""
    return faces.rows([row for row in range(len(faces)) if row not in HELD_OUT]), faces.rows(HELD_OUT)


def overlaps(generator: Generator, known: LabeledFaces, judged: LabeledFaces) -> Overlaps:
    """Return the overlap (intersection over union) of every way, part and judged face."""
    found = {"boxes": _boxes(generator, judged), "clusters": _clusters(generator, known, judged)}
    found["click"] = _clicks(generator, judged)
    for count in COUNTS:
        found[f"{count} labels"] = _learned(generator, known, judged, count)
    return found


def overlap(found: Bool[Tensor, "n h w"], true: Bool[Tensor, "n h w"]) -> list[float]:
    """Return intersection over union for each image."""
    union = (found | true).sum((1, 2)).clamp(min=1)
    return [float(one) for one in (found & true).sum((1, 2)) / union]


def _boxes(generator: Generator, judged: LabeledFaces) -> dict[str, list[float]]:
    side, named = generator.resolution, about_of(generator).regions
    masks = {name: named[name].mask(side, side) >= 0.5 for name in JUDGED if name in named}
    return {name: overlap(mask.expand_as(judged.labels), _true(judged, name)) for name, mask in masks.items()}


def _clusters(generator: Generator, known: LabeledFaces, judged: LabeledFaces) -> dict[str, list[float]]:
    """Take for each part the clusters whose union overlaps it most on the training faces."""
    model = find_parts(generator)
    before, after = (label_maps(generator, one.latent, model) for one in (known, judged))
    chosen = {name: best_union(before, _true(known, name), len(model)) for name in JUDGED}
    return {name: overlap(_any_of(after, which), _true(judged, name)) for name, which in chosen.items()}


def best_union(labels: Int[Tensor, "n h w"], true: Bool[Tensor, "n h w"], count: int) -> list[int]:
    """Return clusters that are added one by one as long as the mean overlap of their union rises."""
    chosen, best = list[int](), 0.0
    while True:
        tried = {
            one: float(np.mean(overlap(_any_of(labels, [*chosen, one]), true)))
            for one in range(count)
            if one not in chosen
        }
        top = max(tried, key=lambda one: tried[one])
        if tried[top] <= best:
            return chosen
        best = tried[top]
        chosen.append(top)


def _clicks(generator: Generator, judged: LabeledFaces) -> dict[str, list[float]]:
    """Click once into the deepest place of each true part, for eyes once into each."""
    found: dict[str, list[float]] = {name: [] for name in JUDGED}
    for row, latent in enumerate(judged.latent):
        session = ClickFeatures(generator, latent)
        for name in JUDGED:
            true = judged.labels[row] == LABELS.index(name)
            mask = session.mask(Clicks(tuple(places_in(true.numpy(), pair=name == LABELS[EYES])))) >= 0.5
            found[name] += overlap(mask, true[None])
    return found


def places_in(mask: Bool[np.ndarray, "h w"], *, pair: bool) -> list[Point]:
    """Return the place (x, y) in fractions that is farthest from a mask's edge, of a pair one on each side."""
    height, width = mask.shape
    columns = np.nonzero(mask.any(0))[0]
    middle = (columns.min() + columns.max()) // 2 + 1
    left = np.arange(width) < middle
    places = []
    for half in (mask & left, mask & ~left) if pair else (mask,):
        row, column, _ = deepest(half)
        places.append(((column + 0.5) / width, (row + 0.5) / height))
    return places


def _learned(generator: Generator, known: LabeledFaces, judged: LabeledFaces, count: int) -> dict[str, list[float]]:
    """Learn from `count` of the training faces; of a few, several times from others, and take the mean."""
    runs = []
    for repeat in range(REPEATS if count < len(known) // 2 else 1):
        chosen = list(range(repeat * count, min((repeat + 1) * count, len(known))))
        model = learn_parts(generator, known.rows(chosen).latent, known.labels[chosen])
        labels = label_maps(generator, judged.latent, model)
        runs.append({name: overlap(labels == LABELS.index(name), _true(judged, name)) for name in JUDGED})
    means = {name: np.mean([run[name] for run in runs], axis=0) for name in JUDGED}
    return {name: [float(one) for one in values] for name, values in means.items()}


def shipped(faces: LabeledFaces) -> tuple[Latent, Int[Tensor, "n h w"], Mapping[str, Sequence[int]]]:
    """Return what the parts of the bundled `faces` are learned from: the faces that are not held out, and the names."""
    known, _ = split(faces)
    return known.latent, known.labels, {name: [number] for number, name in enumerate(LABELS)}


def _true(faces: LabeledFaces, name: str) -> Bool[Tensor, "n h w"]:
    return faces.labels == LABELS.index(name)


def _any_of(labels: Int[Tensor, "n h w"], which: Sequence[int]) -> Bool[Tensor, "n h w"]:
    return torch.isin(labels, torch.tensor(which))
