"""How a run begins: in an empty folder, or from a snapshot, whole or slim."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ganvas.checkpoints.load import load
from ganvas.errors import TrainingError
from ganvas.images.datasets import ImageSet
from ganvas.io.files import atomic_path
from ganvas.io.tensor_files import read_header
from ganvas.training.adapt.adaptation import AdaptationRecipe
from ganvas.training.distributed import Team
from ganvas.training.gan import snapshots
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.dcgan import DCGANRecipe
from ganvas.training.gan.discriminator_files import discriminator_of
from ganvas.training.gan.growing import misfit
from ganvas.training.gan.networks import Networks, Source, restore
from ganvas.training.gan.run import Plan, Recipe, Run, described_data
from ganvas.training.gan.snapshots import Progress
from ganvas.training.gan.stylegan2 import StyleGAN2Recipe
from ganvas.training.log import LOG, read_log, write_line

RECIPES = {"stylegan2": StyleGAN2Recipe, "dcgan": DCGANRecipe, "adapt": AdaptationRecipe}
SETTINGS = "settings.json"
FREE = ("precision",)  # a run may go on in another precision


def begin(
    recipe: Recipe,
    plan: Plan,
    data: ImageSet,
    augmentation: Augmentation,
    device: torch.device,
    team: Team,
    source: Source | Networks | None = None,
) -> Run:
    """Return a run from the start, with the weights of `source` (see `read_source`) where it is given.

    Raises `TrainingError` where the folder already holds a run, or the source is of another family.
    """
    _refuse_used(plan.folder)
    run = prepare(recipe, plan, data, augmentation, device, team, source)
    if team.leads:
        _write_settings(plan, recipe, augmentation)
    return run


def read_source(path: str, channels: Sequence[int] = ()) -> Source | Networks:
    """Return what a run may start from: all networks of a training snapshot, or a generator by name or file, with the
    discriminator that comes with it where a discriminator of these `channels` can begin as that one.
    """
    if not (Path(path).is_file() and snapshots.is_snapshot(Path(path))):
        generator = load(path)
        discriminator = discriminator_of(generator, path)
        fits = discriminator is not None and not misfit(channels, discriminator.channels)
        return Source(generator, discriminator if fits else None)
    snapshot = snapshots.read(Path(path))
    networks = recipe_of(snapshot.recipe).build(torch.device("cpu"))
    restore(networks, snapshot.tensors)
    return networks


def prepare(
    recipe: Recipe,
    plan: Plan,
    data: ImageSet,
    augmentation: Augmentation,
    device: torch.device,
    team: Team,
    source: Source | Networks | None = None,
) -> Run:
    """Return a run from the start of which nothing is written yet; raises `TrainingError` where the source is of
    another family.
    """
    family = recipe.family if source is None else source.generator.family
    if family != recipe.family:
        raise TrainingError(f"A {recipe.family} starts from another {recipe.family}, not from a {family}.")
    networks = recipe.build(device, source)
    augmentation.prepare(networks.extra, device)
    progress = Progress(fresh_since=None if source is None else 0)
    return Run(recipe, plan, data, networks, augmentation, device, team, progress)


def resume(
    path: str,
    recipe: Recipe,
    plan: Plan,
    data: ImageSet,
    augmentation: Augmentation,
    device: torch.device,
    team: Team,
    *,
    change: bool = False,
) -> Run:
    """Return a run that goes on from the snapshot `path`, or from the newest in the folder for "auto".

    A slim snapshot goes on with fresh optimizers, warmed up, which the log says; so it does of other settings, allowed
    with `change` if the networks keep their shapes. What the folder holds of later than the snapshot is set aside.
    Raises `TrainingError` where there is no snapshot, where it was made with other settings, or where the folder holds
    another run.
    """
    found = newest(plan.folder) if path == "auto" else Path(path)
    snapshot = snapshots.read(found)
    if found.parent.resolve() != plan.folder.resolve():
        _refuse_used(plan.folder)
    other = _other_settings(snapshot, recipe, data, augmentation)
    if other and not change:
        raise TrainingError(
            f"'{found}' was made with other settings: {other}. Give those, or --change to go on with the new ones."
        )
    networks = recipe.build(device)
    augmentation.prepare(networks.extra, device)
    whole = restore(networks, snapshot.tensors)
    progress = snapshot.progress if whole else replace(snapshot.progress, fresh_since=snapshot.progress.step)
    if team.leads:
        plan.folder.mkdir(parents=True, exist_ok=True)
        _cut_log(plan.folder, progress.images)
        snapshots.set_aside(plan.folder, progress.images)
        if not whole:
            write_line(plan.folder, {"event": "joined", "images": progress.images, "from": found.name})
        if other:
            write_line(plan.folder, {"event": "changed", "images": progress.images, "settings": other})
        _write_settings(plan, recipe, augmentation)
    return Run(recipe, plan, data, networks, augmentation, device, team, progress)


def newest(folder: Path) -> Path:
    """Return the newest snapshot of a run; raises `TrainingError` where there is none."""
    whole = snapshots.all_in(folder)
    if not whole:
        raise TrainingError(f"'{folder}' holds no snapshot to go on from; start without --resume.")
    return whole[-1]


def recorded_precision(path: str, folder: Path) -> str | None:
    """Return the precision that a snapshot was trained in ("auto": the newest one of the folder), with which a run goes
    on bit for bit; None where the file is no snapshot.
    """
    found = newest(folder) if path == "auto" else Path(path)
    return read_header(found, TrainingError)["recipe"]["precision"] if snapshots.is_snapshot(found) else None


def recipe_of(snapshot: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a snapshot's header describes."""
    described: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in snapshot.items()
    }
    try:
        return RECIPES[described["family"]](**described)
    except (KeyError, TypeError) as reason:
        raise TrainingError(f"The snapshot describes settings that this version does not know ({reason}).") from reason


def _refuse_used(folder: Path) -> None:
    if snapshots.all_in(folder) or (folder / LOG).exists():
        raise TrainingError(f"'{folder}' holds a run already: go on with --resume auto, or give another --out.")


def _other_settings(snapshot: snapshots.Snapshot, recipe: Recipe, data: ImageSet, augmentation: Augmentation) -> str:
    """Return what was otherwise when the snapshot was made, "" for nothing."""
    now = asdict(recipe) | described_data(data, augmentation)
    before = asdict(recipe_of(snapshot.recipe))
    before |= {name: snapshot.data.get(name, now[name]) for name in described_data(data, augmentation)}
    return "; ".join(
        f"{name} was {before.get(name)}, now {now.get(name)}"
        for name in sorted(before.keys() | now.keys())
        if name not in FREE and before.get(name) != now.get(name)
    )


def _cut_log(folder: Path, images: int) -> None:
    """Drop lines of what will be done again."""
    kept = [line for line in read_log(folder) if line.get("images", 0) <= images]
    with atomic_path(folder / LOG, TrainingError) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")


def _write_settings(plan: Plan, recipe: Recipe, augmentation: Augmentation) -> None:
    described = {
        "recipe": asdict(recipe),
        "plan": {**vars(plan), "folder": str(plan.folder), "source": dict(plan.source)},
        "augmentation": vars(augmentation),
    }
    with atomic_path(plan.folder / SETTINGS, TrainingError) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", "utf-8")
