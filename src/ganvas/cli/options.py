"""Options that several commands have."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from cyclopts import Group, Parameter

from ganvas.checkpoints.load import load
from ganvas.cli import numbers
from ganvas.cli.show import progress, repeatable, show_result, visible, written
from ganvas.cli.types import (
    COMPUTING,
    LATENTS,
    PHOTOS,
    Box,
    Eyes,
    Flag,
    Overwrite,
    Samples,
    Shift,
    Space,
    parse_samples,
)
from ganvas.errors import GanvasError, LatentError
from ganvas.errors.devices import device_named
from ganvas.generators.codes import parse_seeds
from ganvas.generators.labels import label_of
from ganvas.generators.protocol import CanMove, Generator, Label, about_of
from ganvas.images.decoding import is_image
from ganvas.images.saving import ImageFiles
from ganvas.inversion.open import open_latent, open_photo
from ganvas.inversion.photos import PhotoSettings
from ganvas.io.result_folder import ResultFolder, is_file_name, result_folder
from ganvas.io.tensor_files import is_ours
from ganvas.latents.latent import Latent, sample
from ganvas.latents.noise import with_noise
from ganvas.metrics.lpips import PublishedFeatures, load_published
from ganvas.reports.image_files import check_single
from ganvas.training.hardware import fastest_precision, set_threads

TRUNCATION = 0.7
SEEDS_AT_ONCE = 256


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class Output:
    """How results are shown."""

    json: Flag = False
    """Print a machine-readable summary on stdout instead of text."""
    debug: Flag = False
    """Print the traceback of an error."""

    def show(
        self, command: str, lines: Sequence[str], files: Sequence[Path] = (), finished: bool = True, **facts: Any
    ) -> None:
        """Print the lines, the files that were written and the time taken; with ``--json`` the command's facts.

        Raises `KeyboardInterrupt` afterwards where Ctrl-C came before the work was `finished`.
        """
        lines = [*lines, *written(files, facts.get("device", ""))]
        show_result(lines, {"command": command, **facts, "files": files}, self.json)
        if not finished:
            raise KeyboardInterrupt


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class Compute(Output):
    """Where and how precisely to compute."""

    device: str = "auto"
    """Where to compute: cpu, cuda, cuda:1, mps, or auto for the first CUDA device if there is one."""
    precision: Literal["auto", "float32", "bfloat16"] | None = None
    """Precision of the networks' feature maps. bfloat16 takes about half the time, with errors of about 1 % of the
    contrast; auto takes the faster one on this machine. float32 by default, auto for training."""
    threads: numbers.Threads = 0
    """CPU threads; 0 for all cores."""

    def on(self) -> torch.device:
        """Return the device; raises `GanvasError` where it cannot be used. Limits the CPU threads first."""
        set_threads(self.threads)
        return device_named(self.device)

    def show(
        self, command: str, lines: Sequence[str], files: Sequence[Path] = (), finished: bool = True, **facts: Any
    ) -> None:
        """Print the same, and the device that was chosen."""
        super().show(command, lines, files, finished, device=str(device_named(self.device)), **facts)

    def precision_on(self, device: torch.device) -> str:
        """Return "float32" or "bfloat16"."""
        return fastest_precision(device) if self.precision == "auto" else self.precision or "float32"


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class Loading(Compute):
    """How a generator is loaded."""

    rotate: numbers.Degrees = 0.0
    """StyleGAN3: rotate images by this many degrees, counterclockwise."""
    translate: Shift | None = None
    """StyleGAN3: move images by X,Y, in fractions of the width, right and down."""

    def load(self, model: str) -> Generator:
        """Return the generator on the device."""
        device = self.on()
        generator = load(model, device, getattr(torch, self.precision_on(device)))
        if self.rotate == 0 and self.translate is None:
            return generator
        if not isinstance(generator, CanMove):
            raise GanvasError("--rotate and --translate are for StyleGAN3; this generator cannot move its images.")
        return generator.transformed(rotate=self.rotate, translate=self.translate or (0.0, 0.0))


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class Results(Loading):
    """How a generator is loaded, and its results are written."""

    overwrite: Overwrite = False

    def folder(self, out: Path, generator: Generator) -> AbstractContextManager[ResultFolder]:
        """Give the folder of this run's results, which holds those of no other."""
        run = {"command": repeatable(), "generator_hash": about_of(generator).hash}
        return result_folder(out, run, overwrite=self.overwrite)


