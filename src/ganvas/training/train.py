"""Training of generators, one public call for each family: `train_dcgan`, `train_biggan`, `train_stylegan2`,
`train_stylegan3`, `adapt`.

Each opens the data, starts or resumes a run in a folder, and trains to its end. Started by ``torchrun`` in several
processes, they train one generator together. `rehearse` measures the speed and writes nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.images.datasets import FEWEST
from ganvas.io.progress import Progress, silent
from ganvas.training import launch
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.checks import AUTO
from ganvas.training.events import OnEvent, TrainingResult, ignore_event, never
from ganvas.training.gan import starting
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.biggan import BigGANSettings
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.stylegan3 import StyleGAN3Settings
from ganvas.training.gan.task import GANSettings, RunSchedule
from ganvas.training.launch import Rehearsal, RunOptions, TrainingCall, style_call

ADAPTATION_SCHEDULE = RunSchedule(1_000, 350, log_every=100, sheet_every=200, evaluate_every=500, snapshot_every=500)


@checked_as(TrainingError)
def train_dcgan(
    data: str | Path,
    settings: DCGANSettings = DCGANSettings(precision=AUTO),
    out: str | Path = "training",
    *,
    augmentation: Augmentation = Augmentation(),
    schedule: RunSchedule = RunSchedule(),
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
    on_event: OnEvent = ignore_event,
    should_stop: Callable[[], bool] = never,
) -> TrainingResult:
    """Train a DCGAN (Radford et al. 2016): small and fast, space z only.

    Args:
        data: A folder or a zip of images; each is center-cropped to a square and resized.
        settings: The networks and the loss; precision "auto" is the faster one on this machine.
        out: The run's folder: log, sheets of samples, snapshots and ``generator.safetensors``.
        augmentation: What the discriminator's images go through.
        schedule: When the run ends, and when it writes what.
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
    source = starting.read_initial(options.start) if options.start else None
    return launch.train(
        TrainingCall(data, settings, Path(out), augmentation, schedule, options, source),
        progress,
        on_event,
        should_stop,
    )


@checked_as(TrainingError)
def train_biggan(
    data: str | Path,
    settings: BigGANSettings | None = None,
    out: str | Path = "training",
    *,
    augmentation: Augmentation = Augmentation(),
    schedule: RunSchedule = RunSchedule(),
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
    on_event: OnEvent = ignore_event,
    should_stop: Callable[[], bool] = never,
) -> TrainingResult:
    """Train a BigGAN-deep (Brock et al. 2019): images of classes, space z.

    Args:
        data: A folder with a subfolder or a zip of images for each class, which gives it its name; or a folder or a zip
            of images with a ``dataset.json`` of labels in NVIDIA's layout. Classes are shown equally often.
        settings: The networks and the losses, by default those of 64 pixels. The classes are those of the data.
        out: The run's folder: log, sheets of samples, snapshots and ``generator.safetensors``.
        augmentation: What the discriminator's images go through.
        schedule: When the run ends, and when it writes what.
        options: How the run starts and where it computes.
        progress: Called with what is done, how much of it, and the total.
        on_event: Called with each `TrainingEvent`, in the main process.
        should_stop: Asked after each step; True saves and ends the run.

    Returns:
        How the run ended and which files it wrote.

    Raises:
        TrainingError: As `train_dcgan`; or the data have no classes.
    """
    source = starting.read_initial(options.start) if options.start else None
    settings = settings or BigGANSettings.standard(precision=AUTO)
    call = TrainingCall(data, settings, Path(out), augmentation, schedule, options, source)
    return launch.train(call, progress, on_event, should_stop)


def _default_stylegan2(options: RunOptions) -> StyleGAN2Settings:
    """Return the default settings, in the sizes of the generator that the run starts from, if any."""
    given = {"precision": AUTO, "discriminator_warmup": None}
    return StyleGAN2Settings.standard(**starting.sized_as(options.start, given))


@checked_as(TrainingError)
def train_stylegan2(
    data: str | Path,
    settings: StyleGAN2Settings | None = None,
    out: str | Path = "training",
    *,
    augmentation: Augmentation = Augmentation(),
    schedule: RunSchedule = RunSchedule(),
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
    on_event: OnEvent = ignore_event,
    should_stop: Callable[[], bool] = never,
) -> TrainingResult:
    """Train a StyleGAN2 (Karras et al. 2020): spaces z, w, w+ and s.

    Args:
        data: A folder or a zip of images; each is center-cropped to a square and resized.
        settings: The networks and the losses, by default those of 128 pixels. With ``discriminator_warmup=None`` the
            discriminator learns alone for 500 steps where the run starts from a generator without a fitting one.
        out: The run's folder: log, sheets of samples, snapshots, ``generator.safetensors`` and
            ``discriminator.safetensors``.
        augmentation: What the discriminator's images go through.
        schedule: When the run ends, and when it writes what.
        options: How the run starts and where it computes.
        progress: Called with what is done, how much of it, and the total.
        on_event: Called with each `TrainingEvent`, in the main process.
        should_stop: Asked after each step; True saves and ends the run.

    Returns:
        How the run ended and which files it wrote.

    Raises:
        TrainingError: As `train_dcgan`.
    """
    settings = settings or _default_stylegan2(options)
    call = style_call(data, settings, Path(out), augmentation, schedule, options)
    return launch.train(call, progress, on_event, should_stop)


