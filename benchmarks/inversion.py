"""Photos inverted by the schedule of NVIDIA's projector, 1000 steps from the mean, and by ours, with the same space,
variables and loss: how many synthesis passes ours needs to come as near.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.files import load
from ganvas.generators.protocol import Generator
from ganvas.inversion.invert import InversionSettings, Run, prepare
from ganvas.inversion.numbers import psnr
from ganvas.inversion.terms import Weights
from ganvas.latent_files import sample_latent
from ganvas.training.data import open_pictures

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "utkface-128-test.zip"
THEIRS, OURS, CANDIDATES = 1000, 176, 24
REFERENCE = InversionSettings(weights=Weights(perceptual=1.0), schedule="nvidia", steps=THEIRS)


def read_photos(count: int, side: int) -> Float[Tensor, "n 3 side side"]:
    """Return photos from all over the test set, at `side` pixels."""
    held = open_pictures(PHOTOS, side, fewest=count)
    return held.batch(held.spread(count))


def losses_of(run: Run) -> tuple[Float[Tensor, "steps n"], Tensor]:
    """Return the loss of every photo after every step, the end last, and the pictures of the end."""
    losses, pictures = [], torch.zeros(0)
    for step in run.steps():
        losses.append(step.losses)
        pictures = step.pictures
    return torch.stack(losses), pictures


def compare(generator: Generator, photos: Float[Tensor, "n 3 h w"], space: str) -> str:
    """Return a line of the table for a space."""
    theirs = prepare(generator, photos, replace(REFERENCE, space=space))
    ours = prepare(
        generator,
        photos,
        replace(REFERENCE, space=space, optimizer="lbfgs", steps=OURS, start=f"random:{CANDIDATES}"),
        look=theirs.look,
    )
    goal, painted = losses_of(theirs)
    found, pictures = losses_of(ours)
    means = found[:-1].cummin(0).values.mean(1)
    reached = [number for number, mean in enumerate(means.tolist(), 1) if mean <= goal[-1].mean()]
    needed = reached[0] + CANDIDATES if reached else None
    told = f"{needed}, {THEIRS / needed:.1f} times fewer" if needed else f"not within {OURS + CANDIDATES}"
    return (
        f"| {space} | {goal[-1].mean():.4f}, {psnr(painted, photos).mean():.1f} dB | **{told}** | "
        f"{found[-1].mean():.4f}, {psnr(pictures, photos).mean():.1f} dB | "
        f"{int((found[-1] <= goal[-1]).sum())} of {len(photos)} |"
    )


def run(count: int = 4) -> Iterator[str]:
    """Yield the lines of a Markdown table, and of one on pictures of the generator itself."""
    generator = load("faces")
    yield from own_pictures(generator)
    if not PHOTOS.is_file():
        yield f"Photos are not measured: there is no {PHOTOS}."
        return
    yield from (
        "",
        f"| space | NVIDIA's schedule, {THEIRS} passes: distance, PSNR | ours: passes to that distance | ours after "
        f"{OURS + CANDIDATES} passes | photos nearer than NVIDIA's |",
        "|---|---|---|---|---|",
    )
    photos = read_photos(count, generator.resolution)
    for space in ("w", "w+"):
        yield compare(generator, photos, space)


def own_pictures(generator: Generator) -> Iterator[str]:
    """Yield the lines of a table: pictures of the generator, inverted into w+."""
    own = torch.cat(list(sample_latent(generator, range(100, 104), truncation=0.7).pictures(generator)))
    yield from (
        "| seeds 100-103 into w+ | PSNR after 50 | 100 | 200 passes | worst after 200 |",
        "|---|---|---|---|---|",
    )
    for name, settings in (
        ("Adam", InversionSettings(steps=200)),
        ("L-BFGS", InversionSettings(steps=200, optimizer="lbfgs")),
    ):
        told = []
        for step in prepare(generator, own, settings).steps():
            if step.number in (50, 100, 200):
                told.append(psnr(step.pictures, own))
        yield f"| {name} | {' | '.join(f'{one.mean():.1f} dB' for one in told)} | {told[-1].min():.1f} dB |"
