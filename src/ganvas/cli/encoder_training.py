"""``ganvas train encoder``: make the network that finds a first code of a photo, for one generator."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from cyclopts import Parameter

from ganvas.checkpoints.load import load
from ganvas.cli.progress import Report, progress
from ganvas.cli.shared import Flag, device_named, make_folder, show, with_seconds, wrote
from ganvas.cli.training import FINISHED, REMEMBERED_SECONDS, STOPPED, finishing_the_step, survey_lines
from ganvas.errors import TrainingError
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.images.datasets import open_images
from ganvas.metrics.features import load_features
from ganvas.training.distributed import own_device
from ganvas.training.encoder.run import EncoderPlan, EncoderRun, begin, resume
from ganvas.training.encoder.training import EncoderRecipe
from ganvas.training.hardware import fastest_precision


@Parameter(name="*")
@dataclass(frozen=True)
class Watching:
    """Options on where the training goes and how it is watched."""

    out: Path = Path("encoder")
    """Folder: encoder.safetensors, log, sheet, snapshot."""
    resume: Flag = False
    """Go on from the snapshot in --out."""
    log_every: int = 50
    """Steps between lines of the log."""
    save_every: int = 500
    """Steps between snapshots, sheets and encoder files."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the maps; auto takes the faster one on this machine."""
    threads: int = 0
    """Of the processor; 0 for as many as it has cores."""
    json: Flag = False
    """Print a machine-readable summary on stdout instead of text."""
    debug: Flag = False
    """Print the traceback of an error."""


def encoder(
    model: str,
    data: Path,
    /,
    *,
    steps: int = EncoderRecipe.steps,
    batch: int = EncoderRecipe.batch,
    real_from: int = EncoderRecipe.real_from,
    rate: float = EncoderRecipe.rate,
    prior: float = EncoderRecipe.prior,
    seed: int = 0,
    watching: Watching = Watching(),
) -> None:
    """Train the companion encoder of a StyleGAN2: from an image to the w+ code whose image it resembles.

    Parameters
    ----------
    model
        The generator: a bundled name, a name of the zoo or a file.
    data
        A folder or a zip of real images of the kind that the generator makes.
    steps
        Steps in all.
    batch
        Images of a step.
    real_from
        The step from which on half of the images are real; before, all are the generator's own.
    rate
        Learning rate; it falls to nothing over the last third.
    prior
        How strongly codes of real images are held near the generator's average.
    seed
        Of all chance.
    watching
        Where the training goes and how it is watched.
    """
    began = time.perf_counter()
    device = own_device(device_named(watching.device))
    if watching.threads:
        torch.set_num_threads(watching.threads)
    precision = fastest_precision(device) if watching.precision == "auto" else watching.precision
    recipe = EncoderRecipe(
        batch=batch, real_from=real_from, rate=rate, steps=steps, prior=prior, precision=precision, seed=seed
    )
    generator = load(model, device)
    if not isinstance(generator, StyleGAN2):
        raise TrainingError(f"'{model}' is no StyleGAN2; encoders are made for those.")
    generator.set_precision(getattr(torch, precision))
    make_folder(watching.out)
    with progress(remembers=REMEMBERED_SECONDS) as report:
        real = open_images(data, generator.resolution, lambda done, total: report("Packing images", done, total))
        plan = EncoderPlan(watching.out, watching.log_every, watching.save_every)
        make = resume if watching.resume else begin
        run = make(recipe, plan, generator, real, load_features(device=device))
        paths = _watch(run, report)
    state = STOPPED if run.stopping else FINISHED
    lines = [*survey_lines(real.survey), f"{state} after {run.done:,} steps", *wrote(paths), with_seconds(began)]
    show(lines, {"command": "train encoder", "state": state, "steps": run.done, "files": paths}, watching.json)
    if run.stopping:
        raise KeyboardInterrupt


def _watch(run: EncoderRun, report: Report) -> list[Path]:
    """Go through the training's events, showing them; returns what was written last."""
    paths: list[Path] = []
    note = ""
    with finishing_the_step(run):
        for event in run.events():
            note = _note(event.numbers) if event.kind == "log" else note
            report("Training", event.images, run.recipe.steps * run.recipe.batch, note)
            paths = list(event.paths) or paths
    return paths


def _note(numbers: Any) -> str:
    return "  ".join(f"{name} {numbers[name]:.3f}" for name in ("codes", "pixels", "looks") if name in numbers)