@Parameter(name="*", group=Group("Images and videos", sort_key=2))
@dataclass(frozen=True)
class FileOptions(ImageFiles):
    """How images and videos are written."""

    size: numbers.Size | None = None
    """Width of single images and videos in pixels, such as 256 for smaller ones; that of the generator by default."""


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class ImageResults(Results):
    """The same for results that are images and videos."""

    files: FileOptions = FileOptions()

    def load(self, model: str) -> Generator:
        """Return the generator on the device; raises `ImageError` where images would be larger than its own."""
        generator = super().load(model)
        self.files.check_fits(generator.resolution)
        return generator

    def destination(
        self, out: Path, generator: Generator, images: int = 1
    ) -> AbstractContextManager[ResultFolder | None]:
        """Give the folder of the results; None where `out` names a file, which is refused for several images."""
        if not is_file_name(out):
            return self.folder(out, generator)
        check_single(out, images, self.overwrite)
        return nullcontext()


@Parameter(name="*")
@dataclass(frozen=True)
class PerceptualOptions:
    """By which network perceptual distances are taken."""

    perceptual: Path | None = None
    """A file of VGG-16 or AlexNet (torchvision's) for the perceptual distance, instead of Ganvas's own network."""
    heads: Path | None = None
    """A file of LPIPS's heads for it (vgg.pth, alex.pth of the package lpips)."""

    def features(self, generator: Generator) -> PublishedFeatures | None:
        """Return published features, None for Ganvas's own; raises `GanvasError` where they do not fit the
        generator's images.
        """
        if self.perceptual is None:
            if self.heads is not None:
                raise GanvasError("--heads weights the maps of VGG-16 or AlexNet; give its file with --perceptual.")
            return None
        features = load_published(self.perceptual, self.heads, generator.device)
        features.check_size(generator.resolution, generator.resolution)
        return features


@Parameter(name="*", group=PHOTOS)
@dataclass(frozen=True)
class PhotoOptions:
    """What part of a photo is taken. By default a person's face (extra align) or a cat's head is found, whichever the
    generator makes, and brought to where it has them; without one, the middle square.
    """

    face: numbers.Count = 1
    """Which face of a photo with several: 1 is the largest."""
    eyes: Eyes = ()
    """Where the left and the right eye are in the photo, X,Y:X,Y in fractions, instead of finding them; auto insists on
    a face. Once for all photos, or once for each, in their order."""
    crop: Box | None = None
    """The part of every photo to take: LEFT,TOP,RIGHT,BOTTOM in fractions; its middle square is used."""
    as_is: Flag = False
    """Take the middle square without looking for a face, and accept a photo that is out of distribution."""
    background: str = "white"
    """The color behind transparent photos: a name or #rrggbb."""
    ood: Literal["auto", "on", "off"] = "auto"
    """Check whether photos are out of distribution for the generator, which takes 450 of its images once; auto checks
    up to 256 pixels."""

    def settings(self) -> PhotoSettings:
        """Return the settings for the library."""
        return PhotoSettings(self.crop, self.eyes, self.background, self.face, self.as_is, self.ood)


