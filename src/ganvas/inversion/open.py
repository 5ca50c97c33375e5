"""Opening a latent from any file: one of Ganvas, a foreign one, or a photo, which is inverted once and kept."""

import hashlib
import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ganvas.errors import GanvasError, LatentError
from ganvas.errors.arguments import checked
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.decoding import is_image
from ganvas.inversion.batch import BatchInversion
from ganvas.inversion.encoder import Encoder, default_start
from ganvas.inversion.photos import AlignedPhoto, Photos, PhotoSettings, accept_photos, align_photo
from ganvas.inversion.settings import SPACES, InversionSettings, default_space
from ganvas.inversion.tuning import TuningSettings
from ganvas.io.cache import home
from ganvas.io.files import atomic_path
from ganvas.io.progress import Progress, silent
from ganvas.io.tensor_files import hash_tensors
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent
from ganvas.latents.open import open_latent_file
from ganvas.latents.photo_origin import PhotoOrigin
from ganvas.metrics.features import BUNDLED_HASH

STEPS, TUNING_STEPS = InversionSettings.steps, TuningSettings.steps


class PhotoWarning(UserWarning):
    """What a user should know about an opened photo: that it is out of distribution for the generator."""


@dataclass(frozen=True)
class OpenedPhoto:
    """A photo's latent in a generator's default space.

    Attributes:
        latent: The code, with the weights tuned for the photo; ``source`` is the file.
        psnr: How near the generator's image of it is to the photo, in dB.
        photo: The photo as it was inverted, with the map back into the file.
        warnings: A sentence where the photo is out of distribution.
    """

    latent: Latent
    psnr: float
    photo: AlignedPhoto
    warnings: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """What was done with the photo, in a sentence."""
        tuned = " and tuned for" if self.latent.tuned else ""
        return (
            f"'{Path(self.latent.source).name}' was {self.photo.how}, inverted into {self.latent.space}{tuned}: "
            f"{self.psnr:.1f} dB."
        )


@checked
def open_latent(
    path: str | Path,
    generator: Generator,
    *,
    space: str | None = None,
    label: int | tuple[int, ...] | None = None,
    settings: PhotoSettings = PhotoSettings(),
    tune: bool = True,
    progress: Progress | None = None,
) -> Latent:
    """Open a latent: a latent file, codes in ``.npy``, ``.npz``, ``.pt``, ``.pkl``, safetensors or text, or a photo,
    which is aligned, inverted with the default settings and tuned for, once, and kept.

    Args:
        path: The file. An image, by its content or the ending of its name, is a photo.
        generator: The generator that the latent is for.
        space: The space of foreign codes, needed where their shape fits several; of a photo the space into which it is
            inverted, w+ by default where the generator has it.
        label: The class of a photo or of foreign codes, for generators that have classes.
        settings: What part of a photo is taken, and how it is aligned.
        tune: Whether the generator's weights are tuned for a photo.
        progress: Called with what is being done, steps done, all steps.

    Returns:
        The latent, with the file as its source. A photo that is out of distribution is a `PhotoWarning`.

    Raises:
        LatentError: The space or the label is not the generator's, or foreign codes fit several spaces and none is
            given.
        ResultFileError: The file is missing, damaged, hostile or no latent, or belongs to another generator.
        ImageError: The photo cannot be read, or is refused; see `open_photo`.

    Example:
        >>> import ganvas, tempfile
        >>> G = ganvas.load("faces-dcgan")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ganvas.sample(G, [3]).save(folder + "/latent.safetensors")
        ...     ganvas.open_latent(path, G).space
        'z'
    """
    if is_image(path):
        opened = open_photo(path, generator, space=space, label=label, settings=settings, tune=tune, progress=progress)
        for message in opened.warnings:
            warnings.warn(message, PhotoWarning, stacklevel=2)
        return opened.latent
    latent = open_latent_file(path, generator, space)
    return latent if label is None else replace(latent, label=label)


