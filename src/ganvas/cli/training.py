"""What all ``ganvas train`` commands do: open the images, begin or go on, show progress, stop at a signal."""

import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from cyclopts import Parameter

from ganvas.cli.progress import Report, progress
from ganvas.cli.shared import Flag, make_folder, show, with_seconds, wrote
from ganvas.errors import TrainingError
from ganvas.images.datasets import FEWEST, ImageSet, Survey, open_images
from ganvas.reports.tensorboard import board
from ganvas.reports.training_report import write_training_report
from ganvas.training.distributed import Team, team
from ganvas.training.gan import starting
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.held_out import open_yardstick
from ganvas.training.gan.networks import Networks, Source
from ganvas.training.gan.probe import safe_recipe
from ganvas.training.gan.run import DISTANCE, Event, Plan, Recipe, Run
from ganvas.training.gan.snapshots import Progress
from ganvas.training.hardware import fastest_precision

SHOWN = ("D", "G")
REMEMBERED_SECONDS = 300.0
REHEARSED_STEPS = 3
SECONDS_TO_REPEAT = 2.0
FINISHED, STOPPED = "finished", "stopped"


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """Options on where a run goes and how it is watched."""

    out: Path = Path("training")
    """Folder of the run: log, sheets, snapshots, generator.safetensors, loss curves."""
    images: int = 300_000
    """Images to show in all."""
    cool: int = 0
    """Let the learning rates fall to nothing over the last so many images: a third of --images is a good end."""
    resume: str | None = None
    """Go on: auto for the newest snapshot in --out, or the file of one, whole or slim."""
    seed: int = 0
    """Of all chance."""
    change: Flag = False
    """With --resume: go on with settings other than the snapshot's; the networks keep their shapes."""
    log_every: int = 1_000
    """Images between lines of the log."""
    sheet_every: int = 5_000
    """Images between sheets of samples."""
    test: Path | None = None
    """A folder or zip of images that were held out: the kernel distance to them is told and drawn."""
    test_every: int = 20_000
    """With --test: images between measurements."""
    snapshot_every: int = 10_000
    """Images between snapshots."""
    slim_every: int = 0
    """Images between slim snapshots (weights in bfloat16), which all stay; 0 for none."""
    keep: int = 3
    """Snapshots kept, the newest ones."""
    flip: bool = True
    """Mirror real images at random."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the maps; auto takes the faster one on this machine."""
    threads: int = 0
    """Of the processor; 0 for as many as it has cores."""
    dry_run: Flag = False
    """Look at the data, do one step, write nothing."""
    json: Flag = False
    """Print a machine-readable summary on stdout instead of text."""
    debug: Flag = False
    """Print the traceback of an error."""

    def plan(self, source: dict[str, Any]) -> Plan:
        """Return what is written when."""
        names = {field.name for field in fields(Plan)} & {field.name for field in fields(self)}
        shared = {name: getattr(self, name) for name in names}
        return Plan(folder=self.out, name=self.out.name or "trained", source=source, **shared)

    def precision_on(self, device: torch.device) -> str:
        """Return the precision meant on this device."""
        return fastest_precision(device) if self.precision == "auto" else self.precision


@dataclass(frozen=True)
class _Task:
    """What to train, on what, who does it."""

    recipe: Recipe
    plan: Plan
    data: ImageSet
    augmentation: Augmentation
    device: torch.device
    team: Team


def train(
    recipe: Recipe,
    source: Path,
    augmentation: Augmentation,
    beginning: Source | Networks | None,
    running: Running,
    device: torch.device,
    fewest: int = FEWEST,
) -> None:
    """Train by a recipe on the images of `source`, at least `fewest`, or rehearse it, and show what came of it."""
    began = time.perf_counter()
    if running.threads < 0:
        raise TrainingError(f"--threads {running.threads} is not possible; give 1 or more, or 0 for all.")
    if running.threads:
        torch.set_num_threads(running.threads)
    plan = running.plan({"command": f"ganvas train {recipe.family}"})
    with team(device) as members, progress(members.leads, REMEMBERED_SECONDS) as report:
        recipe = _safe(recipe, augmentation, running, device, members)
        packing = partial(report, "Packing images")
        data = open_images(source, recipe.resolution, packing, fewest)
        task = _Task(recipe, plan, data, augmentation, device, members)
        if running.dry_run:
            lines, facts = _rehearse(task, beginning)
        else:
            held_out = running.test if members.leads else None
            yardstick = open_yardstick(held_out, recipe.resolution, device, report) if held_out else None
            make_folder(running.out)
            run = _begin(task, running, beginning)
            run.yardstick = yardstick
            lines, facts = _watch(run, report)
    if members.leads:
        found = {"command": "train", "survey": vars(data.survey)}
        show([*survey_lines(data.survey), *lines, with_seconds(began)], found | facts, running.json)
    if facts.get("state") == STOPPED:
        raise KeyboardInterrupt


