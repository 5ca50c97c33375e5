"""How a training call is carried out: device, precision, data, start or resumption, and the loop over events."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.devices import device_named
from ganvas.errors.ranges import Threads
from ganvas.images.classes import LABELS, count_labels, find_classes
from ganvas.images.datasets import FEWEST, DatasetSummary, open_images
from ganvas.io.files import make_folder
from ganvas.io.progress import Progress, silent
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.alarms import check_finite
from ganvas.training.checks import AUTO
from ganvas.training.distributed import ProcessGroup, local_device, process_group
from ganvas.training.events import EventRecord, OnEvent, TrainingResult
from ganvas.training.gan import starting
from ganvas.training.gan.augment import EQUIVARIANT_PARTS
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.biggan import BigGANSettings
from ganvas.training.gan.held_out import open_held_out
from ganvas.training.gan.networks import InitialNetworks, Networks, tensors
from ganvas.training.gan.probe import safe_settings
from ganvas.training.gan.run import TrainingRun
from ganvas.training.gan.snapshots import TrainingState
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.stylegan3 import StyleGAN3Settings
from ganvas.training.gan.task import GANSettings, RunSchedule, TrainingTask
from ganvas.training.hardware import fastest_precision, set_threads

DISCRIMINATOR_WARMUP = 500
ADAPTATION_SCHEDULE = RunSchedule(1_000, 350, log_every=100, sheet_every=200, evaluate_every=500, snapshot_every=500)
REHEARSED_STEPS = 3
TRAINING = "Training"


@checked_as(TrainingError)
@dataclass(frozen=True)
class RunOptions:
    """How a run starts, where it computes, and on which images it is evaluated.

    Attributes:
        start: Start from trained networks instead of random weights: the name or file of a generator, or a training
            snapshot. Not for adaptation.
        resume: Resume a run: "auto" for the newest snapshot in its folder, or a snapshot file.
        change: When resuming, allow settings other than the snapshot's.
        held_out: A folder or a zip of held-out images, on which the generator is evaluated.
        fit: How images that are not square become so: "crop" or "pad" (`ganvas.images.datasets.open_images`).
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        threads: CPU threads; 0 for as many as there are cores.
    """

    start: str | None = None
    resume: str | None = None
    change: bool = False
    held_out: str | Path | None = None
    fit: str = "crop"
    device: str = AUTO
    threads: Threads = 0


@dataclass(frozen=True)
class Rehearsal:
    """The speed and size of a run, from a few steps that are discarded.

    Attributes:
        data: What the training data holds.
        parameters: Numbers of parameters of generator, discriminator and average.
        precision: The precision of the feature maps.
        device: The device.
        images_per_second: The speed.
        is_main: Whether this process is the main one (rank 0).
    """

    data: DatasetSummary
    parameters: dict[str, int]
    precision: str
    device: str
    images_per_second: float
    is_main: bool = True


@dataclass(frozen=True)
class TrainingCall:
    """The arguments of a training call."""

    data: str | Path
    settings: GANSettings
    out: Path
    augmentation: Augmentation
    schedule: RunSchedule
    options: RunOptions
    source: InitialNetworks | Networks | None = None
    fewest: int = FEWEST

    def prepare_device(self) -> torch.device:
        """Set the number of threads and return this process's device."""
        set_threads(self.options.threads)
        return local_device(device_named(self.options.device, TrainingError))

    def open_task(self, device: torch.device, processes: ProcessGroup, progress: Progress) -> TrainingTask:
        """Open the images, find their classes and settle the precision."""
        settings, classes = self.settings, None
        images = open_images(self.data, settings.resolution, progress, self.fewest, self.options.fit)
        if isinstance(settings, BigGANSettings):
            classes = find_classes(images)
            settings = replace(settings, classes=classes.names)
        elif processes.is_main and (labels := count_labels(images)):
            warnings.warn(
                f"The {LABELS} beside the images gives {labels} classes, which a {settings.family} does not use; "
                "ganvas train biggan learns classes.",
                stacklevel=3,
            )
        settings = self._with_precision(settings, device, processes)
        name = self.out.name or "trained"
        return TrainingTask(
            settings, self.schedule, self.out, images, self.augmentation, device, processes, name, classes
        )

    def _with_precision(self, settings: GANSettings, device: torch.device, processes: ProcessGroup) -> GANSettings:
        """Return the settings with "auto" replaced by the snapshot's precision or the faster one on this device, or by
        float32 where a step in it crashes.
        """
        automatic = settings.precision == AUTO
        if automatic:
            resume = self.options.resume
            recorded = starting.recorded_precision(resume, self.out) if resume else None
            settings = replace(settings, precision=recorded or fastest_precision(device))
        steps = self.schedule.images // settings.batch
        settings, note = safe_settings(settings, self.augmentation, device, processes, steps, may_change=automatic)
        if note and processes.is_main:
            warnings.warn(note, stacklevel=4)
        return settings


