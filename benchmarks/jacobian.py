"""The Jacobian: the published algorithm against our forward mode, on the same weights, code and measure."""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.machine import duration, peak_gib
from benchmarks.published import reverse_rows, weights_modulated
from benchmarks.subjects import SIZES, subject
from ganvas.directions.jacobian import TANGENTS_AT_ONCE
from ganvas.directions.jvp import Derivative
from ganvas.directions.resefa import ReSeFa
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.latents.latent import Latent

REVERSE_ROWS = 200
COLUMNS_AT_1024 = 32


def forward_columns(generator: StyleGAN2, w: Tensor, columns: int) -> tuple[float, float, int]:
    """Return seconds of our primal pass and of a column, and the number of columns."""
    ws = w[:, None].expand(-1, generator.layers, -1)
    method, latent = ReSeFa(compat="official"), Latent(ws, "w+")
    _take(method.derivative(generator, latent, "w"), TANGENTS_AT_ONCE)
    start = time.perf_counter()
    linear = method.derivative(generator, latent, "w")
    primal = time.perf_counter() - start
    start = time.perf_counter()
    _take(linear, columns)
    return primal, (time.perf_counter() - start) / columns, linear.basis.size


def _take(linear: Derivative, columns: int) -> None:
    for first in range(0, columns, TANGENTS_AT_ONCE):
        linear.columns(first, min(first + TANGENTS_AT_ONCE, columns))


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[str]:
    """Yield the lines of Markdown tables: ours in both precisions, then the published algorithm in both forms."""
    for size in sizes:
        w = subject(size).map(subject(size).sample([4]), "w")
        columns = COLUMNS_AT_1024 if size == 1024 else w.shape[1]
        yield from (f"**{size} px.** Ours:", "", "| precision | primal pass | a column | columns | in all | peak |")
        yield "|---|---|---|---|---|---|"
        ours = {}
        for dtype in (torch.float32, torch.bfloat16):
            primal, per_column, of_columns = forward_columns(subject(size, dtype), w, columns)
            ours[dtype] = primal + per_column * of_columns
            note = f" ({columns} timed)" if columns < of_columns else ""
            yield (
                f"| {str(dtype).removeprefix('torch.')} | {duration(primal)} | {duration(per_column)} "
                f"| {of_columns}{note} | {duration(ours[dtype])} | {peak_gib():.1f} GiB |"
            )
        yield from ("", f"The published algorithm, float32, {REVERSE_ROWS} rows timed and extrapolated:", "")
        yield "| on | a reverse pass | rows | in all | ratio to ours, float32 | to ours, bfloat16 |"
        yield "|---|---|---|---|---|---|"
        for name, modulated in (("modulated weights, as published", True), ("our own layers", False)):
            per_row, rows = _published(size, w, modulated)
            ratios = [per_row * rows / ours[dtype] for dtype in (torch.float32, torch.bfloat16)]
            yield (
                f"| {name} | {duration(per_row)} | {rows:,} | {duration(per_row * rows)} "
                f"| **{ratios[0]:.0f}** | {ratios[1]:.0f} |"
            )
        yield ""


def _published(size: int, w: Tensor, modulated: bool) -> tuple[float, int]:
    if not modulated:
        return reverse_rows(subject(size), w, REVERSE_ROWS)
    with weights_modulated():
        return reverse_rows(subject(size), w, REVERSE_ROWS)
