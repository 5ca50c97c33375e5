"""Training of generators of every family by one public call, `train`, whose settings say which.

It opens the data, starts or resumes a run in a folder, and trains to its end. Started by ``torchrun`` in several
processes, they train one generator together. `rehearse` measures the speed and writes nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.io.progress import Progress, silent
from ganvas.training import launch
from ganvas.training.events import OnEvent, TrainingResult, ignore_event, never
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.task import GANSettings, RunSchedule
from ganvas.training.launch import Rehearsal, RunOptions, call_of


@checked_as(TrainingError)
def train(
    data: str | Path,
    settings: GANSettings | None = None,
    out: str | Path = "training",
    *,
    augmentation: Augmentation | None = None,
    schedule: RunSchedule | None = None,
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
    on_event: OnEvent = ignore_event,
    should_stop: Callable[[], bool] = never,
) -> TrainingResult:
    """Train a generator, of the family of its settings.

    * `DCGANSettings` (Radford et al. 2016): small and fast, space z only.
    * `BigGANSettings` (BigGAN-deep, Brock et al. 2019): images of classes, space z. The classes are those of the data:
      a subfolder or a zip of images for each, which gives it its name, or a ``dataset.json`` of labels in NVIDIA's
      layout. They are shown equally often.
    * `R3GANSettings` (Huang et al. 2024): two plain residual networks, a loss of pairs and two gradient penalties;
      space z of 64 numbers.
    * `StyleGAN2Settings` (Karras et al. 2020): spaces z, w, w+ and s. With ``discriminator_warmup=None`` the
      discriminator learns alone for 500 steps where the run starts from a generator without a fitting one.
    * `StyleGAN3Settings` (Karras et al. 2021), T or R: the same spaces, images that can be moved and turned; augmented
      only by changes of color, which commute with both.
    * `AdaptationSettings` (Ojha et al. 2021): a trained generator learns a new class from a handful of images, framed
      as its own; one is enough. After some 2,000 images it has memorized them.

    Args:
        data: A folder or a zip of images; each is made square and resized.
        settings: The networks and the losses; by default a StyleGAN2 of 128 pixels, or of the sizes of the generator
            that the run starts from. Precision "auto" is the faster one on this machine.
        out: The run's folder: log, sheets of samples, snapshots, ``generator.safetensors`` and, of a StyleGAN,
            ``discriminator.safetensors``.
        augmentation: What the discriminator's images go through; by default nothing, "diff" for adaptation.
        schedule: When the run ends, and when it writes what; by default that of `RunSchedule`, 1,000 images for
            adaptation.
        options: How the run starts and where it computes.
        progress: Called with what is done, how much of it, and the total.
        on_event: Called with each `TrainingEvent`, in the main process.
        should_stop: Asked after each step; True saves and ends the run.

    Returns:
        How the run ended and which files it wrote.

    Raises:
        TrainingError: The data, a setting or a snapshot cannot be used, a loss is not finite, or a file cannot be
            written. Snapshots written before stay.
    """
    call = call_of(data, settings, Path(out), augmentation, schedule, options)
    return launch.train(call, progress, on_event, should_stop)


def rehearse(
    data: str | Path,
    settings: GANSettings | None = None,
    *,
    augmentation: Augmentation | None = None,
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
) -> Rehearsal:
    """Open the data and do a few steps, without writing anything: how fast training would be.

    Args:
        data: A folder or a zip of images.
        settings: The networks and the losses, as for `train`.
        augmentation: What the discriminator's images go through.
        options: How the run would start and where it computes.
        progress: Called with what is done, how much of it, and the total.

    Returns:
        Numbers of parameters, and images per second.

    Raises:
        TrainingError: The data or a setting cannot be used.
    """
    call = call_of(data, settings, Path(), augmentation, None, replace(options, resume=None))
    return launch.rehearse(call, progress)
