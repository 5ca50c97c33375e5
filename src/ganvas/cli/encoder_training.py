"""``ganvas train encoder``: make the network that finds a first code of a photo, for one generator."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from ganvas.cli.shared import Flag, show, with_seconds, wrote
from ganvas.cli.training import FINISHED, STOPPED, displayed, summary_lines
from ganvas.training.encoder.run import EncoderSchedule
from ganvas.training.encoder.train import train_encoder
from ganvas.training.encoder.training import EncoderSettings


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
    """Precision of the feature maps; auto takes the faster one on this machine."""
    threads: int = 0
    """CPU threads; 0 = all."""
    json: Flag = False
    """Print a machine-readable summary on stdout instead of text."""
    debug: Flag = False
    """Print the traceback of an error."""


def encoder(
    model: str,
    data: Path,
    /,
    *,
    steps: int = EncoderSettings.steps,
    batch: int = EncoderSettings.batch,
    real_from: int = EncoderSettings.real_from,
    rate: float = EncoderSettings.learning_rate,
    prior: float = EncoderSettings.prior,
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
        Batch size.
    real_from
        The step from which on half of the images are real; before, all are the generator's own.
    rate
        Learning rate; it falls to nothing over the last third.
    prior
        How strongly codes of real images are held near the generator's average.
    seed
        Random seed.
    watching
        Where the training goes and how it is watched.
    """
    began = time.perf_counter()
    settings = EncoderSettings(
        batch=batch,
        real_from=real_from,
        learning_rate=rate,
        steps=steps,
        prior=prior,
        precision=watching.precision,
        seed=seed,
    )
    with displayed() as display:
        result = train_encoder(
            model,
            data,
            settings,
            watching.out,
            schedule=EncoderSchedule(watching.log_every, watching.save_every),
            resume=watching.resume,
            device=watching.device,
            threads=watching.threads,
            **display.hooks,
        )
    state = FINISHED if result.finished else STOPPED
    ended = f"{state} after {result.steps:,} steps"
    lines = [*summary_lines(result.data), ended, *wrote(result.files), with_seconds(began)]
    summary = {"command": "train encoder", "state": state, "steps": result.steps, "files": result.files}
    show(lines, summary, watching.json)
    if not result.finished:
        raise KeyboardInterrupt