@checked_as(TrainingError)
def train_stylegan3(
    data: str | Path,
    settings: StyleGAN3Settings | None = None,
    out: str | Path = "training",
    *,
    augmentation: Augmentation = Augmentation(),
    schedule: RunSchedule = RunSchedule(),
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
    on_event: OnEvent = ignore_event,
    should_stop: Callable[[], bool] = never,
) -> TrainingResult:
    """Train a StyleGAN3 (Karras et al. 2021), T or R: spaces z, w, w+ and s, images that can be moved and turned.

    Args:
        data: A folder or a zip of images; each is made square and resized.
        settings: The networks and the losses, by default those of StyleGAN3-T at 128 pixels. ``discriminator_warmup``
            as in `train_stylegan2`.
        out: The run's folder: log, sheets of samples, snapshots, ``generator.safetensors`` and
            ``discriminator.safetensors``.
        augmentation: What the discriminator's images go through; of it only changes of color, which commute with
            moving and turning.
        schedule: When the run ends, and when it writes what.
        options: How the run starts and where it computes.
        progress: Called with what is done, how much of it, and the total.
        on_event: Called with each `TrainingEvent`, in the main process.
        should_stop: Asked after each step; True saves and ends the run.

    Returns:
        How the run ended and which files it wrote.

    Raises:
        TrainingError: As `train_dcgan`.
    """
    settings = settings or StyleGAN3Settings.standard(precision=AUTO, discriminator_warmup=None)
    call = style_call(data, settings, Path(out), augmentation, schedule, options)
    return launch.train(call, progress, on_event, should_stop)


@checked_as(TrainingError)
def adapt(
    data: str | Path,
    settings: AdaptationSettings,
    out: str | Path = "adapted",
    *,
    augmentation: Augmentation = Augmentation("diff"),
    schedule: RunSchedule = ADAPTATION_SCHEDULE,
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
    on_event: OnEvent = ignore_event,
    should_stop: Callable[[], bool] = never,
) -> TrainingResult:
    """Adapt a generator to a new class from a handful of images (Ojha et al. 2021).

    Args:
        data: A folder or a zip of images of the new class, framed as the generator's own; one is enough.
        settings: The generator and the losses; see `AdaptationSettings.of_model`.
        out: The run's folder: log, sheets of samples, snapshots and ``generator.safetensors``.
        augmentation: What the discriminator's images go through.
        schedule: When the run ends, and when it writes what; with more than some 2,000 images the generator
            memorizes the photos.
        options: How the run resumes and where it computes.
        progress: Called with what is done, how much of it, and the total.
        on_event: Called with each `TrainingEvent`, in the main process.
        should_stop: Asked after each step; True saves and ends the run.

    Returns:
        How the run ended and which files it wrote.

    Raises:
        TrainingError: As `train_dcgan`.
    """
    call = TrainingCall(data, settings, Path(out), augmentation, schedule, options, fewest=1)
    return launch.train(call, progress, on_event, should_stop)


def rehearse(
    data: str | Path,
    settings: GANSettings | None = None,
    *,
    augmentation: Augmentation = Augmentation(),
    options: RunOptions = RunOptions(),
    progress: Progress = silent,
) -> Rehearsal:
    """Open the data and do a few steps, without writing anything: how fast training would be.

    Args:
        data: A folder or a zip of images.
        settings: Settings of any family, by default a StyleGAN2, or of adaptation.
        augmentation: What the discriminator's images go through.
        options: How the run would start and where it computes.
        progress: Called with what is done, how much of it, and the total.

    Returns:
        Numbers of parameters, and images per second.

    Raises:
        TrainingError: The data or a setting cannot be used.
    """
    options = replace(options, resume=None)
    settings = settings or _default_stylegan2(options)
    if isinstance(settings, StyleGAN2Settings | StyleGAN3Settings):
        call = style_call(data, settings, Path(), augmentation, RunSchedule(), options)
    else:
        source = starting.read_initial(options.start) if options.start else None
        fewest = 1 if isinstance(settings, AdaptationSettings) else FEWEST
        call = TrainingCall(data, settings, Path(), augmentation, RunSchedule(), options, source, fewest)
    return launch.rehearse(call, progress)