@Parameter(name="*", group=LATENTS)
@dataclass(frozen=True)
class Source:
    """Which latents to work on."""

    latent: Path | None = None
    """A latent file to use instead of --seeds, codes of other tools (.npy, .npz, .pt, .pkl, text), or a photo, which is
    aligned, inverted and tuned for first, once."""
    latent_space: Space | None = None
    """Space of the codes of other tools, where neither the file nor their shape says it: z, w, w+ or s."""
    samples: Samples | None = None
    """Samples of the latent file, counted from 0, such as 0-3; all by default."""
    truncation: numbers.Truncation | None = None
    """Truncation psi: 1 is none, 0 the average image; 0.7 by default."""
    truncation_layers: numbers.LayerCount | None = None
    """Truncate only this many first layers; all by default."""
    label: str | None = None
    """Class, for generators that have classes: a number or a name; one for each image with commas between.
    ganvas edit takes that of the directions by default."""
    noise_seed: numbers.Seed | None = None
    """Draw noise maps from this seed, the same for all images; the generator's own by default."""
    no_tune: Flag = False
    """Do not tune the generator's weights for a photo: seconds faster, less like the photo."""
    photo: PhotoOptions = PhotoOptions()

    def read(self, generator: Generator, seeds: Sequence[int], space: str | None = None) -> Latent:
        """Return the latent of the file or photo, else that of the seeds."""
        if self.latent is not None:
            photo = is_image(self.latent)
            ours = not photo and is_ours(self.latent)
            self.refuse_with("A photo has" if photo else "A latent file holds", label=ours)
            label = None if ours else self.label_for(generator)
            latent = open_source(self.latent, generator, label, self.latent_space, self.photo, not self.no_tune)
            return self._with_noise(generator, latent if self.samples is None else latent.rows(self.samples))
        if self.latent_space is not None:
            raise LatentError("--latent-space is that of the codes in a file; give --latent FILE, or leave it out.")
        if self.samples is not None:
            raise LatentError("--samples chooses samples of a latent file; give --latent FILE, or choose --seeds.")
        return self._sample(generator, seeds, self.label_for(generator), space)

    def read_each(self, generator: Generator, seeds: Sequence[int]) -> tuple[Iterable[Latent], int]:
        """Return the same as several latents that are made one after the other, and the number of all samples."""
        if self.latent is not None or len(seeds) <= SEEDS_AT_ONCE:
            latent = self.read(generator, seeds)
            return [latent], len(latent)
        label = self.label_for(generator)
        if isinstance(label, tuple) and len(label) != len(seeds):
            raise LatentError(f"{len(label)} labels do not fit {len(seeds)} seeds: give one for all, or one for each.")
        parts = (slice(first, first + SEEDS_AT_ONCE) for first in range(0, len(seeds), SEEDS_AT_ONCE))
        each = (self._sample(generator, seeds[i], label[i] if isinstance(label, tuple) else label) for i in parts)
        return each, len(seeds)

    def _sample(self, generator: Generator, seeds: Sequence[int], label: Label, space: str | None = None) -> Latent:
        truncation = TRUNCATION if self.truncation is None else self.truncation
        latent = sample(
            generator,
            seeds,
            label=label,
            truncation=truncation,
            truncation_layers=self.truncation_layers,
            space=space,
        )
        return self._with_noise(generator, latent)

    def _with_noise(self, generator: Generator, latent: Latent) -> Latent:
        return latent if self.noise_seed is None else with_noise(generator, latent, self.noise_seed)

    def label_for(self, generator: Generator) -> int | tuple[int, ...] | None:
        """Return the classes meant by --label, None where it was not given."""
        return label_of(generator, self.label)

    def refuse_with(self, what: str, label: bool = True, **others: Any) -> None:
        """Raise `LatentError` where an option was given that `what` decides already."""
        given = {
            **others,
            "truncation": self.truncation,
            "truncation-layers": self.truncation_layers,
            "label": self.label if label else None,
        }
        for option, value in given.items():
            if value is not None:
                raise LatentError(f"{what} its own {option.replace('-', ' ')}; leave --{option} out.")

    def refuse_seeds(self, seeds: Sequence[int] | None) -> None:
        """Raise `LatentError` where both --latent and --seeds were given."""
        if self.latent is not None and seeds is not None:
            raise LatentError("--latent and --seeds both say which images; leave --seeds out.")


def open_source(
    path: Path,
    generator: Generator,
    label: int | tuple[int, ...] | None = None,
    space: str | None = None,
    photo: PhotoOptions = PhotoOptions(),
    tune: bool = True,
) -> Latent:
    """Return the latent of a latent file or a photo; of a photo, print on stderr what was done with it."""
    if not is_image(path):
        return open_latent(path, generator, label=label, space=space)
    with progress() as report:
        opened = open_photo(path, generator, label=label, settings=photo.settings(), tune=tune, progress=report)
    print(visible("\n".join([*opened.warnings, opened.described])), file=sys.stderr)
    return opened.latent


def latent_of_text(generator: Generator, text: str, source: Source, space: str | None = None) -> Latent:
    """Return the latent meant by ``seed:4``, ``FILE``, ``FILE:SAMPLES`` or a photo."""
    if text.startswith("seed:"):
        return source.read(generator, parse_seeds(text.removeprefix("seed:")), space)
    file, colon, samples = text.rpartition(":")
    if not colon or Path(text).exists():
        file, samples = text, ""
    path = Path(file)
    if not path.exists() and not path.suffix:
        raise LatentError(f"'{text}' is no latent: give seed:4, a latent file, or samples of one as FILE:0-2.")
    chosen = parse_samples(samples) if samples else None
    label = source.label if is_image(path) else None
    return replace(source, latent=path, samples=chosen, truncation=None, label=label).read(generator, ())
