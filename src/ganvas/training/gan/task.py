"""What a training run does: the settings of the networks, the schedule, the data and where it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Count, Every, Images
from ganvas.images.classes import Classes
from ganvas.images.datasets import ImageSet, shuffled
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.distributed import ProcessGroup, check_batch
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.biggan import BigGANSettings
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.r3gan import R3GANSettings
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.stylegan3 import StyleGAN3Settings

GANSettings = (
    StyleGAN2Settings | StyleGAN3Settings | DCGANSettings | BigGANSettings | R3GANSettings | AdaptationSettings
)


@checked_as(TrainingError)
@dataclass(frozen=True)
class RunSchedule:
    """When a run ends, and when it writes what; numbers count images shown to the discriminator where nothing else is
    said.

    Attributes:
        images: Images to show in all.
        lr_decay_images: The learning rates fall linearly to 0 over the last so many images; 0 for never.
        log_every: Images from one log line to the next; 0 for none.
        sheet_every: Images from one sheet of samples to the next; 0 for none between the first and the last.
        evaluate_every: Images from one evaluation on held-out images to the next; 0 for none.
        snapshot_every: Images from one snapshot to the next; 0 for one at the end.
        weights_every: Images from one weights-only snapshot to the next, which are all kept; 0 for none.
        keep: Complete snapshots to keep, the newest ones.
        sheet_seconds: In the first ten minutes, the most seconds from one sheet to the next; 0 for `sheet_every` alone.
    """

    images: Images = 300_000
    lr_decay_images: Every = 0
    log_every: Every = 1_000
    sheet_every: Every = 5_000
    evaluate_every: Every = 20_000
    snapshot_every: Every = 10_000
    weights_every: Every = 0
    keep: Count = 3
    sheet_seconds: Every = 60


@dataclass(frozen=True)
class TrainingTask:
    """What a run trains, on which data, into which folder, on which device, under which name; raises
    `TrainingError` where the batch cannot be divided among the processes. ``classes`` are those of the data, for a
    class-conditional generator.
    """

    settings: GANSettings
    schedule: RunSchedule
    folder: Path
    data: ImageSet
    augmentation: Augmentation = Augmentation()
    device: torch.device = torch.device("cpu")
    processes: ProcessGroup = ProcessGroup()
    name: str = "trained"
    classes: Classes | None = None

    def __post_init__(self) -> None:
        check_batch(self.settings.batch, self.processes.shard, self.settings.group_size)

    def described_data(self) -> dict[str, Any]:
        """Return what a snapshot records of the data: the number of images, how they were made square and how they
        are augmented.
        """
        augmentation, count, fit = self.augmentation, f"{len(self.data)} images", self.data.summary.fit
        return {"data": count, "fit": fit, "augment": augmentation.kind, "flip": augmentation.flip}

    def real_batch(self, first: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Return this process's shard of the batch that begins with real image number `first`, and its classes."""
        settings, shard = self.settings, self.processes.shard.samples(self.settings.batch)
        if self.classes is None:
            indices = shuffled(settings.seed, first, first + settings.batch, len(self.data))[shard]
            return self.data.batch(indices, device), None
        indices = self.classes.balanced(settings.seed, first, first + settings.batch)[shard]
        return self.data.batch(indices, device), self.classes.of(indices, device)
