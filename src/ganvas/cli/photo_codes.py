"""Codes from files: those of a latent file, or of a photo, which is inverted first and kept for the next time."""

import hashlib
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ganvas.cli.context import visible
from ganvas.cli.photo_options import Preparation, is_photo
from ganvas.cli.progress import progress
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator, about_of
from ganvas.inversion.batch import Work
from ganvas.inversion.encoder import Encoder, default_start
from ganvas.inversion.invert import InversionSettings, default_space
from ganvas.io.cache import home
from ganvas.io.files import atomic_path
from ganvas.io.tensor_files import hash_tensors
from ganvas.latents.latent import Latent, load_latent
from ganvas.latents.open import open_latent
from ganvas.metrics.features import BUNDLED_HASH

STEPS = InversionSettings.steps
Classes = int | tuple[int, ...] | None


def latent_of(path: Path, generator: Generator, label: Classes = None, space: str | None = None) -> Latent:
    """Return the codes of a latent file, of ours or of others, or of a photo, by its name's ending.

    `label` is the class of a photo or of codes of others, which do not say theirs. Raises `GanvasError` where the codes
    do not fit the generator, `ImageError` where the photo cannot be read.
    """
    if is_photo(path):
        return inverted(path, generator, label)
    latent = open_latent(path, generator, space)
    return latent if label is None else replace(latent, label=label)


def inverted(path: Path, generator: Generator, label: Classes = None) -> Latent:
    """Return the code of a photo as ``ganvas invert`` finds it by default, from the generator's encoder where it has
    one; says on stderr how near it came and whether it is far from what the generator knows, and keeps both for the
    next time.
    """
    if isinstance(label, tuple):
        raise LatentError("A photo is of one class; give one --label.")
    image = Preparation().read(path, generator)
    space = default_space(generator)
    settings = InversionSettings(space, steps=STEPS, start=default_start(generator, space), label=label)
    kept = home() / "inversions" / f"{_fingerprint(generator, image, settings)}.safetensors"
    with suppress(GanvasError, OSError):  # what is missing or damaged is made again
        found, said = load_latent(kept), kept.with_suffix(".txt").read_text("utf-8")
        return _told(path, found, said)
    work = Work(generator, image, [path.stem], settings)
    with progress() as report:
        far = Preparation().warnings(generator, image, [path.stem], label, report)
        if not work.through(report):
            raise KeyboardInterrupt
    card = work.cards()[-1][1]
    more = "ganvas invert --tune comes nearer, --eyes and --crop align it"
    said = "\n".join([*far, f"inverted {path.name} into {space}: {card.psnr:.1f} dB; {more}"])
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept.with_suffix(".txt")) as temporary:
        temporary.write_text(said, "utf-8")
    work.latent().save(kept)
    return _told(path, load_latent(kept), said)


def _told(path: Path, latent: Latent, said: str) -> Latent:
    """Return a photo's latent with the file that it is of now, and say on stderr what was said of it at first."""
    print(visible(said), file=sys.stderr)
    return replace(latent, names=(path.stem,), source=str(path))


def _fingerprint(generator: Generator, image: Tensor, settings: InversionSettings) -> str:
    encoder = settings.start
    start = hash_tensors(encoder.state_dict()) if isinstance(encoder, Encoder) else str(encoder)
    parts = (about_of(generator).hash, BUNDLED_HASH, repr(replace(settings, start=start)))
    return hashlib.sha256("\n".join(parts).encode() + image.cpu().numpy().tobytes()).hexdigest()[:32]
