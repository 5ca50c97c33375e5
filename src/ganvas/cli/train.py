"""``ganvas train``: train a generator, or its encoder, on a folder or a zip of images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cyclopts import App, Parameter

from ganvas.cli import numbers
from ganvas.cli.options import Compute
from ganvas.cli.train_encoder import encoder
from ganvas.cli.training import Adapting, Running, run_and_show
from ganvas.cli.types import Flag, Model
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.gan.biggan import BigGANSettings
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.r3gan import R3GANSettings
from ganvas.training.gan.starting import fits, sized_as
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.stylegan3 import StyleGAN3Settings

WARMUP = "discriminator_warmup"
OFFERED, OFFERED_PIXELS = "faces", 128  # the bundled generator to start from, and its resolution
Augment = Literal["none", "diff", "adaptive"]

app = App(name="train", help="Train a generator, or its encoder, on a folder or a zip of images.")


@app.command
def dcgan(
    data: Path,
    /,
    *,
    resolution: Literal[32, 64, 128] = 64,
    batch: numbers.Batch = 64,
    loss: Literal["bce", "hinge"] = "bce",
    learning_rate: numbers.Rate = 2e-4,
    width: numbers.Width = 64,
    augment: Augment = "none",
    start: str | None = None,
    running: Running = Running(),
    compute: Compute = Compute(),
) -> None:
    """Train a DCGAN (Radford et al. 2016): small and quick, space z only.

    Args:
        data: A folder or a zip of images; each is cropped to its middle square and resized.
        resolution: Width and height of the images in pixels.
        batch: Batch size.
        loss: bce is the published one.
        learning_rate: Learning rate of both networks.
        width: Channels of the finest map.
        augment: diff changes colors, shifts and cuts out before the discriminator sees an image (DiffAugment): for
            sets of hundreds of images.
        start: A DCGAN to start from instead of random weights.
    """
    settings = DCGANSettings(
        resolution=resolution,
        width=width,
        discriminator_width=width,
        batch=batch,
        loss=loss,
        learning_rate=learning_rate,
        discriminator_learning_rate=learning_rate,
        precision=compute.precision or "auto",
        seed=running.seed,
    )
    run_and_show(data, settings, running, compute, augment, start)


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions:
    """Sizes of the networks, and how they learn."""

    resolution: numbers.Size | None = None
    """Width and height of the images in pixels, a power of two; that of --start or 128 by default."""
    z_dim: numbers.Width | None = None
    """Width of the codes z, and of w; that of --start or 256 by default."""
    channels: str | None = None
    """Channels of the maps of 4, 8, ... pixels, such as 256,256,128,64, instead of those of --start or the standard
    ones."""
    batch: numbers.Batch = StyleGAN2Settings.batch
    """Batch size."""
    learning_rate: numbers.Rate = StyleGAN2Settings.learning_rate
    """Learning rate of both networks."""

    def settings(self, kind: Any, running: Running, compute: Compute, start: str | None) -> Any:
        """Return the settings of a kind of training, in sizes not given those of the generator to start from."""
        given = {name: value for name, value in vars(self).items() if value is not None or name == WARMUP}
        return kind.standard(**sized_as(start, given), precision=compute.precision or "auto", seed=running.seed)


@dataclass(frozen=True)
class BigGANOptions(NetworkOptions):
    """Networks and losses of a BigGAN."""

    resolution: numbers.Size = 64
    z_dim: numbers.Width = BigGANSettings.z_dim
    batch: numbers.Batch = BigGANSettings.batch
    learning_rate: numbers.Rate = BigGANSettings.learning_rate
    """Learning rate of the generator; the discriminator's is four times as high."""
    depth: numbers.Depth = BigGANSettings.depth
    """Blocks for each size of maps."""
    orthogonal: numbers.Weight = BigGANSettings.orthogonal
    """Weight of orthogonal regularization; 1e-4 is the published one."""


