"""``ganvas train adapt``: move a generator to a new class from a handful of images."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from ganvas.cli.training import Running, run_and_show
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.train import adapt as train_adapted
from ganvas.training.train import rehearse


@Parameter(name="*")
@dataclass(frozen=True)
class Adapting(Running):
    """Options on where the run goes and how it is watched, for a short one."""

    out: Path = Path("adapted")
    """Folder of the run: log, sheets, snapshots, generator.safetensors, loss curves."""
    images: int = 2_000
    """Images to show in all; more learn the photos by heart."""
    lr_decay_images: int = 700
    """Images over which the learning rates fall to 0 at the end."""
    log_every: int = 100
    """Images between lines of the log."""
    sheet_every: int = 400
    """Images between sheets of samples."""
    test_every: int = 1_000
    """With --test: images between measurements."""
    snapshot_every: int = 1_000
    """Images between snapshots."""


def adapt(
    model: str,
    photos: Path,
    /,
    *,
    batch: int = AdaptationSettings.batch,
    rate: float | None = None,
    correspondence: float = AdaptationSettings.correspondence,
    discriminator: str = "auto",
    augment: Literal["none", "diff", "adaptive"] = "diff",
    running: Adapting = Adapting(),
) -> None:
    """Move a generator to a new class from a handful of images (few-shot; Ojha et al. 2021): cats to eight dogs.

    Parameters
    ----------
    model
        The generator to begin with: a bundled name, a name of the zoo or a file.
    photos
        A folder or a zip of images of the new class, framed as the generator's own; each is cut to its middle square
        and resized.
    batch
        Batch size.
    rate
        Learning rate of both networks; by default 5e-4 with a trained discriminator, 2e-3 with one that looks at
        features.
    correspondence
        How strongly images go on to differ from each other as they did; with 0 all come to look like the photos.
    discriminator
        The discriminator to begin with: a file that training left (discriminator.safetensors), or features, small heads
        on the frozen feature network, which any generator can do with; auto takes the one that comes with a bundled
        name or lies beside the generator's file, else features.
    augment
        diff changes colors, shifts and cuts out before the discriminator sees an image (DiffAugment).
    running
        Where the run goes and how it is watched.
    """
    settings = AdaptationSettings.of_model(
        model,
        discriminator,
        rate,
        batch=batch,
        correspondence=correspondence,
        precision=running.precision,
        seed=running.seed,
    )
    shared = {"augmentation": Augmentation(augment, running.flip), "options": running.options()}
    run_and_show(
        running,
        partial(train_adapted, photos, settings, running.out, **shared),
        partial(rehearse, photos, settings, **shared),
    )