def _safe(recipe: Recipe, augmentation: Augmentation, running: Running, device: torch.device, members: Team) -> Recipe:
    """Return the recipe in a precision in which a step does not crash: that of the snapshot where a run goes on."""
    chosen = running.precision != "auto"
    if running.resume and not chosen:
        recorded = starting.recorded_precision(running.resume, running.out)
        recipe = replace(recipe, precision=recorded or recipe.precision)
    steps = running.images // recipe.batch
    recipe, note = safe_recipe(recipe, augmentation, device, members, steps, may_change=not chosen)
    if note and members.leads:
        warnings.warn(note, stacklevel=2)
    return recipe


def _begin(task: _Task, running: Running, beginning: Source | Networks | None) -> Run:
    if running.resume:
        return starting.resume(running.resume, **vars(task), change=running.change)
    return starting.begin(**vars(task), source=beginning)


def _rehearse(task: _Task, beginning: Source | Networks | None) -> tuple[list[str], dict[str, Any]]:
    """Do a few steps without a file and say how long the run would take."""
    recipe, images = task.recipe, task.plan.images
    run = starting.prepare(**vars(task), source=beginning)
    run.progress = Progress(step=recipe.discriminator_warmup)  # both networks learn from there on
    run.step()
    began = time.perf_counter()
    for _ in range(REHEARSED_STEPS):
        run.step()
    rate = REHEARSED_STEPS * recipe.batch / (time.perf_counter() - began)
    sizes = {name: sum(p.numel() for p in module.parameters()) for name, module in run.networks.modules.items()}
    lines = [
        f"generator {sizes['generator']:,} parameters, discriminator {sizes['discriminator']:,}, in {recipe.precision}",
        f"{rate:.1f} images a second on {task.device}: {images:,} would take about {_spoken(images / rate)}",
        "dry run: no step was kept and nothing written to --out",
    ]
    return lines, {"parameters": sizes, "precision": recipe.precision, "rate": rate}


def _spoken(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "a minute"


def survey_lines(survey: Survey) -> list[str]:
    """Return what was found in the data, for people."""
    lines = [f"{survey.count:,} images at {survey.resolution} pixels from {survey.source}"]
    if survey.cropped:
        lines.append(f"{survey.cropped:,} were not square: the middle was taken")
    if survey.repeated:
        lines.append(f"{survey.repeated:,} are the same as others")
    if survey.enlarged:
        lines.append(f"{survey.enlarged:,} are smaller than {survey.resolution} pixels and were enlarged")
    for name, reason in list(survey.skipped.items())[:5]:
        lines.append(f"left out {name}: {reason}")
    if len(survey.skipped) > 5:
        lines.append(f"left out {len(survey.skipped) - 5} more that cannot be read")
    return lines


def _watch(run: Run, report: Report) -> tuple[list[str], dict[str, Any]]:
    """Go through a run's events, showing them; returns what to tell people and programs at the end."""
    newest: dict[str, tuple[Path, ...]] = {}
    alarms, note, distance = [], "", ""
    with finishing_the_step(run), board(run.plan.folder, run.progress.images, run.team.leads) as record:
        for event in run.events():
            if event.kind == "log":
                record(event.images, event.numbers)
                note = _note(event)
            elif event.kind == DISTANCE:
                distance = f"kernel distance {event.numbers['kernel_distance']:.4f} after {event.images:,} images"
            elif event.kind == "alarm":
                alarms.append(f"alarm after {event.images:,} images: {event.text}")
            report("Training", event.images, run.plan.images, note)
            newest[event.kind] = event.paths or newest.get(event.kind, ())
    paths = [path for written in newest.values() for path in written]
    if run.team.leads:
        paths += write_training_report(run.plan.folder)
    state, images = STOPPED if run.stopping else FINISHED, run.progress.images
    lines = [*alarms, *filter(None, [distance]), f"{state} after {images:,} images", *wrote(paths)]
    return lines, {"state": state, "images": images, "alarms": alarms, "files": paths}


def _note(event: Event) -> str:
    return "  ".join(f"{name} {event.numbers[name]:.2f}" for name in SHOWN if name in event.numbers)


@runtime_checkable
class Stoppable(Protocol):
    """Something long that saves and ends when told."""

    stopping: bool


@contextmanager
def finishing_the_step(run: Stoppable) -> Iterator[None]:
    """Let the first Ctrl-C (or TERM) finish the step and save; a second one, seconds later, stops at once."""
    first = 0.0

    def stop(number: int, frame: Any) -> None:
        nonlocal first
        run.stopping, now = True, time.monotonic()
        first = first or now
        # One Ctrl-C may arrive twice: from the terminal, and passed on by torchrun.
        if now - first > SECONDS_TO_REPEAT:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
