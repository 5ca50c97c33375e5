"""Snapshots of a training run on disk: whole ones that go on bit for bit, and slim ones that go on with fresh
optimizers. Safetensors with a JSON header; no code in them.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.io.tensor_files import read_header, read_tensors, write_tensors
from ganvas.training.gan.networks import Networks, slim, tensors

KIND = "training snapshot"
PATTERN = "snapshot-*.safetensors"
SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps done, images seen, and the step since which its optimizers have run."""

    step: int = 0
    images: int = 0
    fresh_since: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot file holds; ``data`` is what the run learnt from and how that was augmented."""

    tensors: dict[str, Tensor]
    progress: Progress
    recipe: Mapping[str, Any]
    data: Mapping[str, Any]


def path_of(folder: Path, images: int, *, small: bool = False) -> Path:
    """Return the name of the snapshot after so many images, with `small` of the slim one."""
    return folder / f"{'slim' if small else 'snapshot'}-{images:09d}.safetensors"


def write(
    path: Path,
    networks: Networks,
    progress: Progress,
    recipe: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    small: bool = False,
) -> Path:
    """Write a snapshot, a slim one with `small`; an interruption or a full disk leaves older ones whole."""
    held = slim(networks) if small else tensors(networks)
    header = {"recipe": dict(recipe), "progress": vars(progress), "data": dict(data), "slim": small}
    return write_tensors(path, KIND, held, header, TrainingError)


def is_snapshot(path: Path) -> bool:
    """Return whether a file is a training snapshot."""
    with suppress(TrainingError):
        return read_header(path, TrainingError).get("kind") == KIND
    return False


def read(path: Path) -> Snapshot:
    """Return what a snapshot file holds; raises `TrainingError` where it is none."""
    held, header = read_tensors(path, KIND, TrainingError)
    try:
        return Snapshot(held, Progress(**header["progress"]), dict(header["recipe"]), dict(header.get("data", {})))
    except (KeyError, TypeError, ValueError) as reason:
        raise TrainingError(f"'{path}' is a damaged snapshot ({reason}); resume from an older one.") from reason


def all_in(folder: Path) -> list[Path]:
    """Return the snapshots of a run, oldest first."""
    return sorted(folder.glob(PATTERN))


def set_aside(folder: Path, images: int) -> None:
    """Move what a run wrote after so many images, which will be made again, to a folder within: neither the newest
    snapshot nor the timelapse may come from what was given up.
    """
    for path in [*folder.glob("*-?????????.safetensors"), *folder.glob("sheet-?????????.png")]:
        number = path.stem.rpartition("-")[2]
        if number.isdecimal() and int(number) > images:
            (folder / SUPERSEDED).mkdir(exist_ok=True)
            path.replace(folder / SUPERSEDED / path.name)
    for unfinished in folder.glob(".ganvas-*"):  # of a process that was killed while it wrote
        unfinished.unlink()


def retire(folder: Path, keep: int) -> None:
    """Remove all but the `keep` newest."""
    for path in all_in(folder)[: -max(keep, 1)]:
        with suppress(FileNotFoundError):
            path.unlink()
