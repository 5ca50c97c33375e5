"""``ganvas train``: make a generator from a folder or a zip of images."""

from functools import partial
from pathlib import Path
from typing import Literal

from cyclopts import App

from ganvas.cli.adaptation import adapt
from ganvas.cli.encoder_training import encoder
from ganvas.cli.shared import Flag
from ganvas.cli.training import Running, run_and_show
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.channels import parse_channels, standard_channels
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.train import rehearse, train_dcgan, train_stylegan2

app = App(name="train", help="Train a generator, or its encoder, on a folder or a zip of images.")
app.command(encoder)
app.command(adapt)


@app.command
def dcgan(
    data: Path,
    /,
    *,
    resolution: Literal[32, 64, 128] = 64,
    batch: int = 64,
    loss: Literal["bce", "hinge"] = "bce",
    rate: float = 2e-4,
    width: int = 64,
    augment: Literal["none", "diff", "adaptive"] = "none",
    start: str | None = None,
    running: Running = Running(),
) -> None:
    """Train a DCGAN (Radford et al. 2016): small and quick, space z only.

    Parameters
    ----------
    data
        A folder or a zip of images; each is cut to its middle square and resized.
    resolution
        Width and height of the images in pixels.
    batch
        Batch size.
    loss
        bce is the published one.
    rate
        Learning rate of both networks.
    width
        Channels of the finest map.
    augment
        diff changes colors, shifts and cuts out before the discriminator sees an image (DiffAugment): for sets of
        hundreds of images.
    start
        A DCGAN to start from instead of random weights.
    running
        Where the run goes and how it is watched.
    """
    settings = DCGANSettings(
        resolution=resolution,
        width=width,
        discriminator_width=width,
        batch=batch,
        loss=loss,
        learning_rate=rate,
        discriminator_learning_rate=rate,
        precision=running.precision,
        seed=running.seed,
    )
    shared = {"augmentation": Augmentation(augment, running.flip), "options": running.options(start)}
    run_and_show(
        running,
        partial(train_dcgan, data, settings, running.out, **shared),
        partial(rehearse, data, settings, **shared),
    )


@app.command
def stylegan2(
    data: Path,
    /,
    *,
    resolution: int = 128,
    batch: int = 32,
    loss: Literal["bce", "hinge", "relativistic"] = "bce",
    rate: float = 2.5e-3,
    r1: float = 1.0,
    r2: float = 0.0,
    penalty_every: int = 16,
    path: float = 0.0,
    mixing: float = 0.5,
    channel_base: int = 4096,
    channel_max: int = 256,
    channels: str | None = None,
    mapping_layers: int = 4,
    z_dim: int = 256,
    discriminator_warmup: int | None = None,
    match_noise: Flag = False,
    augment: Literal["none", "diff", "adaptive"] = "none",
    start: str | None = None,
    running: Running = Running(),
) -> None:
    """Train a StyleGAN2 (Karras et al. 2020): spaces z, w, w+ and s.

    Parameters
    ----------
    data
        A folder or a zip of images; each is cut to its middle square and resized.
    resolution
        Width and height of the images in pixels, a power of two.
    batch
        Batch size.
    loss
        bce is the published one; relativistic compares real and fake images in pairs (R3GAN), with --r2 too.
    rate
        Learning rate of both networks.
    r1
        Weight of the gradient penalty on real images.
    r2
        Weight of the gradient penalty on fake images.
    penalty_every
        Steps between gradient penalties.
    path
        Weight of the path length penalty; 2 is the published one, 0 leaves it out.
    mixing
        Shard of images made from two codes.
    channel_base
        Channels at resolution r: min(channel_base / r, channel_max).
    channel_max
        Most channels of a map.
    channels
        Channels of the maps of 4, 8, ... pixels one by one, such as 256,256,128,64, instead of the two above.
    mapping_layers
        Layers from z to w.
    z_dim
        Width of z and w.
    discriminator_warmup
        Steps at the start in which only the discriminator learns; 500 where --start gives none that fits.
    match_noise
        Set the noise strengths of the finest maps of the exported generator to match the high-frequency energy of
        the data.
    augment
        adaptive keeps a discriminator of small sets from learning them by heart.
    start
        A generator to start from, with the discriminator that comes with it where that has the same channels, or a
        training snapshot: of the same or smaller resolution and channels.
    running
        Where the run goes and how it is watched.
    """
    widths = standard_channels(resolution, channel_base, channel_max)
    if channels:
        widths = parse_channels(channels, resolution)
    settings = StyleGAN2Settings(
        channels=widths,
        discriminator_channels=widths,
        z_dim=z_dim,
        mapping_layers=mapping_layers,
        batch=batch,
        loss=loss,
        learning_rate=rate,
        discriminator_learning_rate=rate,
        r1=r1,
        r2=r2,
        penalty_every=penalty_every,
        path=path,
        mixing=mixing,
        discriminator_warmup=discriminator_warmup,
        match_noise=match_noise,
        precision=running.precision,
        seed=running.seed,
    )
    shared = {"augmentation": Augmentation(augment, running.flip), "options": running.options(start)}
    run_and_show(
        running,
        partial(train_stylegan2, data, settings, running.out, **shared),
        partial(rehearse, data, settings, **shared),
    )
