"""Tiny images, settings and runs for the tests of training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas.images.classes import Classes
from ganvas.images.datasets import DatasetSummary, ImageSet
from ganvas.training.events import TrainingEvent
from ganvas.training.gan import starting
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.biggan import BigGANSettings
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.networks import Networks, tensors
from ganvas.training.gan.r3gan import R3GANSettings
from ganvas.training.gan.run import TrainingRun
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.stylegan3 import StyleGAN3Settings
from ganvas.training.gan.task import GANSettings, RunSchedule, TrainingTask

CPU = torch.device("cpu")
STYLE = StyleGAN2Settings((8, 8, 8), (8, 8, 8), z_dim=8, mapping_layers=1, batch=8, penalty_every=3)
DC = DCGANSettings(32, z_dim=8, width=4, discriminator_width=4, batch=8)
BIG = BigGANSettings(
    (16, 8, 8), (16, 8, 8), ("day", "night"), depth=1, z_dim=6, embed_dim=3, batch=8, statistics=2, orthogonal=1e-3
)
STYLE3 = StyleGAN3Settings(16, (8, 8, 8, 8), (8, 8, 8), z_dim=8, mapping_layers=1, batch=8, penalty_every=3)
R3 = R3GANSettings((16, 8, 8), depth=1, z_dim=8, batch=8, burn_in=64)
SCHEDULE = RunSchedule(log_every=16, sheet_every=0, evaluate_every=0, snapshot_every=32, keep=9)


def images_at(resolution: int, count: int = 40) -> ImageSet:
    """Return images of noise on backgrounds of different brightness."""
    random = np.random.default_rng(0)
    values = random.integers(0, 100, (count, resolution, resolution, 3)) + random.integers(0, 156, (count, 1, 1, 3))
    return ImageSet(values.astype(np.uint8), DatasetSummary("made", resolution, count, {}, 0, 0, {}))


def write_images(folder: Path, count: int = 20, size: tuple[int, int] = (20, 20), mode: str = "RGB") -> Path:
    """Write different PNG files 00.png, 01.png, ... into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random = np.random.default_rng(number)
        image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        image.convert(mode).save(folder / f"{number:02}.png")
    return folder


def task_of(settings: GANSettings, folder: Path, images: int, kind: str = "none", **schedule: Any) -> TrainingTask:
    """Return a task on the CPU, on tiny images, in a folder that is made."""
    folder.mkdir(exist_ok=True)
    schedule = replace(SCHEDULE, images=images, **schedule)
    images = images_at(settings.resolution)
    classes = None
    if isinstance(settings, BigGANSettings):
        classes = Classes(settings.classes, np.arange(len(images)) % len(settings.classes))
    return TrainingTask(settings, schedule, folder, images, Augmentation(kind), classes=classes)


def begin(
    settings: GANSettings, folder: Path, images: int, *, kind: str = "none", source: Any = None, **schedule: Any
) -> TrainingRun:
    """Return a new run."""
    return starting.begin(task_of(settings, folder, images, kind, **schedule), source)


def go_on(
    settings: GANSettings,
    folder: Path,
    images: int,
    *,
    kind: str = "none",
    path: str = "auto",
    change: bool = False,
    **schedule: Any,
) -> TrainingRun:
    """Return a run that resumes from a snapshot."""
    return starting.resume(task_of(settings, folder, images, kind, **schedule), path, change=change)


def finish(run: TrainingRun) -> list[TrainingEvent]:
    """Train to the end; returns all events but steps."""
    return [event for event in run.events() if event.kind != "step"]


def differing(one: Networks, other: Networks) -> list[str]:
    """Return the names of all tensors that are not bit for bit the same."""
    return unequal(tensors(one), tensors(other))


def unequal(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Return the names of tensors that are not bit for bit the same."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


class AlwaysDue:
    """A clock that asks for a sheet after every step."""

    due = True

    def __init__(self, seconds: int) -> None:
        assert seconds == 60

    def restart(self) -> None:
        pass


def check_learned(networks: Networks, seen: Sequence[Mapping[str, Tensor]], share: float) -> None:
    """Check that the discriminator's loss fell below this share, with finite losses and weights in float32."""
    assert float(seen[-1]["D"]) < share * float(seen[0]["D"])
    assert all(value.isfinite() for numbers in seen for value in numbers.values())
    assert all(p.dtype == torch.float32 for p in networks.generator.parameters())
