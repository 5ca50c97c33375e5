"""The Jacobian: one reverse pass per output value (the published algorithm) against our forward mode, on the same
generator.
"""

import time

import torch
from torch import Tensor

from benchmarks.machine import duration, peak_gib
from benchmarks.subjects import SIZES, subject
from ganvas.generators.stylegan2 import StyleGAN2
from ganvas.jacobian import TANGENTS_AT_ONCE, Derivative, derivative
from ganvas.methods.resefa import search_basis, search_measure
from ganvas.methods.search import Search

REVERSE_ROWS = 200
TANGENTS_AT_1024 = 32


def reverse_rows(generator: StyleGAN2, w: Tensor, rows: int, warm_ups: int = 3) -> tuple[float, int]:
    """Return seconds per row of the published algorithm and the number of its rows.

    It forms the picture with a graph (above 256 px: nearest subsampling to 256, colours summed) and calls
    `autograd.grad` once per value.
    """
    w = w.clone().requires_grad_()
    picture = generator.synthesize(w, "w")
    if generator.resolution > 256:
        picture = torch.nn.functional.interpolate(picture, scale_factor=256 / generator.resolution).sum(1)
    values = picture.flatten()
    chosen = torch.linspace(0, len(values) - 1, rows + warm_ups).long()
    for position in chosen[:warm_ups]:
        torch.autograd.grad(values[position], w, retain_graph=True)
    start = time.perf_counter()
    for position in chosen[warm_ups:]:
        torch.autograd.grad(values[position], w, retain_graph=True)
    return (time.perf_counter() - start) / rows, len(values)


def forward_columns(generator: StyleGAN2, w: Tensor, columns: int) -> tuple[float, int]:
    """Return seconds per column of ours, the primal pass included, and the number of columns."""
    search = Search(compat="official")
    basis, measure = search_basis(generator, search), search_measure(generator, search)
    ws = w[:, None].expand(-1, generator.layers, -1)
    _take(derivative(generator, ws, basis, measure), min(columns, TANGENTS_AT_ONCE))
    start = time.perf_counter()
    _take(derivative(generator, ws, basis, measure), columns)
    return (time.perf_counter() - start) / columns, basis.size


def _take(linear: Derivative, columns: int) -> None:
    for first in range(0, columns, TANGENTS_AT_ONCE):
        linear.columns(first, min(first + TANGENTS_AT_ONCE, columns))


def run(sizes: tuple[int, ...] = SIZES) -> list[str]:
    """Return a Markdown table."""
    lines = [
        (
            "| StyleGAN2 | published: a reverse pass | rows | in all | ours: a column | columns | in all | "
            "ratio | peak memory |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        generator = subject(size)
        w = generator.map(generator.sample([4]), "w")
        columns = TANGENTS_AT_1024 if size == 1024 else w.shape[1]
        per_column, of_columns = forward_columns(generator, w, columns)
        memory = peak_gib()
        per_row, of_rows = reverse_rows(generator, w, REVERSE_ROWS)
        theirs, ours = per_row * of_rows, per_column * of_columns
        note = f" ({columns} timed, extrapolated)" if columns < of_columns else ""
        lines.append(
            f"| {size} px | {duration(per_row)} | {of_rows:,} ({REVERSE_ROWS} timed, extrapolated) "
            f"| {duration(theirs)} | {duration(per_column)} | {of_columns}{note} | {duration(ours)} "
            f"| **{theirs / ours:.0f}** | {memory:.1f} GiB |"
        )
    return lines
