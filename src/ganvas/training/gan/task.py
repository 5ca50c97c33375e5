"""What a training run does: the settings of the networks, the schedule, the data and where it runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas.checks.arguments import checked_as
from ganvas.checks.ranges import Count, Every, Images
from ganvas.errors import TrainingError
from ganvas.images.datasets import ImageSet
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.distributed import ProcessGroup, check_batch
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.stylegan2 import StyleGAN2Settings

GANSettings = StyleGAN2Settings | DCGANSettings | AdaptationSettings


@checked_as(TrainingError)
@dataclass(frozen=True)
class RunSchedule:
    """When a run ends, and when it writes what; all numbers count images shown to the discriminator.

    Attributes:
        images: Images to show in all.
        lr_decay_images: The learning rates fall linearly to 0 over the last so many images; 0 for never.
        log_every: Images from one log line to the next; 0 for none.
        sheet_every: Images from one sheet of samples to the next; 0 for none.
        evaluate_every: Images from one evaluation on held-out images to the next; 0 for none.
        snapshot_every: Images from one snapshot to the next; 0 for one at the end.
        weights_every: Images from one weights-only snapshot to the next, which are all kept; 0 for none.
        keep: Complete snapshots to keep, the newest ones.
    """

    images: Images = 300_000
    lr_decay_images: Every = 0
    log_every: Every = 1_000
    sheet_every: Every = 5_000
    evaluate_every: Every = 20_000
    snapshot_every: Every = 10_000
    weights_every: Every = 0
    keep: Count = 3


@dataclass(frozen=True)
class TrainingTask:
    """What a run trains, on which data, into which folder, on which device, under which name; raises
    `TrainingError` where the batch cannot be divided among the processes.
    """

    settings: GANSettings
    schedule: RunSchedule
    folder: Path
    data: ImageSet
    augmentation: Augmentation = Augmentation()
    device: torch.device = torch.device("cpu")
    processes: ProcessGroup = ProcessGroup()
    name: str = "trained"

    def __post_init__(self) -> None:
        check_batch(self.settings.batch, self.processes.shard, self.settings.group_size)

    def described_data(self) -> dict[str, Any]:
        """Return what a snapshot records of the data: the number of images, and how they are augmented."""
        augmentation = self.augmentation
        return {"data": f"{len(self.data)} images", "augment": augmentation.kind, "flip": augmentation.flip}
