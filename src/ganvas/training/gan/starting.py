"""How a run starts: in an empty folder, from trained networks, or from a snapshot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ganvas.checkpoints.load import load
from ganvas.errors import TrainingError
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.io.files import atomic_path
from ganvas.io.tensor_files import read_header
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.gan import snapshots
from ganvas.training.gan.biggan import BigGANSettings
from ganvas.training.gan.channels import standard_channels
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.discriminator_files import companion_discriminator
from ganvas.training.gan.growing import misfit, unfitting_sizes
from ganvas.training.gan.networks import InitialNetworks, Networks, restore
from ganvas.training.gan.r3gan import R3GANSettings
from ganvas.training.gan.run import TrainingRun
from ganvas.training.gan.snapshots import Snapshot, TrainingState
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.stylegan3 import StyleGAN3Settings
from ganvas.training.gan.task import GANSettings, TrainingTask
from ganvas.training.log import LOG, read_log, write_line

SETTINGS_TYPES = {
    "stylegan2": StyleGAN2Settings,
    "stylegan3": StyleGAN3Settings,
    "dcgan": DCGANSettings,
    "biggan": BigGANSettings,
    "r3gan": R3GANSettings,
    "adapt": AdaptationSettings,
}
SETTINGS_FILE = "settings.json"
CHANGEABLE = ("precision",)  # a run may be resumed in another precision
NEWEST = "auto"


def begin(task: TrainingTask, source: InitialNetworks | Networks | None = None) -> TrainingRun:
    """Return a new run, with the weights of `source` (see `read_initial`) where it is given.

    Raises `TrainingError` where the folder already holds a run, or the source is of another family.
    """
    _refuse_used_folder(task.folder)
    run = prepare(task, source)
    if task.processes.is_main:
        _write_settings(task)
    return run


def prepare(task: TrainingTask, source: InitialNetworks | Networks | None = None) -> TrainingRun:
    """Return a new run that has written nothing yet; raises `TrainingError` where the source is of another family."""
    family = task.settings.family if source is None else source.generator.family
    if family != task.settings.family:
        raise TrainingError(
            f"A {task.settings.family} starts from another {task.settings.family}, not from a {family}."
        )
    networks = task.settings.build(task.device, source)
    task.augmentation.prepare(networks.extra, task.device)
    return TrainingRun(task, networks, TrainingState(fresh_since=None if source is None else 0))


def read_initial(path: str, channels: Sequence[int] = ()) -> InitialNetworks | Networks:
    """Return trained networks to start from: all networks of a training snapshot, or a generator by name or file.

    A generator comes with its companion discriminator where one of these `channels` can start from it.
    """
    if not (Path(path).is_file() and snapshots.is_snapshot(Path(path))):
        generator = load(path)
        discriminator = companion_discriminator(generator, path)
        fits = discriminator is not None and not misfit(channels, discriminator.channels)
        return InitialNetworks(generator, discriminator if fits else None)
    snapshot = snapshots.read(Path(path))
    networks = settings_of(snapshot.settings).build(torch.device("cpu"))
    restore(networks, snapshot.tensors)
    return networks


def sized_as(start: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by name: those given, and for the others the sizes of the StyleGAN2 to start from, if any."""
    source = read_initial(start).generator if start else None
    if not isinstance(source, StyleGAN2):
        return dict(given)
    own = source.architecture
    sizes: dict[str, Any] = {name: getattr(own, name) for name in ("z_dim", "w_dim", "hidden", "kind", "mapping_rate")}
    sizes |= {"resolution": own.resolution, "channels": own.channels}
    if "mapping_layers" in given:
        del sizes["hidden"]
    coarser = given.get("resolution", own.resolution) < own.resolution  # refused later, by its own resolution
    if coarser or given.keys() & {"channel_base", "channel_max"}:
        del sizes["channels"]
    elif given.get("resolution", own.resolution) > own.resolution:
        finer = standard_channels(given["resolution"])[len(own.channels) :]
        sizes["channels"] = (*own.channels, *(min(own.channels[-1], count) for count in finer))
    return {**sizes, **given}


