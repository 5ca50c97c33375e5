"""``ganvas invert``: photos to latents of a generator."""

from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ganvas.cli import numbers
from ganvas.cli.options import ImageResults, PerceptualOptions, PhotoOptions
from ganvas.cli.preview import ShowRegion
from ganvas.cli.preview import show_region as preview
from ganvas.cli.show import COMMAND_LINE, progress
from ganvas.cli.types import METHOD, ImageOut, Model, RegionText
from ganvas.directions.find import region_of
from ganvas.errors import GanvasError
from ganvas.generators.labels import class_of
from ganvas.generators.protocol import Generator
from ganvas.images.video import check_frames
from ganvas.inversion.batch import BatchInversion
from ganvas.inversion.encoder import default_start, encoder_for, is_encoder
from ganvas.inversion.loss_weights import DEFAULT_LOSS, parse_weights
from ganvas.inversion.photos import accept_photos, photo_files, read_photos, refuse_unreadable, unique_names
from ganvas.inversion.settings import InversionSettings, default_space
from ganvas.inversion.starts import ImageEncoder
from ganvas.inversion.tuning import TuningSettings
from ganvas.io.result_folder import is_file_name
from ganvas.latents.latent import Latent
from ganvas.latents.open import open_latent_file
from ganvas.parts.located import drawn
from ganvas.reports.inversion_report import last_images, metric_lines, video_steps, write_inversion, write_latest


@Parameter(name="*", group="Pivotal tuning")
@dataclass(frozen=True)
class TuningOptions:
    """Pivotal tuning: the generator's weights are changed for each photo."""

    tune: numbers.StepsOrNone = TuningSettings.steps
    """Steps of tuning for each photo, after its inversion, which makes edits hold; 0 for none."""
    tune_rank: numbers.CountOrNone = TuningSettings.rank
    """Rank of the changes of weights, 0 for full rank: files of half a megabyte or of the generator's size."""
    tune_rate: numbers.Rate = TuningSettings.rate
    """Learning rate of tuning."""
    locality: numbers.Weight = TuningSettings.locality
    """Weight of the loss that keeps other images as they are."""

    def settings(self) -> TuningSettings | None:
        """Return the settings for the library, None for no tuning."""
        if self.tune:
            return TuningSettings(self.tune, self.tune_rate, self.tune_rank, locality=self.locality)
        names = [field.name for field in fields(self)[1:] if getattr(self, field.name) != field.default]
        idle = [f"--{name.replace('_', '-')}" for name in names]
        if idle:
            raise GanvasError(f"With --tune 0 nothing is tuned; leave {', '.join(idle)} out, or --tune 0.")
        return None


@Parameter(name="*", group=METHOD)
@dataclass(frozen=True)
class InversionOptions:
    """Where codes are searched, and by what loss."""

    space: Literal["z", "w", "w+"] | None = None
    """z (random input), w (one style), w+ (one style for each layer: closest to the photo); the last that there is by
    default."""
    loss: str = DEFAULT_LOSS
    """Terms of the loss: perceptual, l1, l2 compare images; prior is the distance to the mean and delta that to the
    start, in std; noise keeps noise maps close to white noise."""
    weights: str | None = None
    """Weights of its terms, where not the defaults: l1=0.1,prior=0.01."""
    network: PerceptualOptions = PerceptualOptions()
    optimizer: Literal["adam", "lbfgs"] = "adam"
    """adam, or lbfgs: nearer to the photo in fewer steps, farther from what the generator usually makes."""
    schedule: Literal["ganvas", "nvidia"] = "ganvas"
    """Learning rates of adam: ganvas, or those of NVIDIA's projector."""
    steps: numbers.Steps = InversionSettings.steps
    """Synthesis passes with gradients."""
    start: str = "auto"
    """mean, random, random:8 (the nearest of eight), encoder (the one that comes with the generator), the file of an
    encoder that was trained for it, or a latent file of one code or one for each photo; auto is the encoder for w+
    where one comes with the generator, and else the mean."""
    noise: Literal["on", "off"] = "off"
    """Optimize noise maps too."""
    region: RegionText | None = None
    """Match only this region: a name such as eyes, box:LEFT,TOP,RIGHT,BOTTOM, mask:FILE and so on."""
    label: str | None = None
    """Class, for generators that have classes: a number or a name."""
    seed: numbers.Seed = 0
    """Random seed of random starts."""
    tuning: TuningOptions = TuningOptions()

    def settings(self, generator: Generator) -> InversionSettings:
        """Return the settings for the library; raises `GanvasError` where they do not fit the generator."""
        space, noise = self.space or default_space(generator), self.noise == "on"
        loss = f"{self.loss}+noise" if noise and "noise" not in self.loss else self.loss
        return InversionSettings(
            space,
            parse_weights(loss, self.weights),
            self.optimizer,
            self.schedule,
            self.steps,
            default_start(generator, space) if self.start == "auto" else _start(self.start, generator),
            noise,
            self.seed,
            class_of(generator, self.label),
        )


