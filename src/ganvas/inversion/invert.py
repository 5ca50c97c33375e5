"""Photos to latents in one call."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors.arguments import checked
from ganvas.generators.protocol import Generator
from ganvas.images.photos import read_photo
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.prepare import Inversion, check_photos, finish_inversion, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.tuning import INVERTING, TUNING, TuningSettings, with_tuning
from ganvas.io.progress import Progress, silent

Photos = Float[Tensor, "n 3 h w"] | str | Path | Sequence[str | Path]


@checked
def invert(
    generator: Generator,
    photos: Photos,
    settings: InversionSettings = InversionSettings(),
    *,
    mask: Float[Tensor, "1 h w"] | None = None,
    features: FeatureExtractor | None = None,
    names: Sequence[str] = (),
    tuning: TuningSettings | None = None,
    progress: Progress | None = None,
) -> Inversion:
    """Find codes whose images are like photos.

    The photos are optimized side by side and do not influence each other, except in tuning, which then changes the
    generator's weights for all of them together; give one photo to tune for it alone.

    Args:
        generator: The generator.
        photos: Images [n, 3, r, r] at the generator's resolution r with values in [-1, 1], or image files, of which
            the middle squares are taken.
        settings: Space, loss, optimizer and start.
        mask: Where the photos must be matched, [1, r, r] in [0, 1]; everywhere by default.
        features: The feature extractor of the perceptual term; Ganvas' own network by default.
        names: A name per photo, for the latent and the metrics.
        tuning: Settings of pivotal tuning, which changes the generator's weights afterwards; none by default.
        progress: Called with what is being done ("Inverting", or "Inverting and tuning"), steps done, all steps.

    Returns:
        The `Inversion`: ``latent``, ``images`` and ``metrics``.

    Raises:
        ImageError: A file is no image, or the images or the mask have another size than the generator's.
        LatentError: The generator lacks the space, or needs a label.

    Example:
        >>> import ganvas, torch
        >>> G = ganvas.load("faces-dcgan")
        >>> photo = torch.zeros(1, 3, G.resolution, G.resolution)
        >>> found = ganvas.invert(G, photo, ganvas.InversionSettings("z", steps=1))
        >>> found.latent.space, len(found.metrics)
        ('z', 1)
    """
    report, begun = progress or silent, time.perf_counter()
    if tuning is not None:
        report = with_tuning(report, settings.steps, tuning.steps)
    images, names, sources = _read(photos, generator, names)
    prepared = prepare_inversion(
        generator, images, settings, mask=mask, features=features, names=names, sources=sources
    )
    history, step, tuned = [], None, None
    for step in prepared.steps():
        history.append(step.losses.cpu())
        report(INVERTING, step.number, settings.steps)
    assert step is not None
    for tuned in prepared.tuning(step, tuning) if tuning else ():
        report(TUNING, tuned.number, tuning.steps if tuning else 0)
    inversion = finish_inversion(prepared, step, time.perf_counter() - begun, tuned)
    return replace(inversion, history=tuple(history))


def _read(
    photos: Photos, generator: Generator, names: Sequence[str]
) -> tuple[Float[Tensor, "n 3 h w"], Sequence[str], Sequence[str]]:
    """Return photos as a tensor, their names and their files."""
    if isinstance(photos, Tensor):
        return photos, names, ()
    files = [photos] if isinstance(photos, str | Path) else photos
    if not isinstance(files, Sequence) or not files or not all(isinstance(one, str | Path) for one in files):
        check_photos(photos, generator)  # raises
    images = torch.cat([read_photo(file, generator.resolution) for file in files])
    return images, names or [Path(file).stem for file in files], [str(file) for file in files]