@checked
def open_photo(
    path: str | Path,
    generator: Generator,
    *,
    space: str | None = None,
    label: int | tuple[int, ...] | None = None,
    settings: PhotoSettings = PhotoSettings(),
    tune: bool = True,
    progress: Progress | None = None,
    on_images: Callable[[Tensor], object] = lambda images: None,
) -> OpenedPhoto:
    """Open a photo: align its face, invert it with the default settings, from the generator's encoder where it has one,
    tune the generator's weights for it, and keep the result in the cache folder.

    Args:
        path: An image file.
        generator: The generator.
        space: The space into which the photo is inverted; w+ by default where the generator has it.
        label: The class of the photo, for generators that have classes.
        settings: What part of the photo is taken, and how it is aligned.
        tune: Whether the generator's weights are tuned for the photo, which makes edits hold; not possible, and not
            done, for a generator that is no PyTorch module.
        progress: Called with what is being done, steps done, all steps. An interrupt keeps nothing.
        on_images: Called with the generator's images [1, 3, h, w] of every step.

    Returns:
        The latent with what is known of the photo.

    Raises:
        ImageError: The photo cannot be read, or is out of distribution for the generator and neither a found face nor
            the settings decided what part of it is taken: the message says what helps.
        LatentError: The space or the label is not the generator's.
        GanvasError: The settings do not fit the generator.

    Example:
        >>> import ganvas
        >>> ganvas.open_photo("none.jpg", ganvas.load("faces-dcgan"), settings=ganvas.PhotoSettings(as_is=True))
        Traceback (most recent call last):
        ...
        ganvas.errors.ImageError: Cannot read 'none.jpg': No such file or directory. ...
    """
    if isinstance(label, tuple):
        raise LatentError("A photo is of one class; give one --label.")
    if space not in (None, *(one for one in generator.spaces if one in SPACES)):
        raise LatentError(f"This generator has no space '{space}' for photos; it has {', '.join(generator.spaces)}.")
    path, report = Path(path), progress or silent
    photo = align_photo(path, generator, settings)
    space = space or default_space(generator)
    inversion = InversionSettings(space, steps=STEPS, start=default_start(generator, space), label=label)
    tuning = TuningSettings(TUNING_STEPS) if tune and isinstance(generator, torch.nn.Module) else None
    kept = home() / "inversions" / f"{fingerprint(generator, photo.image, inversion, tuning)}.safetensors"
    with suppress(GanvasError, OSError, ValueError, KeyError, TypeError):  # missing or damaged: invert again
        return _read(kept, path, photo)
    _, messages = accept_photos(
        Photos(photo.image, (path,), (0,), aligned=(photo,)), generator, settings, label=label, progress=report
    )
    batch = BatchInversion(generator, photo.image, [path.stem], inversion, tuning=tuning, on_images=on_images)
    if not batch.run(report):
        raise KeyboardInterrupt
    _write(kept, batch.latent(), batch.metrics()[-1][1].psnr, messages)
    return _read(kept, path, photo)


def fingerprint(
    generator: Generator, image: Tensor, settings: InversionSettings, tuning: TuningSettings | None = None
) -> str:
    """Return the name in the cache of a photo's inversion: a hash of the generator, the encoder, the settings, the
    feature network and the pixels.
    """
    start = settings.start
    described = hash_tensors(start.state_dict()) if isinstance(start, Encoder) else str(start)
    parts = (about_of(generator).hash, BUNDLED_HASH, repr(replace(settings, start=described)), repr(tuning))
    return hashlib.sha256("\n".join(parts).encode() + image.cpu().numpy().tobytes()).hexdigest()[:32]


def _write(kept: Path, latent: Latent, psnr: float, messages: list[str]) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps({"psnr": psnr, "warnings": messages}), "utf-8")
    latent.save(kept)


def _read(kept: Path, path: Path, photo: AlignedPhoto) -> OpenedPhoto:
    """Return a kept inversion, named after the photo's present file."""
    latent, facts = load_latent(kept), json.loads(kept.with_suffix(".json").read_text("utf-8"))
    latent = replace(latent, names=(path.stem,), source=str(path), photo=PhotoOrigin(photo.image, photo.frame[None]))
    return OpenedPhoto(latent, float(facts["psnr"]), photo, tuple(str(one) for one in facts["warnings"]))
