"""What all ``ganvas train`` commands share: options, progress, stopping at a signal, and how results are shown."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cyclopts import Group, Parameter

from ganvas.cli import numbers
from ganvas.cli.options import Compute
from ganvas.cli.show import Report, progress, visible
from ganvas.cli.types import Flag
from ganvas.errors.devices import device_named
from ganvas.reports.tensorboard import board
from ganvas.reports.training_lines import FEW_IMAGES, TrainingLines
from ganvas.reports.training_report import rehearsal_lines, summary_lines, write_training_report
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.events import EVALUATION, LOGGED, TrainingEvent, TrainingResult
from ganvas.training.expectations import expectation_of
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.task import GANSettings, RunSchedule
from ganvas.training.interrupt import stop_on_signal
from ganvas.training.launch import TRAINING, Rehearsal, RunOptions
from ganvas.training.train import rehearse, train

METRICS = ("D", "G", "distance", "codes", "pixels", "perceptual")
WINDOW = 300.0  # seconds over which the rate is averaged
RUN = Group("The run", sort_key=1)


@Parameter(name="*", group=RUN)
@dataclass(frozen=True)
class Running:
    """Where a run goes, how long it is, and what it writes when."""

    out: Path = Path("training")
    """Folder of the run: log, sheets, snapshots, generator.safetensors, loss curves."""
    images: numbers.Images = 300_000
    """Images to show in all."""
    lr_decay_images: numbers.Every = 0
    """Images over which the learning rates fall to 0 at the end: a third of --images is a good choice."""
    resume: str | None = None
    """Resume: auto for the newest snapshot in --out, or a snapshot file."""
    seed: numbers.Seed = 0
    """Random seed."""
    change: Flag = False
    """With --resume: allow settings other than the snapshot's; the networks keep their shapes."""
    log_every: numbers.Every = 1_000
    """Images between lines of the log."""
    sheet_every: numbers.Every = 5_000
    """Images between sheets of samples, after the first ten minutes; there is one at the start and one at the end."""
    test: Path | None = None
    """A folder or zip of held-out images: the kernel MMD to them is measured and plotted."""
    test_every: numbers.Every = 20_000
    """With --test: images between measurements."""
    snapshot_every: numbers.Every = 10_000
    """Images between snapshots."""
    weights_every: numbers.Every = 0
    """Images between weights-only snapshots (in bfloat16), which are all kept; 0 for none."""
    keep: numbers.Count = 3
    """Snapshots kept, the newest ones."""
    sheet_seconds: numbers.Every = 60
    """In the first ten minutes, the most seconds between sheets; 0 for --sheet-every alone."""
    fit: Literal["crop", "pad"] = "crop"
    """How images that are not square become so: the middle, or with black beside them."""
    flip: bool = True
    """Mirror real images at random."""
    dry_run: Flag = False
    """Open the data, time a few steps, write nothing."""

    @property
    def schedule(self) -> RunSchedule:
        """When the run ends, and when it writes what."""
        return RunSchedule(
            self.images,
            self.lr_decay_images,
            self.log_every,
            self.sheet_every,
            self.test_every if self.test else 0,
            self.snapshot_every,
            self.weights_every,
            self.keep,
            self.sheet_seconds,
        )


@Parameter(name="*", group=RUN)
@dataclass(frozen=True)
class Adapting(Running):
    """The same for a short run."""

    out: Path = Path("adapted")
    images: numbers.Images = 1_000
    """Images to show in all; with more, the photos are memorized."""
    lr_decay_images: numbers.Every = 350
    log_every: numbers.Every = 100
    sheet_every: numbers.Every = 200
    test_every: numbers.Every = 500
    snapshot_every: numbers.Every = 500


