"""``ganvas train``: make a generator from a folder or a zip of pictures."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch
from cyclopts import App, Parameter

from ganvas.checkpoints.files import load
from ganvas.cli.progress import Report, progress
from ganvas.cli.shared import Flag, device_named, make_folder, show, with_seconds, wrote
from ganvas.reports.training_report import write_training_report
from ganvas.training import starting
from ganvas.training.augmentation import Augmentation
from ganvas.training.data import PictureSet, Survey, open_pictures
from ganvas.training.dcgan import DCGANRecipe
from ganvas.training.distributed import Team, team
from ganvas.training.hardware import fastest_precision
from ganvas.training.run import Event, Plan, Recipe, Run
from ganvas.training.stylegan2 import StyleGAN2Recipe, standard_channels

app = App(name="train", help="Train a generator on a folder or a zip of pictures.")


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """Options on where a run goes and how it is watched."""

    out: Path = Path("training")
    """Folder of the run: log, sheets, snapshots, generator.safetensors, loss curves."""
    pictures: int = 300_000
    """Pictures to show in all."""
    resume: str | None = None
    """Go on: auto for the newest snapshot in --out, or the file of one, whole or slim."""
    seed: int = 0
    """Of all chance."""
    log_every: int = 1_000
    """Pictures between lines of the log."""
    sheet_every: int = 5_000
    """Pictures between sheets of samples."""
    snapshot_every: int = 10_000
    """Pictures between snapshots."""
    slim_every: int = 0
    """Pictures between slim snapshots (weights in bfloat16), which all stay; 0 for none."""
    keep: int = 3
    """Snapshots kept, the newest ones."""
    flip: bool = True
    """Mirror real pictures at random."""
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


@app.command
def dcgan(
    data: Path,
    /,
    *,
    resolution: Literal[32, 64, 128] = 64,
    batch: int = 64,
    loss: Literal["bce", "hinge"] = "bce",
    rate: float = 2e-4,
    width: int = 64,
    augment: Literal["none", "diff", "adaptive"] = "none",
    start: str | None = None,
    running: Running = Running(),
) -> None:
    """Train a DCGAN (Radford et al. 2016): small and quick, space z only.

    Parameters
    ----------
    data
        A folder or a zip of pictures; each is cut to its middle square and resized.
    resolution
        Width and height of the pictures in pixels.
    batch
        Pictures of a step.
    loss
        bce is the published one.
    rate
        Learning rate of both networks.
    width
        Channels of the finest map.
    augment
        diff changes colours, shifts and cuts out before the discriminator sees a picture (DiffAugment): for sets of
        hundreds of pictures.
    start
        A DCGAN to start from instead of random weights.
    running
        Where the run goes and how it is watched.
    """
    device = device_named(running.device)
    recipe = DCGANRecipe(
        resolution=resolution,
        width=width,
        judge_width=width,
        batch=batch,
        objective=loss,
        rate=rate,
        judge_rate=rate,
        precision=_precision(running, device),
        seed=running.seed,
    )
    _train(recipe, data, Augmentation(augment, running.flip), start, running, device)


@app.command
def stylegan2(
    data: Path,
    /,
    *,
    resolution: int = 128,
    batch: int = 32,
    loss: Literal["bce", "hinge", "relativistic"] = "bce",
    rate: float = 2.5e-3,
    r1: float = 1.0,
    r2: float = 0.0,
    penalty_every: int = 16,
    path: float = 0.0,
    mixing: float = 0.5,
    channel_base: int = 4096,
    channel_max: int = 256,
    mapping_layers: int = 4,
    z_dim: int = 256,
    judge_first: int | None = None,
    augment: Literal["none", "diff", "adaptive"] = "none",
    start: str | None = None,
    running: Running = Running(),
) -> None:
    """Train a StyleGAN2 (Karras et al. 2020): spaces z, w, w+ and s.

    Parameters
    ----------
    data
        A folder or a zip of pictures; each is cut to its middle square and resized.
    resolution
        Width and height of the pictures in pixels, a power of two.
    batch
        Pictures of a step.
    loss
        bce is the published one; relativistic compares real and made pictures in pairs (R3GAN), with --r2 too.
    rate
        Learning rate of both networks.
    r1
        Weight of the gradient penalty on real pictures.
    r2
        Weight of the gradient penalty on made pictures.
    penalty_every
        Steps between gradient penalties.
    path
        Weight of the path length penalty; 2 is the published one, 0 leaves it out.
    mixing
        Share of pictures made from two codes.
    channel_base
        Channels times pixels of the fine maps: the map of r pixels has channel_base / r of them.
    channel_max
        Most channels of a map.
    mapping_layers
        Layers from z to w.
    z_dim
        Width of z and w.
    judge_first
        Steps at the start in which only the discriminator learns; 500 with --start, else 0.
    augment
        adaptive keeps a discriminator of small sets from learning them by heart.
    start
        A generator to start from: of the same or smaller resolution and channels.
    running
        Where the run goes and how it is watched.
    """
    device = device_named(running.device)
    channels = standard_channels(resolution, channel_base, channel_max)
    recipe = StyleGAN2Recipe(
        channels=channels,
        judge_channels=channels,
        z_dim=z_dim,
        mapping_layers=mapping_layers,
        batch=batch,
        objective=loss,
        rate=rate,
        judge_rate=rate,
        r1=r1,
        r2=r2,
        penalty_every=penalty_every,
        path=path,
        mixing=mixing,
        judge_first=(500 if start else 0) if judge_first is None else judge_first,
        precision=_precision(running, device),
        seed=running.seed,
    )
    _train(recipe, data, Augmentation(augment, running.flip), start, running, device)


def _precision(running: Running, device: torch.device) -> str:
    return fastest_precision(device) if running.precision == "auto" else running.precision


def _train(
    recipe: Recipe, source: Path, augmentation: Augmentation, start: str | None, running: Running, device: torch.device
) -> None:
    began = time.perf_counter()
    if running.threads:
        torch.set_num_threads(running.threads)
    with team(device) as members, progress() as report:
        data = open_pictures(source, recipe.resolution, lambda done, total: report("Packing pictures", done, total))
        lines = survey_lines(data.survey)
        plan = running.plan({"command": f"ganvas train {recipe.family}"})
        if running.dry_run:
            lines += _rehearse(recipe, plan, data, augmentation, device, members)
            show(lines, {"command": "train", "survey": vars(data.survey)}, running.json)
            return
        make_folder(running.out)
        beginning = load(start) if start else None
        run = (
            starting.resume(running.resume, recipe, plan, data, augmentation, device, members)
            if running.resume
            else starting.begin(recipe, plan, data, augmentation, device, members, beginning)
        )
        paths, alarms = _watch(run, report)
        if members.leads:
            paths += write_training_report(plan.folder)
            state = "stopped" if run.stopping else "finished"
            lines += [*alarms, f"{state} after {run.progress.pictures} pictures", *wrote(paths), with_seconds(began)]
            show(lines, {"command": "train", "pictures": run.progress.pictures, "files": paths}, running.json)


def _rehearse(
    recipe: Recipe, plan: Plan, data: PictureSet, augmentation: Augmentation, device: torch.device, members: Team
) -> list[str]:
    """Do two steps without a file and say how long the run would take."""
    networks = recipe.build(device)
    augmentation.prepare(networks.extra, device)
    run = Run(recipe, plan, data, networks, augmentation, device, members)
    run.step()
    began = time.perf_counter()
    run.step()
    hours = (time.perf_counter() - began) / recipe.batch * plan.pictures / 3600
    sizes = {name: sum(p.numel() for p in module.parameters()) for name, module in networks.modules.items()}
    return [
        f"generator {sizes['generator']:,} parameters, discriminator {sizes['discriminator']:,}, in {recipe.precision}",
        f"{plan.pictures:,} pictures would take about {hours:.1f} hours on {device}",
        "dry run: nothing was written",
    ]


def survey_lines(survey: Survey) -> list[str]:
    """Return what was found in the data, for people."""
    lines = [f"{survey.count:,} pictures at {survey.resolution} pixels from {survey.source}"]
    if survey.cropped:
        lines.append(f"{survey.cropped:,} were not square: the middle was taken")
    if survey.enlarged:
        lines.append(f"{survey.enlarged:,} are smaller than {survey.resolution} pixels and were enlarged")
    for name, reason in list(survey.skipped.items())[:5]:
        lines.append(f"left out {name}: {reason}")
    if len(survey.skipped) > 5:
        lines.append(f"left out {len(survey.skipped) - 5} more that cannot be read")
    return lines


def _watch(run: Run, report: Report) -> tuple[list[Path], list[str]]:
    """Go through a run's events, showing them; returns what was written last and all alarms."""
    newest: dict[str, tuple[Path, ...]] = {}
    alarms = []
    with _finishing_the_step(run):
        for event in run.events():
            if event.kind == "log":
                report(_caption(event), event.pictures, run.plan.pictures)
            elif event.kind == "alarm":
                alarms.append(f"alarm after {event.pictures} pictures: {event.text}")
            newest[event.kind] = event.paths or newest.get(event.kind, ())
    return [path for paths in newest.values() for path in paths], alarms


def _caption(event: Event) -> str:
    return "Training  " + "  ".join(f"{name} {event.numbers[name]:.3f}" for name in ("D", "G") if name in event.numbers)


@contextmanager
def _finishing_the_step(run: Run) -> Iterator[None]:
    """Let the first Ctrl-C (or TERM) finish the step and save; a second one stops at once."""

    def stop(number: int, frame: Any) -> None:
        if run.stopping:
            raise KeyboardInterrupt
        run.stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
