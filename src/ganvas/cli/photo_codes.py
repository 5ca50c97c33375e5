"""Codes from files: those of a latent file, or of a photo, which is inverted first and kept for the next time."""

import hashlib
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ganvas.checkpoints.cache import home
from ganvas.cli.context import visible
from ganvas.cli.photo_options import Preparation
from ganvas.cli.progress import progress
from ganvas.decoding import SUFFIXES
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator, about_of
from ganvas.inversion.encoder import usual_start
from ganvas.inversion.invert import InversionSettings
from ganvas.inversion.work import Work
from ganvas.latent_files import Latent, load_latent
from ganvas.metrics.features import BUNDLED_HASH

STEPS = InversionSettings.steps
Classes = int | tuple[int, ...] | None


def latent_of(path: Path, generator: Generator, label: Classes = None) -> Latent:
    """Return the codes of a latent file, or of a photo, by its name's ending.

    Raises `LatentError` where a latent does not fit the generator, `PictureError` where the photo cannot be read.
    """
    if is_photo(path):
        return inverted(path, generator, label)
    latent = load_latent(path)
    latent.check_fits(generator)
    return latent


def is_photo(path: Path) -> bool:
    """Tell by its name whether a file is a picture."""
    return path.suffix.lower() in SUFFIXES


def inverted(path: Path, generator: Generator, label: Classes = None) -> Latent:
    """Return the code of a photo as ``ganvas invert`` finds it by default, from the generator's encoder where it has
    one; says on stderr how near it came, and keeps it for the next time.
    """
    if isinstance(label, tuple):
        raise LatentError("A photo is of one class; give one --label.")
    picture = Preparation().read(path, generator)
    space = [known for known in generator.spaces if known != "s"][-1]
    settings = InversionSettings(space, steps=STEPS, start=usual_start(generator, space), label=label)
    kept = home() / "inversions" / f"{_fingerprint(generator, picture, settings)}.safetensors"
    if kept.is_file():
        with suppress(GanvasError):  # a damaged one is made again
            return load_latent(kept)
    work = Work(generator, picture, [path.stem], settings)
    with progress() as report:
        far = Preparation().warnings(generator, picture, [path.stem], label, report)
        if not work.through(report):
            raise KeyboardInterrupt
    card = work.cards()[-1][1]
    said = f"inverted {path.name} into {space}: {card.psnr:.1f} dB; ganvas invert --tune comes nearer"
    print(visible("\n".join([*far, said])), file=sys.stderr)
    kept.parent.mkdir(parents=True, exist_ok=True)
    work.latent().save(kept)
    return load_latent(kept)


def _fingerprint(generator: Generator, picture: Tensor, settings: InversionSettings) -> str:
    start = settings.start if isinstance(settings.start, str) else "encoder"
    parts = (about_of(generator).hash, BUNDLED_HASH, repr(replace(settings, start=start)))
    return hashlib.sha256("\n".join(parts).encode() + picture.cpu().numpy().tobytes()).hexdigest()[:32]