@dataclass
class Display:
    """Shows progress with the newest losses behind the bar; ``should_stop`` says whether a signal came, ``lines`` says
    what a run does.
    """

    report: Report
    should_stop: Callable[[], bool]
    note: str = ""
    record: Callable[[int, Any], None] = field(default=lambda images, metrics: None)
    lines: TrainingLines | None = None

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how much is done."""
        self.report(what, done, total, self.note)

    def on_event(self, event: TrainingEvent) -> None:
        """Keep the losses of a log line, and say what is new."""
        if self.lines:
            self.lines.add(event)
        if event.kind == LOGGED:
            self.note = "  ".join(f"{name} {event.metrics[name]:.2f}" for name in METRICS if name in event.metrics)
        if event.kind in (LOGGED, EVALUATION):
            self.record(event.images, event.metrics)

    @property
    def hooks(self) -> dict[str, Any]:
        """The callbacks of a training call."""
        return {"progress": self.progress, "on_event": self.on_event, "should_stop": self.should_stop}


@contextmanager
def displayed(forecast_all_but: str = "") -> Iterator[Display]:
    """Show a run's progress, and let a signal stop it after the step; `forecast_all_but` as in `progress`."""
    is_main = os.environ.get("RANK", "0") == "0"
    with stop_on_signal() as should_stop, progress(is_main, WINDOW, forecast_all_but=forecast_all_but) as report:
        yield Display(report, should_stop)


def run_and_show(
    data: Path,
    settings: GANSettings,
    running: Running,
    compute: Compute,
    augment: str,
    start: str | None = None,
    could_start: bool = False,
) -> None:
    """Train, or rehearse with --dry-run, and show the result; `could_start` tells that --start faces would fit."""
    given = (start, running.resume, running.change, running.test, running.fit, compute.device)
    options = RunOptions(*given, compute.threads)
    shared = {"augmentation": Augmentation(augment, running.flip), "options": options}
    schedule = running.schedule
    if running.dry_run:
        with progress() as report:
            _show_rehearsal(rehearse(data, settings, progress=report, **shared), schedule.images, compute)
        return
    with displayed(TRAINING) as display, board(running.out) as record:
        display.record = record
        if not compute.json:
            display.lines = _lines_of(settings, running, compute, bool(start), could_start)
        result = train(data, settings, running.out, schedule=schedule, **shared, **display.hooks)
    if result.is_main:
        evaluated = result.evaluation
        measured = [f"kernel MMD {evaluated['kernel_mmd']:.4f} after {result.images:,} images"] if evaluated else []
        lines = [f"alarm {text}" for text in result.alarms] + measured
        more = write_training_report(running.out)
        show_training("train", result, lines, f"{result.images:,} images", more, compute)
    elif not result.finished:
        raise KeyboardInterrupt


def _lines_of(
    settings: GANSettings, running: Running, compute: Compute, started: bool, could_start: bool
) -> TrainingLines:
    """Return what says on stderr what a run does."""
    few = FEW_IMAGES if device_named(compute.device).type == "cuda" else sys.maxsize
    return TrainingLines(
        running.out,
        running.schedule,
        lambda text: print(visible(text), file=sys.stderr, flush=True),
        expectation_of(settings.family, started=started or isinstance(settings, AdaptationSettings)),
        offer_below=few if could_start else 0,
    )


def show_training(
    command: str, result: TrainingResult, lines: list[str], length: str, more: list[Path], compute: Compute
) -> None:
    """Show how a run ended, after so many images or steps."""
    state = "finished" if result.finished else "stopped"
    facts = {"state": state, "images": result.images, "steps": result.steps, "alarms": result.alarms}
    shown = [*summary_lines(result.data), *lines, f"{state} after {length}"]
    compute.show(command, shown, [*result.files, *more], result.finished, summary=vars(result.data), **facts)


def _show_rehearsal(found: Rehearsal, images: int, compute: Compute) -> None:
    if found.is_main:
        lines = [*summary_lines(found.data), *rehearsal_lines(found, images)]
        facts = {"parameters": found.parameters, "precision": found.precision, "rate": found.images_per_second}
        compute.show("train", lines, summary=vars(found.data), **facts)
