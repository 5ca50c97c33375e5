"""``ganvas train adapt``: move a generator to a new class from a handful of pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

from ganvas.checkpoints.load import load
from ganvas.cli.shared import device_named
from ganvas.cli.training import Running, train
from ganvas.training.adapt.adaptation import BESIDE, FEATURES, WITH_DISCRIMINATOR, WITH_FEATURES, AdaptationRecipe
from ganvas.training.distributed import own_device
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.discriminator_files import discriminator_beside


@Parameter(name="*")
@dataclass(frozen=True)
class Adapting(Running):
    """Options on where the run goes and how it is watched, for a short one."""

    out: Path = Path("adapted")
    """Folder of the run: log, sheets, snapshots, generator.safetensors, loss curves."""
    pictures: int = 2_000
    """Pictures to show in all; more learn the photos by heart."""
    cool: int = 700
    """Let the learning rates fall to nothing over the last so many pictures."""
    log_every: int = 100
    """Pictures between lines of the log."""
    sheet_every: int = 400
    """Pictures between sheets of samples."""
    test_every: int = 1_000
    """With --test: pictures between measurements."""
    snapshot_every: int = 1_000
    """Pictures between snapshots."""


def adapt(
    model: str,
    photos: Path,
    /,
    *,
    batch: int = AdaptationRecipe.batch,
    rate: float | None = None,
    correspondence: float = AdaptationRecipe.correspondence,
    judge: str = "auto",
    augment: Literal["none", "diff", "adaptive"] = "diff",
    running: Adapting = Adapting(),
) -> None:
    """Move a generator to a new class from a handful of pictures (few-shot; Ojha et al. 2021): cats to eight dogs.

    Parameters
    ----------
    model
        The generator to begin with: a bundled name, a name of the zoo or a file.
    photos
        A folder or a zip of pictures of the new class, framed as the generator's own; each is cut to its middle square
        and resized.
    batch
        Pictures of a step.
    rate
        Learning rate of both networks; by default 5e-4 with a trained discriminator, 2e-3 with one that looks at
        features.
    correspondence
        How strongly pictures go on to differ from each other as they did; with 0 all come to look like the photos.
    judge
        The discriminator to begin with: a file that training left (discriminator.safetensors), or features, small heads
        on the frozen feature network, which any generator can do with; auto takes the one that comes with a bundled
        name or lies beside the generator's file, else features.
    augment
        diff changes colours, shifts and cuts out before the discriminator sees a picture (DiffAugment).
    running
        Where the run goes and how it is watched.
    """
    device = own_device(device_named(running.device))
    generator: Any = load(model)
    if judge == "auto":
        judge = BESIDE if discriminator_beside(model) else FEATURES
    usual = WITH_FEATURES if judge == FEATURES else WITH_DISCRIMINATOR
    rate = usual.rate if rate is None else rate
    recipe = AdaptationRecipe(
        model,
        generator.about.hash,
        generator.resolution,
        judge,
        batch=batch,
        rate=rate,
        judge_rate=rate,
        r1=usual.r1,
        correspondence=correspondence,
        precision=running.precision_on(device),
        seed=running.seed,
    )
    train(recipe, photos, Augmentation(augment, running.flip), None, running, device, fewest=1)