def call_of(
    data: str | Path,
    settings: GANSettings | None,
    out: Path,
    augmentation: Augmentation | None,
    schedule: RunSchedule | None,
    options: RunOptions,
) -> TrainingCall:
    """Return the call with what was left to it filled in, and the networks that it starts from read.

    A StyleGAN3's augmentation is reduced to what commutes with moving and turning.
    """
    settings = settings or StyleGAN2Settings.standard(
        **starting.sized_as(options.start, {"precision": AUTO, "discriminator_warmup": None})
    )
    if isinstance(settings, AdaptationSettings):
        if options.start:
            raise TrainingError(
                f"'{options.start}' was given to start from, but an adaptation starts from the generator in its "
                "settings; leave start out."
            )
        augmentation, schedule = augmentation or Augmentation("diff"), schedule or ADAPTATION_SCHEDULE
        return TrainingCall(data, settings, out, augmentation, schedule, options, fewest=1)
    augmentation, schedule = augmentation or Augmentation(), schedule or RunSchedule()
    if isinstance(settings, StyleGAN3Settings):
        augmentation = replace(augmentation, parts=EQUIVARIANT_PARTS)
    stylish = isinstance(settings, StyleGAN2Settings | StyleGAN3Settings)
    channels = settings.discriminator_channels if stylish else ()
    source = starting.read_initial(options.start, channels) if options.start else None
    if stylish and settings.discriminator_warmup is None:
        settings = _warmed_up(settings, source, options.start)
    return TrainingCall(data, settings, out, augmentation, schedule, options, source)


def _warmed_up(
    settings: StyleGAN2Settings | StyleGAN3Settings, source: InitialNetworks | Networks | None, start: str | None
) -> StyleGAN2Settings | StyleGAN3Settings:
    """Return the settings with a warm-up of the discriminator where the run starts with none that fits."""
    alone = DISCRIMINATOR_WARMUP if source is not None and source.discriminator is None else 0
    if alone:
        warnings.warn(
            f"'{start}' comes with no discriminator that fits (one in an NVIDIA file is not used): a new one learns "
            f"alone for {alone} steps first.",
            stacklevel=5,
        )
    return replace(settings, discriminator_warmup=alone)


def train(call: TrainingCall, progress: Progress, on_event: OnEvent, should_stop: Callable[[], bool]) -> TrainingResult:
    """Start or resume a run and train to its end."""
    options, device = call.options, call.prepare_device()
    with process_group(device) as processes:
        progress = progress if processes.is_main else silent
        task = call.open_task(device, processes, progress)
        held_out = None
        if options.held_out is not None and processes.is_main:
            held_out = open_held_out(options.held_out, task.settings.resolution, device, progress, options.fit)
        make_folder(task.folder, TrainingError)
        if options.resume:
            run = starting.resume(task, options.resume, change=options.change)
        else:
            run = starting.begin(task, call.source)
        run.held_out = held_out
        return _run_to_end(run, progress, on_event, should_stop)


def _run_to_end(
    run: TrainingRun, progress: Progress, on_event: OnEvent, should_stop: Callable[[], bool]
) -> TrainingResult:
    record, task = EventRecord(), run.task
    for event in run.events():
        record.add(event)
        if task.processes.is_main:
            on_event(event)
        progress(TRAINING, event.images, task.schedule.images)
        run.stopping = run.stopping or should_stop()
    return TrainingResult(
        not run.stopping,
        run.state.images,
        run.state.step,
        task.data.summary,
        record.files,
        tuple(record.alarms),
        record.evaluation,
        task.processes.is_main,
    )


def rehearse(call: TrainingCall, progress: Progress) -> Rehearsal:
    """Open the data and time a few steps, without writing anything."""
    device = call.prepare_device()
    with process_group(device) as processes:
        task = call.open_task(device, processes, progress)
        run = starting.prepare(task, call.source)
        parameters = {name: sum(p.numel() for p in net.parameters()) for name, net in run.networks.modules.items()}
        speed = _images_per_second(run)
    return Rehearsal(task.data.summary, parameters, task.settings.precision, str(device), speed, processes.is_main)


def _images_per_second(run: TrainingRun) -> float:
    """Time a few steps in which both networks learn, after an untimed one."""
    run.state = TrainingState(step=run.task.settings.discriminator_warmup or 0)
    run.step()
    began, metrics = time.perf_counter(), dict[str, Tensor]()
    for _ in range(REHEARSED_STEPS):
        metrics = run.step()
    seconds = time.perf_counter() - began
    check_finite(metrics | tensors(run.networks), f"{REHEARSED_STEPS + 1} steps")
    return REHEARSED_STEPS * run.task.settings.batch / seconds