@app.command
def biggan(
    data: Path,
    /,
    *,
    augment: Augment = "diff",
    start: str | None = None,
    options: BigGANOptions = BigGANOptions(),
    running: Running = Running(),
    compute: Compute = Compute(),
) -> None:
    """Train a BigGAN-deep (Brock et al. 2019): images of several classes, space z.

    Args:
        data: A folder with a subfolder or a zip of images for each class, or images with a dataset.json of labels.
        augment: diff keeps the discriminator from memorizing small sets.
        start: A BigGAN of the same sizes, or a training snapshot, to start from.
    """
    settings = options.settings(BigGANSettings, running, compute, None)
    run_and_show(data, settings, running, compute, augment, start)


@dataclass(frozen=True)
class R3GANOptions(NetworkOptions):
    """Networks and losses of an R3GAN."""

    resolution: numbers.Size = 64
    z_dim: numbers.Width = R3GANSettings.z_dim
    batch: numbers.Batch = R3GANSettings.batch
    learning_rate: numbers.Rate = R3GANSettings.learning_rate
    """Learning rate of both networks at the beginning."""
    depth: numbers.Depth = R3GANSettings.depth
    """Residual blocks for each size of maps."""
    gamma: numbers.Weight = R3GANSettings.gamma
    """Weight of the gradient penalties at the beginning."""
    last_gamma: numbers.Weight = R3GANSettings.last_gamma
    """The same after the burn-in."""
    burn_in: numbers.Images = R3GANSettings.burn_in
    """Images in which weight and learning rate go from the first to the last ones."""


@app.command
def r3gan(
    data: Path,
    /,
    *,
    augment: Augment = "diff",
    start: str | None = None,
    options: R3GANOptions = R3GANOptions(),
    running: Running = Running(),
    compute: Compute = Compute(),
) -> None:
    """Train an R3GAN (Huang et al. 2024): plain residual networks, a loss that converges, space z.

    Args:
        data: A folder or a zip of images; each is cropped to its middle square and resized.
        augment: diff keeps the discriminator from memorizing small sets.
        start: An R3GAN of the same sizes, or a training snapshot, to start from.
    """
    settings = options.settings(R3GANSettings, running, compute, None)
    run_and_show(data, settings, running, compute, augment, start)


@dataclass(frozen=True)
class StyleGAN2Options(NetworkOptions):
    """Networks and losses of a StyleGAN2."""

    loss: Literal["bce", "hinge", "relativistic"] = "bce"
    """bce is the published one; relativistic compares real and fake images in pairs (R3GAN), with --r2 too."""
    r1: numbers.Weight = StyleGAN2Settings.r1
    """Weight of the gradient penalty on real images."""
    r2: numbers.Weight = StyleGAN2Settings.r2
    """Weight of the gradient penalty on fake images."""
    penalty_every: numbers.Steps = StyleGAN2Settings.penalty_every
    """Steps between gradient penalties."""
    path: numbers.Weight = StyleGAN2Settings.path
    """Weight of the path length penalty; 2 is the published one, 0 leaves it out."""
    mixing: numbers.Fraction = StyleGAN2Settings.mixing
    """Share of fake images with style mixing."""
    channel_base: numbers.Count | None = None
    """Channels at resolution r: min(channel_base / r, channel_max); 4096 by default."""
    channel_max: numbers.Width | None = None
    """Most channels of a map; 256 by default."""
    mapping_layers: numbers.Depth | None = None
    """Layers from z to w; those of --start or 4 by default."""
    discriminator_warmup: numbers.StepsOrNone | None = None
    """Steps at the start in which only the discriminator learns; 500 where --start gives none that fits."""
    match_noise: Flag = False
    """Set the noise strengths of the finest maps of the exported generator to match the high-frequency energy of the
    data."""