def invert(
    model: Model,
    /,
    *photos: Annotated[Path, Parameter(required=True)],
    frames: numbers.Frames = 40,
    show_region: ShowRegion = False,
    out: ImageOut = Path("invert"),
    search: InversionOptions = InversionOptions(),
    preparation: PhotoOptions = PhotoOptions(),
    results: ImageResults = ImageResults(),
) -> None:
    """Find the latents of a generator whose images are like photos.

    Writes latent.safetensors, which ganvas edit MODEL DIRECTIONS --latent FILE opens; at the generator's size, each
    photo, its inversion (images/NAME-inverted.png) and videos of the first photos; inverted.png and way.gif, sheets of
    them; metrics and the curve of the loss.

    Args:
        photos: Image files, or folders of them. One that cannot be read is named at the end; the others are done.
        frames: Frames of the videos, 0 for none.
    """
    check_frames(frames)
    generator, tuned = results.load(model), search.tuning.settings()
    settings, features, region = search.settings(generator), search.network.features(generator), search.region
    before = "it is not known where before the photo is inverted"
    area = None if region is None else drawn(region_of(generator, region)[1], before)
    mask = None if area is None else area.split(generator.resolution, generator.resolution)[0]
    given = photo_files(photos)
    target = results.destination(out, generator, len(given))
    read = read_photos(given, generator, preparation.settings())
    with progress() as report:
        read, warnings = accept_photos(read, generator, preparation.settings(), label=settings.label, progress=report)
    if isinstance(settings.start, Latent) and len(settings.start) == len(given):  # one code for each photo
        settings = replace(settings, start=settings.start.rows(read.rows))
    names = unique_names([file.stem for file in read.files])
    kept = video_steps(settings.steps, frames) if frames and not is_file_name(out) else set()
    sources = [str(file) for file in read.files]
    inversion = BatchInversion(
        generator, read.images, names, settings, mask, features, kept, tuned, sources, read.frames
    )
    facts = {"region": region, "command": COMMAND_LINE.get()}
    with target as folder, progress() as report:
        seen = [preview(out, read.images[:1], area)] if show_region else []
        if folder is not None:
            inversion.on_saved = partial(write_latest, folder.path)
        finished = inversion.run(report)
        if folder is None:
            paths = [*seen, results.files.write(out, last_images(inversion)[0])]
        else:
            paths = seen + write_inversion(folder, inversion, facts, frames > 0, results.files)
    distance = inversion.started[0].prepared.features.name
    metrics = inversion.metrics()
    measured = [] if region is None else [f"measured in the region {region} alone"]
    results.show(
        "invert",
        [*metric_lines(metrics, distance), *measured, *warnings],
        paths,
        finished,
        perceptual_distance=distance,
        region=region,
        photos=[{"stage": stage, **vars(one)} for stage, one in metrics],
        ood=warnings,
        unread=[path for path, _ in read.unreadable],
    )
    refuse_unreadable(read.unreadable, len(given))


def _start(start: str, generator: Generator) -> str | Latent | ImageEncoder:
    """Return the start as the library takes it: a name, an encoder, or the latent of a file."""
    if start == "encoder":
        return encoder_for(generator)
    if start == "mean" or start.split(":")[0] == "random":
        return start
    return encoder_for(generator, start) if is_encoder(start) else open_latent_file(start, generator)
