"""``ganvas train encoder``: train what takes an image to a code of a generator."""

from pathlib import Path

from ganvas.cli import numbers
from ganvas.cli.options import Compute
from ganvas.cli.training import displayed, show_training
from ganvas.cli.types import Flag, Model, Out
from ganvas.training.encoder.run import EncoderSchedule
from ganvas.training.encoder.train import train_encoder
from ganvas.training.encoder.training import EncoderSettings


def encoder(
    model: Model,
    data: Path,
    /,
    *,
    steps: numbers.Steps = EncoderSettings.steps,
    batch: numbers.Batch = EncoderSettings.batch,
    real_from: numbers.StepsOrNone = EncoderSettings.real_from,
    learning_rate: numbers.Rate = EncoderSettings.learning_rate,
    prior: numbers.Weight = EncoderSettings.prior,
    seed: numbers.Seed = 0,
    resume: Flag = False,
    log_every: numbers.Steps = 50,
    save_every: numbers.Steps = 500,
    out: Out = Path("encoder"),
    compute: Compute = Compute(),
) -> None:
    """Train the companion encoder of a StyleGAN2: from an image to the w+ code whose image resembles it.

    Args:
        data: A folder or a zip of real images of the kind that the generator makes.
        steps: Steps in all.
        batch: Batch size.
        real_from: The step from which on half of each batch is real; before, all images are the generator's own.
        learning_rate: Learning rate; it falls to 0 over the last third.
        prior: Weight of the distance of real images' codes from the generator's mean code.
        seed: Random seed.
        resume: Resume from the snapshot in --out.
        log_every: Steps between lines of the log.
        save_every: Steps between snapshots, sheets and encoder files.
    """
    settings = EncoderSettings(
        batch=batch,
        real_from=real_from,
        learning_rate=learning_rate,
        steps=steps,
        prior=prior,
        precision=compute.precision or "auto",
        seed=seed,
    )
    with displayed() as display:
        result = train_encoder(
            model,
            data,
            settings,
            out,
            schedule=EncoderSchedule(log_every, save_every),
            resume=resume,
            device=compute.device,
            threads=compute.threads,
            **display.hooks,
        )
    show_training("train encoder", result, [], f"{result.steps:,} steps", [], compute)
