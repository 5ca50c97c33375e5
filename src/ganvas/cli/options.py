"""Options that several commands have."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.checks.devices import device_named
from ganvas.cli import numbers
from ganvas.cli.show import progress, show_result, visible, written
from ganvas.cli.types import COMPUTING, LATENTS, PHOTOS, Box, Eyes, Flag, Samples, Shift, Space
from ganvas.directions.find import region_of
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.labels import label_of
from ganvas.generators.protocol import CanMove, Generator, HasClasses, Label
from ganvas.inversion.open import open_latent, open_photo
from ganvas.inversion.photos import PhotoSettings, check_photos_ood, is_photo
from ganvas.io.progress import Progress
from ganvas.io.tensor_files import is_ours
from ganvas.latents.latent import Latent, sample
from ganvas.training.hardware import fastest_precision, set_threads

TRUNCATION = 0.7
MOST_FRAMES = 200


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class Output:
    """How results are shown."""

    json: Flag = False
    """Print a machine-readable summary on stdout instead of text."""
    debug: Flag = False
    """Print the traceback of an error."""

    def show(self, command: str, lines: Sequence[str], files: Sequence[Path] = (), **facts: Any) -> None:
        """Print the lines, the files that were written and the time taken; with ``--json`` the command's facts."""
        show_result([*lines, *written(files)], {"command": command, **facts, "files": files}, self.json)


@Parameter(name="*", group=COMPUTING)
@dataclass(frozen=True)
class Compute(Output):
    """Where and how precisely to compute."""

    device: str | None = None
    """Where to compute: cpu, cuda, cuda:1, mps, or auto for the first CUDA device if there is one; cpu by default, auto
    for training."""
    precision: Literal["auto", "float32", "bfloat16"] | None = None
    """Precision of the networks' feature maps. bfloat16 takes about half the time, with errors of about 1 % of the
    contrast; auto takes the faster one on this machine. float32 by default, auto for training."""
    threads: numbers.Threads = 0
    """CPU threads; 0 for all cores."""

    def on(self) -> torch.device:
        """Return the device; raises `GanvasError` where it cannot be used. Limits the CPU threads first."""
        set_threads(self.threads)
        return device_named(self.device or "cpu")

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


@Parameter(name="*", group=LATENTS)
@dataclass(frozen=True)
class Source:
    """Which latents to work on."""

    latent: Path | None = None
    """A latent file to use instead of --seeds, codes of other tools (.npy, .npz, .pt, .pkl, text), or a photo, which is
    inverted first."""
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

    def read(self, generator: Generator, seeds: Sequence[int], space: str | None = None) -> Latent:
        """Return the latent of the file or photo, else that of the seeds."""
        if self.latent is not None:
            photo = is_photo(self.latent)
            ours = not photo and is_ours(self.latent)
            self.refuse_with("A photo has" if photo else "A latent file holds", label=ours)
            latent = open_source(self.latent, generator, None if ours else self.label_for(generator), self.latent_space)
            return latent if self.samples is None else latent.rows(self.samples)
        if self.latent_space is not None:
            raise LatentError("--latent-space is that of the codes in a file; give --latent FILE, or leave it out.")
        if self.samples is not None:
            raise LatentError("--samples chooses samples of a latent file; give --latent FILE, or choose --seeds.")
        return sample(
            generator,
            seeds,
            label=self.label_for(generator),
            truncation=TRUNCATION if self.truncation is None else self.truncation,
            truncation_layers=self.truncation_layers,
            space=space,
        )

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


@Parameter(name="*", group=PHOTOS)
@dataclass(frozen=True)
class PhotoOptions:
    """How photos are cropped or aligned, and checked."""

    crop: Box | None = None
    """The part of every photo to take: LEFT,TOP,RIGHT,BOTTOM in fractions; its middle square is used."""
    eyes: Eyes = ()
    """Where the left and the right eye are in the photo: X,Y;X,Y in fractions, or auto to find a person's (extra
    align). They come to where the generator has eyes. Once for all photos, or once for each, in their order."""
    background: str = "white"
    """The color behind transparent photos: a name or #rrggbb."""
    ood: Literal["auto", "on", "off"] = "auto"
    """Warn of photos that are out of distribution for the generator, which takes 450 of its images once; auto checks
    up to 256 pixels."""

    def settings(self) -> PhotoSettings:
        """Return the settings for the library."""
        if self.eyes and self.crop is not None:
            raise GanvasError("--eyes decide what part of a photo is taken; leave --crop out, or --eyes.")
        return PhotoSettings(self.crop, self.eyes, self.background)

    def ood_warnings(
        self, generator: Generator, photos: Tensor, names: Sequence[str], label: Label, report: Progress
    ) -> list[str]:
        """Return a sentence for every photo that is out of distribution."""
        return check_photos_ood(generator, photos, names, label=label, check=self.ood, progress=report)


def open_source(
    path: Path, generator: Generator, label: int | tuple[int, ...] | None = None, space: str | None = None
) -> Latent:
    """Return the latent of a latent file or a photo; of a photo, print on stderr how near its inversion came."""
    if not is_photo(path):
        return open_latent(path, generator, label=label, space=space)
    with progress() as report:
        opened = open_photo(path, generator, label=label, progress=report)
    more = "ganvas invert --tune comes nearer, --eyes and --crop align it"
    lines = [*opened.warnings, f"inverted {path.name} into {opened.latent.space}: {opened.psnr:.1f} dB; {more}"]
    print(visible("\n".join(lines)), file=sys.stderr)
    return opened.latent


def class_of(generator: Generator, label: str | None) -> int | None:
    """Return the class of all images of a run, None without one; raises `GanvasError` for several."""
    found = label_of(generator, label)
    if isinstance(found, tuple):
        raise GanvasError("All images of one run are of one class; give one --label.")
    if isinstance(generator, HasClasses):
        generator.one_hot(found, 1)  # a wrong label is refused here, not at the first image
    return found


def mask_of(generator: Generator, text: str) -> Float[Tensor, "1 h w"]:
    """Return the mask of the region that the text means, at the generator's resolution."""
    return region_of(generator, text)[1].split(generator.resolution, generator.resolution)[0]


def check_frames(frames: int, most: int = MOST_FRAMES) -> None:
    """Raise `GanvasError` for a number of frames that makes no video; 0 means no video."""
    if frames != 0 and not 2 <= frames <= most:
        raise GanvasError(f"{frames} frames make no video; give 2 to {most}, or 0 for none.")
