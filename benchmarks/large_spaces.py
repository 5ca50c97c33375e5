"""Directions in spaces of thousands of dimensions: the dense solver against the matrix-free one.

Each solver runs in a process of its own, whose memory is measured. Seconds are of the processor, so that other work on
the machine changes them little. A dense search of generators from 256 px up would take hours: its columns of J are
timed at each layer, its Gram matrix and eigenproblem at a smaller size, and extrapolated.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from benchmarks.machine import duration, run_measured, seconds
from benchmarks.subjects import subject
from ganvas.directions.direction import Directions
from ganvas.directions.files import load_directions
from ganvas.directions.find import find_directions, region_of
from ganvas.directions.linalg import weighted_gram
from ganvas.directions.products import Products
from ganvas.directions.resefa import ReSeFa
from ganvas.latents.latent import sample

SIZES = (128, 256, 1024)
COUNT = 10
LARGEST_WHOLE = 128  # pixels up to which the dense search runs, and is not extrapolated
TIMED = 2  # tangents of each layer
BLOCK = 1024  # size of the Gram matrix and the eigenproblem that are timed
BUDGET = 4 * 2**30  # with which a dense search computes each column once


@dataclass(frozen=True)
class Case:
    """A search: pixels of the generator, space, layers."""

    size: int
    space: str
    layers: str | None = None

    @property
    def region(self) -> str:
        """What the directions change."""
        return "mouth" if self.size == LARGEST_WHOLE else "box:0.35,0.6,0.65,0.75"

    def method(self, solver: str) -> ReSeFa:
        """Return the settings of one solver."""
        return ReSeFa(solver=solver, budget=BUDGET)

    def __str__(self) -> str:
        where = f", layers {self.layers}" if self.layers else ""
        return f"{'`faces`' if self.size == LARGEST_WHOLE else f'{self.size} px'}, {self.space}{where}"


CASES = (
    Case(128, "w+", "4"),
    Case(128, "w+", "4-6"),
    Case(128, "w+"),
    Case(128, "s"),
    Case(256, "w+"),
    Case(1024, "w+"),
    Case(1024, "s"),
)


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[str]:
    """Yield the lines of a Markdown table, a line for each case."""
    yield (
        "| generator, space | dimensions | matrix-free: products | passes | time | peak | dense: passes | time | peak "
        "| quotients | angle |"
    )
    yield "|" + "---|" * 11
    for case in CASES:
        if case.size not in sizes:
            continue
        with tempfile.TemporaryDirectory() as folder:
            free = _in_process(case, "matrix-free", Path(folder))
            whole = case.size <= LARGEST_WHOLE
            dense = _in_process(case, "dense" if whole else "extrapolated", Path(folder))
            agreement = compare(case, Path(folder)) if whole else ("", "")
        row = [str(case), f"{free['dimensions']:,}", f"{free['products']:.0f}", *_cost(free), *_cost(dense, whole)]
        yield f"| {' | '.join([*row, *agreement])} |"


def _cost(numbers: dict[str, float], whole: bool = True) -> tuple[str, str, str]:
    mark = "" if whole else " (extrapolated)"
    passes = numbers["seconds"] / numbers["forward"]
    return f"{passes:,.0f}", duration(numbers["seconds"]) + mark, f"{numbers['peak']:.1f} GiB" if whole else ""


def _in_process(case: Case, solver: str, folder: Path) -> dict[str, float]:
    words = [str(case.size), case.space, case.layers or "", solver, str(folder)]
    said, peak = run_measured("benchmarks.large_spaces", *words)
    return json.loads(said) | {"peak": peak}


def measured(case: Case, solver: str, folder: Path) -> dict[str, float]:
    """Run one search, keep its directions in the folder, and return dimensions, products and seconds."""
    generator = subject(case.size)
    latent = sample(generator, [4], truncation=0.7)
    basis = case.method(solver).basis(generator, case.space, case.layers)
    begun = time.process_time()
    found = find_directions(
        generator, latent, case.region, method=case.method(solver), space=case.space, layers=case.layers, count=COUNT
    )
    taken = time.process_time() - begun
    found.save(folder / f"{solver}.safetensors")
    said = found.origin.solver
    products = float(said.split("(")[1].split()[0]) if "(" in said else basis.size
    return {"dimensions": basis.size, "products": products, "seconds": taken, "forward": forward(case)}


def forward(case: Case) -> float:
    """Return processor seconds of a sample of a batch without gradients."""
    generator = subject(case.size)
    codes = sample(generator, range(4), truncation=0.7, space="w+")
    with torch.no_grad():
        return seconds(lambda: generator.synthesize(codes), warm_ups=0, clock=time.process_time) / len(codes)


def extrapolated(case: Case) -> dict[str, float]:
    """Return what a dense search would take: all columns of J, one Gram matrix of all coordinates and one of a region,
    and the eigenproblem.
    """
    generator, method = subject(case.size), case.method("dense")
    basis, plan = method.basis(generator, case.space), method.plan(generator, case.space)
    linear = method.derivative(generator, sample(generator, [4], truncation=0.7), case.space)
    columns, width = 0.0, basis.size // generator.layers
    for layer in range(generator.layers):
        begun = time.process_time()
        linear.columns(layer * width, layer * width + TIMED)
        columns += (time.process_time() - begun) / TIMED * width
    begun = time.process_time()
    gram = weighted_gram(torch.randn(BLOCK, linear.image.numel()))
    grams = 2 * (time.process_time() - begun) * (basis.size / BLOCK) ** 2
    begun = time.process_time()
    scipy.linalg.eigh(gram.numpy(), torch.eye(BLOCK).double().numpy(), subset_by_index=[BLOCK - COUNT, BLOCK - 1])
    eigenproblem = (time.process_time() - begun) * (basis.size / BLOCK) ** 3
    taken = columns * (plan.blocks + 1) / 2 + grams + eigenproblem
    return {"dimensions": basis.size, "products": basis.size, "seconds": taken, "forward": forward(case)}


def compare(case: Case, folder: Path) -> tuple[str, str]:
    """Return by how much the Rayleigh quotients (at the ridge of the dense search) differ, and the largest angle
    between the two subspaces.
    """
    dense, free = (load_directions(folder / f"{solver}.safetensors") for solver in ("dense", "matrix-free"))
    (inside, outside), (front, back) = changes(case, free), changes(case, dense)
    ridge = (front / dense.eigenvalues - back).mean()
    quotients = inside / (outside + ridge)
    spans = [one.vectors.flatten(1).double().T.numpy() for one in (dense, free)]
    angle = float(np.degrees(np.max(scipy.linalg.subspace_angles(*spans))))
    return f"{float((quotients / dense.eigenvalues - 1).abs().max()):.2%}", f"{angle:.2f}°"


def changes(case: Case, found: Directions) -> tuple[Tensor, Tensor]:
    """Return ``n^T A n`` and ``n^T B n`` of each direction."""
    generator, method = subject(case.size), case.method("dense")
    basis, measure = method.basis(generator, case.space, case.layers), method.measure(generator)
    latent = sample(generator, [4], truncation=0.7, space=basis.acts_in)
    vectors = basis.coordinates(found.vectors)
    images = Products(generator, latent, basis, measure).push(vectors).double().square().unflatten(1, (3, -1)).sum(1)
    area = region_of(generator, case.region)[1]
    (masks,) = method.masks_in(generator, latent, area, measure.resolution)
    assert masks is not None, "a region that is drawn is in every image"
    inside, outside = (images @ (mask.flatten() / (3 * mask.sum())).double() for mask in masks)
    return inside, outside


if __name__ == "__main__":
    size_, space_, layers_, solver_, folder_ = sys.argv[1:]
    one = Case(int(size_), space_, layers_ or None)
    numbers = extrapolated(one) if solver_ == "extrapolated" else measured(one, solver_, Path(folder_))
    print(json.dumps(numbers))
