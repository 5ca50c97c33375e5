"""A tangent as a multiple of a row of our own batched forward pass, in the same precision; and bfloat16 against
float32.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.machine import duration, seconds
from benchmarks.subjects import ALL_SIZES, SIZES, subject
from ganvas.directions.find import find_directions
from ganvas.latents.latent import sample

ROWS = {64: 32, 128: 32, 256: 32, 512: 16, 1024: 8}


@torch.no_grad()
def per_row(function: Callable[[Tensor], Tensor], rows: Tensor) -> float:
    """Return seconds per row of a batch."""
    return seconds(lambda: function(rows)) / len(rows)


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[str]:
    """Yield the lines of a Markdown table of times per row."""
    yield from ("| StyleGAN2 | precision | forward, a row | tangent | tangent / forward |", "|---|---|---|---|---|")
    for size in sizes:
        for dtype in (torch.float32, torch.bfloat16):
            generator = subject(size, dtype)
            ws = generator.map(generator.sample(range(ROWS[size])), truncation=0.7)
            _, push = generator.linearize(ws[:1], "w+")
            tangents = torch.randn(ws.shape, generator=torch.Generator().manual_seed(0))
            forward = per_row(lambda codes, generator=generator: generator.synthesize(codes, "w+"), ws)
            tangent = per_row(push, tangents)
            name = str(dtype).removeprefix("torch.")
            yield (f"| {size} px | {name} | {duration(forward)} | {duration(tangent)} | **{tangent / forward:.2f}** |")


def run_precision(sizes: tuple[int, ...] = ALL_SIZES) -> Iterator[str]:
    """Yield the lines of a Markdown table: time and error of bfloat16 images against float32 ones."""
    yield from (
        "| StyleGAN2 | float32, a row | bfloat16, a row | faster | largest error | RMS error | image's deviation |",
        "|---|---|---|---|---|---|---|",
    )
    for size in sizes:
        exact, rough = subject(size), subject(size, torch.bfloat16)
        ws = exact.map(exact.sample(range(4)), truncation=0.7)
        times = [per_row(lambda codes, g=g: g.synthesize(codes, "w+"), ws) for g in (exact, rough)]
        with torch.no_grad():
            image = exact.synthesize(ws, "w+")
            error = rough.synthesize(ws, "w+") - image
        yield (
            f"| {size} px | {duration(times[0])} | {duration(times[1])} | {times[0] / times[1]:.1f} | "
            f"{error.abs().max():.3f} | {error.square().mean().sqrt():.4f} | {image.std():.2f} |"
        )
    yield from ("", f"On `faces`, {agreement()}")


def agreement() -> str:
    """Return a sentence: how well directions found in bfloat16 agree with those found in float32."""
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        generator = subject(128, dtype)
        latent = sample(generator, range(4), truncation=0.7)
        found.append(find_directions(generator, latent, "mouth", layers="4-6", count=5).vectors.double())
    cosines = (found[0] * found[1]).sum(dim=1).abs()
    return f"1 - |cos| of the first five directions of the mouth: {', '.join(f'{1 - c:.0e}' for c in cosines)}."
