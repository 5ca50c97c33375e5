"""Opening a latent from any file: one of Ganvas, a foreign one, or a photo, which is inverted once and kept."""

import hashlib
import json
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ganvas.checks.arguments import checked
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator, about_of
from ganvas.inversion.batch import BatchInversion
from ganvas.inversion.encoder import Encoder, default_start
from ganvas.inversion.photos import PhotoSettings, check_photos_ood, is_photo, read_aligned_photo
from ganvas.inversion.settings import SPACES, InversionSettings, default_space
from ganvas.io.cache import home
from ganvas.io.files import atomic_path
from ganvas.io.progress import Progress, silent
from ganvas.io.tensor_files import hash_tensors
from ganvas.latents.latent import Latent, load_latent
from ganvas.latents.open import open_latent_file
from ganvas.metrics.features import BUNDLED_HASH

STEPS = InversionSettings.steps


class PhotoWarning(UserWarning):
    """What a user should know about an opened photo: that it is out of distribution for the generator."""


@dataclass(frozen=True)
class OpenedPhoto:
    """A photo's latent in a generator's default space.

    Attributes:
        latent: The code; ``source`` is the file.
        psnr: How near the generator's image of it is to the photo, in dB.
        warnings: A sentence where the photo is out of distribution.
    """

    latent: Latent
    psnr: float
    warnings: tuple[str, ...] = ()


@checked
def open_latent(
    path: str | Path,
    generator: Generator,
    *,
    space: str | None = None,
    label: int | tuple[int, ...] | None = None,
    progress: Progress | None = None,
) -> Latent:
    """Open a latent: a latent file, codes in ``.npy``, ``.npz``, ``.pt``, ``.pkl``, safetensors or text, or a photo,
    which is inverted with the default settings, once, and kept.

    Args:
        path: The file; an image by the suffix of its name is a photo.
        generator: The generator that the latent is for.
        space: The space of foreign codes, needed where their shape fits several; of a photo the space into which it is
            inverted, w+ by default where the generator has it.
        label: The class of a photo or of foreign codes, for generators that have classes.
        progress: Called with what is being done, steps done, all steps.

    Returns:
        The latent, with the file as its source. A photo that is out of distribution is a `PhotoWarning`.

    Raises:
        LatentError: The space or the label is not the generator's, or foreign codes fit several spaces and none is
            given.
        ResultFileError: The file is missing, damaged, hostile or no latent, or belongs to another generator.
        ImageError: The photo cannot be read.

    Example:
        >>> import ganvas, tempfile
        >>> G = ganvas.load("faces-dcgan")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ganvas.sample(G, [3]).save(folder + "/latent.safetensors")
        ...     ganvas.open_latent(path, G).space
        'z'
    """
    if is_photo(path):
        opened = open_photo(path, generator, space=space, label=label, progress=progress)
        for message in opened.warnings:
            warnings.warn(message, PhotoWarning, stacklevel=2)
        return opened.latent
    latent = open_latent_file(path, generator, space)
    return latent if label is None else replace(latent, label=label)


def open_photo(
    path: str | Path,
    generator: Generator,
    *,
    space: str | None = None,
    label: int | tuple[int, ...] | None = None,
    settings: PhotoSettings = PhotoSettings(),
    progress: Progress | None = None,
) -> OpenedPhoto:
    """Invert a photo with the default settings, from the generator's encoder where it has one, and keep the result in
    the cache folder; see `open_latent`. An interrupt raises `KeyboardInterrupt` and keeps nothing.
    """
    if isinstance(label, tuple):
        raise LatentError("A photo is of one class; give one --label.")
    if space not in (None, *(one for one in generator.spaces if one in SPACES)):
        raise LatentError(f"This generator has no space '{space}' for photos; it has {', '.join(generator.spaces)}.")
    path, report = Path(path), progress or silent
    image = read_aligned_photo(path, generator, settings)
    space = space or default_space(generator)
    inversion = InversionSettings(space, steps=STEPS, start=default_start(generator, space), label=label)
    kept = home() / "inversions" / f"{fingerprint(generator, image, inversion)}.safetensors"
    with suppress(GanvasError, OSError, ValueError, KeyError, TypeError):  # missing or damaged: invert again
        return _read(kept, path)
    batch = BatchInversion(generator, image, [path.stem], inversion)
    messages = check_photos_ood(generator, image, [path.stem], label=label, progress=report)
    if not batch.run(report):
        raise KeyboardInterrupt
    _write(kept, batch.latent(), batch.metrics()[-1][1].psnr, messages)
    return _read(kept, path)


def fingerprint(generator: Generator, image: Tensor, settings: InversionSettings) -> str:
    """Return the name in the cache of a photo's inversion: a hash of the generator, the encoder, the settings, the
    feature network and the pixels.
    """
    start = settings.start
    described = hash_tensors(start.state_dict()) if isinstance(start, Encoder) else str(start)
    parts = (about_of(generator).hash, BUNDLED_HASH, repr(replace(settings, start=described)))
    return hashlib.sha256("\n".join(parts).encode() + image.cpu().numpy().tobytes()).hexdigest()[:32]


def _write(kept: Path, latent: Latent, psnr: float, messages: list[str]) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps({"psnr": psnr, "warnings": messages}), "utf-8")
    latent.save(kept)


def _read(kept: Path, photo: Path) -> OpenedPhoto:
    """Return a kept inversion, named after the photo's present file."""
    latent, facts = load_latent(kept), json.loads(kept.with_suffix(".json").read_text("utf-8"))
    latent = replace(latent, names=(photo.stem,), source=str(photo))
    return OpenedPhoto(latent, float(facts["psnr"]), tuple(str(one) for one in facts["warnings"]))
