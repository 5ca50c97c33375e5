"""Snapshots of a training run: complete ones, from which training resumes bit for bit, and weights-only ones, from
which it resumes with fresh optimizers. Safetensors with a JSON header; no code in them.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.io.tensor_files import read_header, read_tensors, write_tensors
from ganvas.training.gan.networks import Networks, tensors, weights_only

KIND = "training snapshot"
COMPLETE, WEIGHTS = "snapshot", "weights"
SUPERSEDED = "superseded"


@dataclass(frozen=True)
class TrainingState:
    """How far a run has come: steps done, images shown, and the step at which its optimizers started afresh."""

    step: int = 0
    images: int = 0
    fresh_since: int | None = None


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot file holds; ``data`` describes the training data and their augmentation."""

    tensors: dict[str, Tensor]
    state: TrainingState
    settings: Mapping[str, Any]
    data: Mapping[str, Any]


def path_of(folder: Path, images: int, *, weights: bool = False) -> Path:
    """Return the path of the snapshot after so many images, or of the weights-only one."""
    return folder / f"{WEIGHTS if weights else COMPLETE}-{images:09d}.safetensors"


def write(
    path: Path,
    networks: Networks,
    state: TrainingState,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    weights: bool = False,
) -> Path:
    """Write a snapshot, with `weights` a weights-only one; an interruption or a full disk leaves older ones intact."""
    held = weights_only(networks) if weights else tensors(networks)
    header = {"settings": dict(settings), "state": vars(state), "data": dict(data), "weights_only": weights}
    return write_tensors(path, KIND, held, header, TrainingError)


def is_snapshot(path: Path) -> bool:
    """Return whether a file is a training snapshot."""
    with suppress(TrainingError):
        return read_header(path, TrainingError).get("kind") == KIND
    return False


def read(path: Path) -> Snapshot:
    """Return what a snapshot file holds; raises `TrainingError` where it is no snapshot."""
    held, header = read_tensors(path, KIND, TrainingError)
    try:
        return Snapshot(held, TrainingState(**header["state"]), dict(header["settings"]), dict(header.get("data", {})))
    except (KeyError, TypeError, ValueError) as reason:
        raise TrainingError(f"'{path}' is a damaged snapshot ({reason}); resume from an older one.") from reason


def all_in(folder: Path) -> list[Path]:
    """Return the complete snapshots of a run, oldest first."""
    return sorted(folder.glob(f"{COMPLETE}-*.safetensors"))


def set_aside(folder: Path, images: int) -> None:
    """Move the files that a run wrote after so many images to a subfolder, before these images are trained again:
    neither the newest snapshot nor the timelapse may come from the abandoned part.
    """
    for path in [*folder.glob("*-?????????.safetensors"), *folder.glob("sheet-?????????.png")]:
        number = path.stem.rpartition("-")[2]
        if number.isdecimal() and int(number) > images:
            (folder / SUPERSEDED).mkdir(exist_ok=True)
            path.replace(folder / SUPERSEDED / path.name)
    for unfinished in folder.glob(".ganvas-*"):  # of a process that was killed while it wrote
        unfinished.unlink()


def retire(folder: Path, keep: int) -> None:
    """Remove all complete snapshots except the `keep` newest."""
    for path in all_in(folder)[: -max(keep, 1)]:
        with suppress(FileNotFoundError):
            path.unlink()
