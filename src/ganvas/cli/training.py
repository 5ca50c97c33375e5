"""What all ``ganvas train`` commands share: options, progress, stopping at a signal, and how results are shown."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from ganvas.cli.progress import Report, progress
from ganvas.cli.shared import Flag, show, with_seconds, wrote
from ganvas.images.datasets import DatasetSummary
from ganvas.reports.tensorboard import board
from ganvas.reports.training_report import write_training_report
from ganvas.training.events import EVALUATION, LOGGED, TrainingEvent, TrainingResult
from ganvas.training.gan.task import RunSchedule
from ganvas.training.interrupt import stop_on_signal
from ganvas.training.launch import Rehearsal, RunOptions

SHOWN = ("D", "G", "codes", "pixels", "perceptual")
REMEMBERED_SECONDS = 300.0
FINISHED, STOPPED = "finished", "stopped"


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """Options on where a run goes and how it is watched."""

    out: Path = Path("training")
    """Folder of the run: log, sheets, snapshots, generator.safetensors, loss curves."""
    images: int = 300_000
    """Images to show in all."""
    lr_decay_images: int = 0
    """Images over which the learning rates fall to 0 at the end: a third of --images is a good choice."""
    resume: str | None = None
    """Resume: auto for the newest snapshot in --out, or a snapshot file."""
    seed: int = 0
    """Random seed."""
    change: Flag = False
    """With --resume: go on with settings other than the snapshot's; the networks keep their shapes."""
    log_every: int = 1_000
    """Images between lines of the log."""
    sheet_every: int = 5_000
    """Images between sheets of samples."""
    test: Path | None = None
    """A folder or zip of held-out images: the kernel MMD to them is measured and plotted."""
    test_every: int = 20_000
    """With --test: images between measurements."""
    snapshot_every: int = 10_000
    """Images between snapshots."""
    weights_every: int = 0
    """Images between weights-only snapshots (in bfloat16), which are all kept; 0 for none."""
    keep: int = 3
    """Snapshots kept, the newest ones."""
    flip: bool = True
    """Mirror real images at random."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the feature maps; auto takes the faster one on this machine."""
    threads: int = 0
    """CPU threads; 0 = all."""
    dry_run: Flag = False
    """Open the data, time a few steps, write nothing."""
    json: Flag = False
    """Print a machine-readable summary on stdout instead of text."""
    debug: Flag = False
    """Print the traceback of an error."""

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
        )

    def options(self, start: str | None = None) -> RunOptions:
        """Return how the run starts and where it computes."""
        return RunOptions(start, self.resume, self.change, self.test, self.device, self.threads)


@dataclass
class Display:
    """Shows progress with the newest losses beside it; ``should_stop`` is whether a signal came."""

    report: Report
    should_stop: Callable[[], bool]
    note: str = ""
    record: Callable[[int, Any], None] = field(default=lambda images, numbers: None)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how much is done."""
        self.report(what, done, total, self.note)

    def on_event(self, event: TrainingEvent) -> None:
        """Take the losses of a log line."""
        if event.kind == LOGGED:
            self.note = "  ".join(f"{name} {event.metrics[name]:.2f}" for name in SHOWN if name in event.metrics)
        if event.kind in (LOGGED, EVALUATION):
            self.record(event.images, event.metrics)

    @property
    def hooks(self) -> dict[str, Any]:
        """The callbacks of a training call."""
        return {"progress": self.progress, "on_event": self.on_event, "should_stop": self.should_stop}


@contextmanager
def displayed() -> Iterator[Display]:
    """Show a run's progress, and let a signal stop it after the step."""
    with stop_on_signal() as should_stop, progress(remembers=REMEMBERED_SECONDS) as report:
        yield Display(report, should_stop)


def run_and_show(running: Running, train: Callable[..., TrainingResult], rehearse: Callable[..., Rehearsal]) -> None:
    """Train, or rehearse with --dry-run, and show what came of it."""
    began = time.perf_counter()
    schedule = running.schedule
    if running.dry_run:
        with progress() as report:
            found = rehearse(progress=report)
        if found.is_main:
            lines = [*summary_lines(found.data), *_lines_of_rehearsal(found, schedule.images), with_seconds(began)]
            facts = {"parameters": found.parameters, "precision": found.precision, "rate": found.images_per_second}
            show(lines, {"command": "train", "summary": vars(found.data), **facts}, running.json)
        return
    with displayed() as display, board(running.out) as record:
        display.record = record
        result = train(schedule=schedule, **display.hooks)
    if result.is_main:
        paths = [*result.files, *write_training_report(running.out)]
        state = FINISHED if result.finished else STOPPED
        lines = [f"alarm {text}" for text in result.alarms]
        if result.evaluation:
            lines.append(f"kernel MMD {result.evaluation['kernel_mmd']:.4f} after {result.images:,} images")
        lines += [f"{state} after {result.images:,} images", *wrote(paths)]
        facts = {"state": state, "images": result.images, "alarms": result.alarms, "files": paths}
        found = {"command": "train", "summary": vars(result.data)} | facts
        show([*summary_lines(result.data), *lines, with_seconds(began)], found, running.json)
    if not result.finished:
        raise KeyboardInterrupt


def _lines_of_rehearsal(found: Rehearsal, images: int) -> list[str]:
    sizes = found.parameters
    return [
        f"generator {sizes['generator']:,} parameters, discriminator {sizes['discriminator']:,}, in {found.precision}",
        f"{found.images_per_second:.1f} images a second on {found.device}: {images:,} would take about "
        f"{_duration(images / found.images_per_second)}",
        "dry run: no step was kept and nothing written to --out",
    ]


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "a minute"


def summary_lines(summary: DatasetSummary) -> list[str]:
    """Return what was found in the data, for people."""
    lines = [f"{summary.count:,} images at {summary.resolution} pixels from {summary.source}"]
    if summary.cropped:
        lines.append(f"{summary.cropped:,} were not square: the middle was taken")
    if summary.repeated:
        lines.append(f"{summary.repeated:,} are the same as others")
    if summary.enlarged:
        lines.append(f"{summary.enlarged:,} are smaller than {summary.resolution} pixels and were enlarged")
    for name, reason in list(summary.skipped.items())[:5]:
        lines.append(f"left out {name}: {reason}")
    if len(summary.skipped) > 5:
        lines.append(f"left out {len(summary.skipped) - 5} more that cannot be read")
    return lines
