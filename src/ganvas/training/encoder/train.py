"""Training of a generator's companion encoder, in one public call."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ganvas.checkpoints.load import load
from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.devices import device_named
from ganvas.errors.ranges import Threads
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.images.datasets import open_images
from ganvas.io.files import make_folder
from ganvas.io.progress import Progress, silent
from ganvas.metrics.features import load_features
from ganvas.training.checks import AUTO, dtype_of
from ganvas.training.distributed import local_device
from ganvas.training.encoder import run as encoder_run
from ganvas.training.encoder.run import EncoderSchedule, EncoderTask
from ganvas.training.encoder.training import EncoderSettings
from ganvas.training.events import EventRecord, OnEvent, TrainingResult, ignore_event, never
from ganvas.training.hardware import fastest_precision, set_threads


@checked_as(TrainingError)
def train_encoder(
    model: str,
    data: str | Path,
    settings: EncoderSettings = EncoderSettings(precision=AUTO),
    out: str | Path = "encoder",
    *,
    schedule: EncoderSchedule = EncoderSchedule(),
    resume: bool = False,
    device: str = AUTO,
    threads: Threads = 0,
    progress: Progress = silent,
    on_event: OnEvent = ignore_event,
    should_stop: Callable[[], bool] = never,
) -> TrainingResult:
    """Train the companion encoder of a StyleGAN2: from an image to the w+ code whose image resembles it.

    Args:
        model: Name or file of the generator.
        data: A folder or a zip of real images of the kind that the generator makes.
        settings: Batch size, steps, learning rate and weights of the losses.
        out: The run's folder: ``encoder.safetensors``, log, sheet, snapshot.
        schedule: After how many steps it logs and saves.
        resume: Resume from the snapshot in `out`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        threads: CPU threads; 0 for as many as there are cores.
        progress: Called with what is done, how much of it, and the total.
        on_event: Called with each `TrainingEvent`.
        should_stop: Asked after each step; True saves and ends the run.

    Returns:
        How the run ended and which files it wrote.

    Raises:
        TrainingError: The generator is no StyleGAN2, the data, a setting or a snapshot cannot be used, or a file cannot
            be written.
    """
    task = _open_task(model, data, settings, Path(out), schedule, device, threads, progress)
    run = encoder_run.resume(task) if resume else encoder_run.begin(task)
    record = EventRecord()
    for event in run.events():
        record.add(event)
        on_event(event)
        progress("Training", event.images, task.settings.steps * task.settings.batch)
        run.stopping = run.stopping or should_stop()
    return TrainingResult(not run.stopping, run.images, run.done, task.data.summary, record.files)


def _open_task(
    model: str,
    data: str | Path,
    settings: EncoderSettings,
    folder: Path,
    schedule: EncoderSchedule,
    device: str,
    threads: int,
    progress: Progress,
) -> EncoderTask:
    """Load the generator, open the images and make the folder."""
    set_threads(threads)
    place = local_device(device_named(device))
    if settings.precision == AUTO:
        settings = replace(settings, precision=fastest_precision(place))
    generator = load(model, place)
    if not isinstance(generator, StyleGAN2):
        raise TrainingError(f"'{model}' is no StyleGAN2; only those have encoders.")
    generator.set_precision(dtype_of(settings.precision))
    images = open_images(data, generator.resolution, progress)
    make_folder(folder, TrainingError)
    return EncoderTask(settings, schedule, folder, generator, images, load_features(device=place))