@app.command
def stylegan2(
    data: Path,
    /,
    *,
    augment: Augment = "none",
    start: str | None = None,
    options: StyleGAN2Options = StyleGAN2Options(),
    running: Running = Running(),
    compute: Compute = Compute(),
) -> None:
    """Train a StyleGAN2 (Karras et al. 2020): spaces z, w, w+ and s.

    Args:
        data: A folder or a zip of images; each is cropped to its middle square and resized.
        augment: adaptive keeps the discriminator from memorizing a small set.
        start: A generator to start from, or a training snapshot, of the same or smaller resolution and channels. Its
            discriminator is used where Ganvas trained it and it has the same channels; not that of an NVIDIA file.
    """
    settings = options.settings(StyleGAN2Settings, running, compute, start)
    could_start = False
    if start is None and running.resume is None and settings.resolution >= OFFERED_PIXELS:
        could_start = fits(options.settings(StyleGAN2Settings, running, compute, OFFERED), OFFERED)
    run_and_show(data, settings, running, compute, augment, start, could_start)


@dataclass(frozen=True)
class StyleGAN3Options(NetworkOptions):
    """Networks and losses of a StyleGAN3."""

    channels: str | None = None
    """Channels of the layers, such as 128,128,96,64,48,32,32, instead of the standard ones."""
    layers: numbers.Depth = 14
    """Layers, where no --channels are given."""
    rotation: Flag = False
    """Equivariant to rotation as well (R), not to translation only (T)."""
    r1: numbers.Weight = StyleGAN3Settings.r1
    """Weight of the gradient penalty on real images."""
    distill: str = ""
    """A trained StyleGAN, such as cats, whose images it learns to make before it meets real ones."""
    distill_images: numbers.Every = StyleGAN3Settings.distill_images
    """Images for which it does."""
    blur_images: numbers.Every = StyleGAN3Settings.blur_images
    """First images, of which the discriminator sees ever less blurred ones; the paper has 200,000."""
    discriminator_warmup: numbers.StepsOrNone | None = None
    """Steps at the start in which only the discriminator learns; 500 where --start gives none that fits."""


@app.command
def stylegan3(
    data: Path,
    /,
    *,
    augment: Augment = "none",
    start: str | None = None,
    options: StyleGAN3Options = StyleGAN3Options(),
    running: Running = Running(),
    compute: Compute = Compute(),
) -> None:
    """Train a StyleGAN3 (Karras et al. 2021), T or R: images that can be moved and turned.

    Args:
        data: A folder or a zip of images.
        augment: adaptive keeps the discriminator from memorizing a small set; of it only changes of color.
        start: A StyleGAN3 of the same sizes, or a training snapshot, to start from.
    """
    settings = options.settings(StyleGAN3Settings, running, compute, None)
    run_and_show(data, settings, running, compute, augment, start)


@app.command
def adapt(
    model: Model,
    photos: Path,
    /,
    *,
    batch: numbers.Batch = AdaptationSettings.batch,
    learning_rate: numbers.Rate | None = None,
    correspondence: numbers.Weight = AdaptationSettings.correspondence,
    discriminator: str = "auto",
    augment: Augment = "diff",
    running: Adapting = Adapting(),
    compute: Compute = Compute(),
) -> None:
    """Adapt a generator to a new class from a handful of images (few-shot; Ojha et al. 2021): cats to eight dogs.

    Args:
        photos: A folder or a zip of images of the new class, framed as the generator's own; each is cropped to its
            middle square and resized.
        batch: Batch size.
        learning_rate: Learning rate of both networks; by default 1e-3 with a trained discriminator,
            2e-3 with one on features (which needs twice the --images).
        correspondence: Weight of the loss that keeps images as different from each other as they were; with 0 all
            come to look like the photos.
        discriminator: The discriminator to begin with: a file that training left (discriminator.safetensors), or
            features, small heads on the frozen feature network, which fit any generator; auto takes the one that comes
            with a bundled name or is next to the generator's file, else features.
        augment: diff changes colors, shifts and cuts out before the discriminator sees an image (DiffAugment).
    """
    settings = AdaptationSettings.of_model(
        model,
        discriminator,
        learning_rate,
        batch=batch,
        correspondence=correspondence,
        precision=compute.precision or "auto",
        seed=running.seed,
    )
    run_and_show(photos, settings, running, compute, augment)


app.command(encoder)
