"""``ganvas invert``: photos to codes of a generator."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ganvas.cli.context import COMMAND_LINE
from ganvas.cli.inversion_table import compare, refuse_beside
from ganvas.cli.photo_options import Preparation, class_of, complaint, different, pictures_in, read_all
from ganvas.cli.progress import progress
from ganvas.cli.shared import Common, Flag, check_frames, make_folder, region_of, with_seconds, wrote
from ganvas.errors import GanvasError, PictureError
from ganvas.generators.protocol import Generator
from ganvas.inversion.encoder import encoder_for, is_encoder, usual_start
from ganvas.inversion.invert import InversionSettings, usual_space
from ganvas.inversion.numbers import Card
from ganvas.inversion.starts import Encode
from ganvas.inversion.terms import USUAL_LOSS, FeatureMaps, parse_weights
from ganvas.inversion.tuning import Tuning
from ganvas.inversion.work import Work
from ganvas.latent_files import Latent, load_latent
from ganvas.metrics.lpips import load_published
from ganvas.reports.inversion_report import kept_moments, write_inversion, write_latest
from ganvas.studies.inversion.table import Settings


@Parameter(name="*")
@dataclass(frozen=True)
class TuningOptions:
    """Options of tuning."""

    tune: int = 0
    """Then change the generator's weights for each photo, so many steps; 0 for none."""
    tune_rank: int = Tuning.rank
    """Rank of the changes of weights, 0 for whole ones: files of half a megabyte or of the generator's size."""
    tune_rate: float = Tuning.rate
    """Rate of tuning."""
    locality: float = Tuning.locality
    """How much tuning must leave other pictures as they are."""

    def settings(self) -> Tuning | None:
        """Return the settings for the library, None for no tuning."""
        if self.tune < 0:
            raise GanvasError(f"{self.tune} steps of tuning are not possible; give 0 for none, or such as 100.")
        if self.tune == 0:
            return None
        return Tuning(self.tune, self.tune_rate, self.tune_rank, locality=self.locality)


@Parameter(name="*")
@dataclass(frozen=True)
class TableOptions:
    """Options of the table."""

    table: Flag = False
    """Instead: invert the photos into every space of MODEL by two losses, and write the table that compares them.
    PHOTO may then be a folder or a zip. Given again with the same --out it goes on."""
    vanilla: str | None = None
    """With --table: another generator to compare with, such as a DCGAN, in rows above."""
    count: int = 20
    """With --table: how many photos of a folder or zip, from all over it."""