def fits(settings: GANSettings, start: str) -> bool:
    """Return whether a run with these settings could start from the StyleGAN2 of this name or file."""
    source: Any = load(start)
    return isinstance(settings, StyleGAN2Settings) and not unfitting_sizes(settings.architecture, source.architecture)


def resume(task: TrainingTask, path: str = NEWEST, *, change: bool = False) -> TrainingRun:
    """Return a run that resumes from the snapshot `path`, or from the newest in the folder for "auto".

    A weights-only snapshot resumes with fresh optimizers and a learning-rate warm-up, which the log records. Files
    later than the snapshot are set aside.

    Args:
        task: What to train; the settings must be those of the snapshot.
        path: A snapshot file, or "auto".
        change: Allow other settings, which the log records; the networks keep their shapes.

    Raises:
        TrainingError: There is no snapshot, it has other settings, or the folder holds another run.
    """
    found = newest(task.folder) if path == NEWEST else Path(path)
    snapshot = snapshots.read(found)
    if found.parent.resolve() != task.folder.resolve():
        _refuse_used_folder(task.folder)
    changes = _changed_settings(snapshot, task)
    if changes and not change:
        raise TrainingError(
            f"'{found}' has other settings: {changes}. Give those, or --change to go on with the new ones."
        )
    networks = task.settings.build(task.device)
    task.augmentation.prepare(networks.extra, task.device)
    complete = restore(networks, snapshot.tensors)
    state = snapshot.state if complete else replace(snapshot.state, fresh_since=snapshot.state.step)
    if task.processes.is_main:
        _rewind_folder(task, state.images)
        if not complete:
            write_line(task.folder, {"event": "joined", "images": state.images, "from": found.name})
        if changes:
            write_line(task.folder, {"event": "changed", "images": state.images, "settings": changes})
    return TrainingRun(task, networks, state)


def newest(folder: Path) -> Path:
    """Return the newest complete snapshot of a run; raises `TrainingError` where there is none."""
    complete = snapshots.all_in(folder)
    if not complete:
        raise TrainingError(f"'{folder}' holds no snapshot to resume from; start without --resume.")
    return complete[-1]


def recorded_precision(path: str, folder: Path) -> str | None:
    """Return the precision that a snapshot ("auto": the newest one of the folder) was trained in, in which a run
    resumes bit for bit; None where the file is no snapshot.
    """
    found = newest(folder) if path == NEWEST else Path(path)
    return read_header(found, TrainingError)["settings"]["precision"] if snapshots.is_snapshot(found) else None


def settings_of(header: Mapping[str, Any]) -> GANSettings:
    """Return the settings that a snapshot's header describes."""
    described: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in header.items()
    }
    try:
        return SETTINGS_TYPES[described["family"]](**described)
    except (KeyError, TypeError) as reason:
        raise TrainingError(f"The snapshot describes settings that this version does not know ({reason}).") from reason


def _refuse_used_folder(folder: Path) -> None:
    if snapshots.all_in(folder) or (folder / LOG).exists():
        raise TrainingError(f"'{folder}' holds a run already: go on with --resume auto, or give another --out.")


def _changed_settings(snapshot: Snapshot, task: TrainingTask) -> str:
    """Return how the task differs from the settings of a snapshot, "" for not at all."""
    data = task.described_data()
    now = asdict(task.settings) | data
    before = asdict(settings_of(snapshot.settings)) | {name: snapshot.data.get(name, now[name]) for name in data}
    return "; ".join(
        f"{name} was {before.get(name)}, now {now.get(name)}"
        for name in sorted(before.keys() | now.keys())
        if name not in CHANGEABLE and before.get(name) != now.get(name)
    )


def _rewind_folder(task: TrainingTask, images: int) -> None:
    """Bring the folder back to the state after so many images."""
    task.folder.mkdir(parents=True, exist_ok=True)
    kept = [line for line in read_log(task.folder) if line.get("images", 0) <= images]
    with atomic_path(task.folder / LOG, TrainingError) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
    snapshots.set_aside(task.folder, images)
    _write_settings(task)


def _write_settings(task: TrainingTask) -> None:
    described = {
        "settings": asdict(task.settings),
        "schedule": asdict(task.schedule),
        "augmentation": asdict(task.augmentation),
    }
    with atomic_path(task.folder / SETTINGS_FILE, TrainingError) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", "utf-8")
