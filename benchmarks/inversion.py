"""Photos inverted by the schedule of NVIDIA's projector, 1000 steps from the mean, and by ours, with the same space,
variables and loss: how many synthesis passes ours needs, photo by photo, to come as near.

The start is ours to choose: in w the nearest of some random codes, whose passes count, in w+ what the generator's
encoder sees, which takes none. The number of random codes was chosen on the first four photos of the test set, in its
order.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.comparisons.estimates import RESAMPLES, Estimate, median_estimate, share_estimate
from ganvas.generators.protocol import Generator
from ganvas.images.datasets import open_images
from ganvas.inversion.encoder import encoder_for
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.metrics import psnr
from ganvas.inversion.optimizers import OptimizerStep
from ganvas.inversion.prepare import PreparedInversion, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.latents.latent import sample

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data" / "utkface-128-test.zip"
THEIRS, OURS, CANDIDATES = 1000, 200, 24
REFERENCE = InversionSettings(weights=LossWeights(perceptual=1.0), schedule="nvidia", steps=THEIRS)


def read_photos(count: int, side: int) -> Float[Tensor, "n 3 side side"]:
    """Return photos from all over the test set, at `side` pixels."""
    held = open_images(PHOTOS, side, fewest=count)
    return held.batch(held.spread(count))


def last_of(run: PreparedInversion) -> OptimizerStep:
    """Return the end of a run."""
    *_, last = run.steps()
    return last


def passes_needed(run: PreparedInversion, goal: Float[Tensor, "n"]) -> tuple[list[float], OptimizerStep]:
    """Return how many passes, those of finding the start included, each photo needs until its loss is no more than its
    `goal`, inf where it never is; and the end of the run.
    """
    needed, last = [math.inf] * len(goal), None
    for last in run.steps():
        for row, reached in enumerate((last.losses <= goal).tolist()):
            if reached:
                needed[row] = min(needed[row], int(last.passes[row]) + run.start.passes)
    assert last is not None
    return needed, last


def compare(
    generator: Generator, photos: Float[Tensor, "n 3 h w"], space: str, theirs: int = THEIRS, ours: int = OURS
) -> str:
    """Return a line of the table for a space: NVIDIA's schedule of so many steps, ours of so many passes.

    Raises `CheckpointError` for w+ where no encoder comes with the generator.
    """
    reference = replace(REFERENCE, space=space, steps=theirs)
    slow = prepare_inversion(generator, photos, reference)
    goal = last_of(slow)
    start, tried = (encoder_for(generator), 0) if space == "w+" else (f"random:{CANDIDATES}", CANDIDATES)
    settings = replace(reference, optimizer="lbfgs", steps=ours - tried, start=start)
    fast = prepare_inversion(generator, photos, settings, features=slow.features)
    needed, found = passes_needed(fast, goal.losses)
    return " | ".join(
        [
            f"| {space}",
            distance_and_psnr(goal, photos),
            in_words(median_estimate(np.array([needed]), RESAMPLES), theirs, ours),
            reached_in_words([passes < math.inf for passes in needed]),
            f"{distance_and_psnr(found, photos)} |",
        ]
    )


def distance_and_psnr(step: OptimizerStep, photos: Float[Tensor, "n 3 h w"]) -> str:
    """Return the mean loss and the mean ratio of signal to noise."""
    return f"{step.losses.mean():.4f}, {psnr(step.images, photos).mean():.1f} dB"


def in_words(needed: Estimate, theirs: int, most: int) -> str:
    """Return a median of passes with its interval, and how many times fewer than `theirs` it is."""
    ends = [f"{end:.0f}" if end < math.inf else f"more than {most}" for end in (needed.low, needed.high)]
    if needed.value == math.inf:
        return f"not within {most} (from {ends[0]})"
    return f"**{needed.value:.0f}** ({ends[0]} to {ends[1]}), {theirs / needed.value:.1f} times fewer"


def reached_in_words(reached: Sequence[bool]) -> str:
    """Return how many photos reached their goal, and the interval of the share."""
    share = share_estimate(reached)
    return f"{sum(reached)} of {len(reached)} ({share.low:.0%} to {share.high:.0%})"


def run(count: int = 12) -> Iterator[str]:
    """Yield the lines of a Markdown table, and of one on images of the generator itself."""
    generator = load("faces")
    yield from own_images(generator)
    if not PHOTOS.is_file():
        yield f"Photos are not measured: there is no {PHOTOS}."
        return
    yield from (
        "",
        f"| space | NVIDIA's schedule, {THEIRS} passes: distance, PSNR | ours: passes until a photo is as near, median "
        f"over {count} (95 % interval) | photos as near within {OURS} passes | ours after these |",
        "|---|---|---|---|---|",
    )
    photos = read_photos(count, generator.resolution)
    for space in ("w", "w+"):
        yield compare(generator, photos, space)


def own_images(generator: Generator) -> Iterator[str]:
    """Yield the lines of a table: images of the generator, inverted into w+."""
    own = torch.cat(list(sample(generator, range(100, 104), truncation=0.7).images(generator)))
    yield from (
        "| seeds 100-103 into w+ | PSNR after 50 | 100 | 200 passes | worst after 200 |",
        "|---|---|---|---|---|",
    )
    for name, settings in (
        ("Adam", InversionSettings(steps=200)),
        ("L-BFGS", InversionSettings(steps=200, optimizer="lbfgs")),
    ):
        told = psnr_at(prepare_inversion(generator, own, settings), own, (50, 100, 200))
        yield f"| {name} | {' | '.join(f'{one.mean():.1f} dB' for one in told)} | {told[-1].min():.1f} dB |"


def psnr_at(
    run: PreparedInversion, photos: Float[Tensor, "n 3 h w"], moments: Sequence[int]
) -> list[Float[Tensor, "n"]]:
    """Return the ratios of signal to noise after so many passes; where a search ended before, those of its end."""
    found = {}
    for step in run.steps():
        ratios = psnr(step.images, photos)
        found |= {moment: ratios for moment in moments if step.number <= moment}
    return [found[moment] for moment in moments]