def invert(
    model: str,
    /,
    *photos: Path,
    space: Literal["z", "w", "w+"] | None = None,
    loss: str = USUAL_LOSS,
    weights: str | None = None,
    perceptual: Path | None = None,
    heads: Path | None = None,
    optimizer: Literal["adam", "lbfgs"] = "adam",
    schedule: Literal["ganvas", "nvidia"] = "ganvas",
    steps: int = 300,
    start: str = "auto",
    noise: Literal["on", "off"] = "off",
    region: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    label: str | None = None,
    seed: int = 0,
    frames: int = 40,
    out: Path = Path("invert"),
    preparation: Preparation = Preparation(),
    tuning: TuningOptions = TuningOptions(),
    tables: TableOptions = TableOptions(),
    common: Common = Common(),
) -> None:
    """Find the codes of a generator whose pictures are like photos.

    Writes latent.safetensors, which ganvas edit MODEL DIRECTIONS --latent FILE opens; the photos beside what became of
    them, numbers, the curve of the loss and a film of the way.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    photos
        Picture files, or folders of them. One that cannot be read is named at the end; the others are done.
    space
        z (what is drawn), w (one style), w+ (one style for each layer: closest to the photo); the last that there is
        by default.
    loss
        What is made small: perceptual, l1, l2 compare pictures; prior is the distance to the mean and delta that to the
        start, in standard deviations; noise keeps noise maps noise.
    weights
        How much its terms count, where not the usual: l1=0.1,prior=0.01.
    perceptual
        A file of VGG-16 or AlexNet (torchvision's) for the perceptual term, instead of Ganvas' own network.
    heads
        A file of LPIPS' heads for it (vgg.pth, alex.pth of the package lpips).
    optimizer
        adam, or lbfgs: nearer to the photo in fewer steps, further from what the generator usually makes.
    schedule
        Rates of adam: ganvas, or those of NVIDIA's projector.
    steps
        Synthesis passes with gradients.
    start
        mean, random, random:8 (the nearest of eight), encoder (the one that comes with the generator), the file of an
        encoder that was trained for it, or a latent file of one code or one for each photo; auto is the encoder for w+
        where one comes with the generator, and else the mean (in a table always).
    noise
        Change noise maps too.
    region
        Match only this part: a name such as eyes, box:LEFT,TOP,RIGHT,BOTTOM, mask:FILE and so on.
    label
        Class of generators that have classes: a number or a name.
    seed
        Of random starts.
    frames
        Pictures in the film, 0 for none.
    out
        Folder for the results; files of an earlier run there are replaced.
    preparation
        How photos are cut, and whether they are far from what the generator knows.
    tuning
        Changing the generator too.
    tables
        A table of spaces and losses.
    common
        Options of every command.
    """
    begun = time.perf_counter()
    if not photos:
        raise GanvasError("No photo was given; name at least one picture file after the generator.")
    if tables.table:
        names = [name for name in (tables.vanilla, model) if name]
        alike = "mean" if start == "auto" else start
        refuse_beside(
            {
                "--space": space,
                "--loss": None if loss == USUAL_LOSS else loss,
                "--weights": weights,
                "--perceptual": perceptual,
                "--heads": heads,
                "--schedule": None if schedule == "ganvas" else schedule,
                "--noise": noise == "on" or None,
                "--region": region,
                "--label": label,
                "--tune": tuning.tune or None,
                "--familiar": preparation.familiar == "on" or None,
            }
        )
        compare(names, photos, tables.count, Settings(steps, optimizer, alike, seed), preparation, out, common)
        return
    if tables.vanilla is not None:
        raise GanvasError("--vanilla names another generator of the table; give --table too, or leave it out.")
    check_frames(frames)
    generator, then = common.load(model), tuning.settings()
    into = space or usual_space(generator)
    settings = InversionSettings(
        into,
        parse_weights(f"{loss}+noise" if noise == "on" and "noise" not in loss else loss, weights),
        optimizer,
        schedule,
        steps,
        usual_start(generator, into) if start == "auto" else _start(start, generator),
        noise == "on",
        seed,
        class_of(generator, label),
    )
    look = _look(perceptual, heads, generator)
    mask = None if region is None else region_of(generator, region)[1].split(*[generator.resolution] * 2)[0]
    files = pictures_in(photos)
    pictures, rows, bad = read_all(files, generator, preparation)
    if isinstance(settings.start, Latent) and len(settings.start) == len(files):
        settings = replace(settings, start=settings.start.rows(rows))
    names = different([files[row].stem for row in rows])
    make_folder(out)
    work = Work(
        generator,
        pictures,
        names,
        settings,
        mask,
        look,
        kept_moments(steps, frames) if frames else set(),
        then,
        sources=[str(files[row]) for row in rows],
        saved=lambda done: write_latest(out, done),
    )
    with progress() as report:
        far = preparation.warnings(generator, pictures, names, settings.label, report)
        whole = work.through(report)
    paths = write_inversion(out, work, {"region": region, "command": COMMAND_LINE.get()}, film=frames > 0)
    distance = work.finished[0].run.look.name
    inside = [] if region is None else [f"measured in the region {region} alone"]
    common.show(
        [*table(work.cards(), distance), *inside, *far, *wrote(paths), with_seconds(begun)],
        {
            "command": "invert",
            "perceptual_distance": distance,
            "region": region,
            "photos": [{"stage": stage, **card.as_dict()} for stage, card in work.cards()],
            "far": far,
            "unread": [path for path, _ in bad],
            "files": paths,
        },
    )
    if not whole:
        raise KeyboardInterrupt
    if bad:
        raise PictureError(complaint(bad, len(files)))


def _look(perceptual: Path | None, heads: Path | None, generator: Generator) -> FeatureMaps | None:
    """Return what is looked through: a published network, None for Ganvas' own."""
    if perceptual is None:
        if heads is not None:
            raise GanvasError("--heads weigh the maps of VGG-16 or AlexNet; give its file with --perceptual.")
        return None
    return load_published(perceptual, heads, generator.device)


def _start(start: str, generator: Generator) -> str | Latent | Encode:
    """Return the start as the library takes it: a word, an encoder, or the latent of a file."""
    if start == "encoder":
        return encoder_for(generator)
    if start == "mean" or start.split(":")[0] == "random":
        return start
    if is_encoder(start):
        return encoder_for(generator, start)
    latent = load_latent(start)
    latent.check_fits(generator)
    return latent


def table(cards: Sequence[tuple[str, Card]], look: str) -> list[str]:
    """Return the lines that tell the numbers."""
    width = max(len(card.name) for _, card in cards)
    lines = [f"{'':{width}}            PSNR   {look}   from the mean"]
    for stage, card in cards:
        lines.append(
            f"{card.name:{width}}  {stage:8}  {card.psnr:5.2f} dB  {card.perceptual:{len(look)}.4f}  "
            f"{card.from_mean:5.2f} deviations"
        )
    return lines
