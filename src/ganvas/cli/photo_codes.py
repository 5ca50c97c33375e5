"""Latents from files, and what the user is told about those that are photos."""

import sys
from pathlib import Path

from ganvas.cli.context import visible
from ganvas.cli.progress import progress
from ganvas.generators.protocol import Generator
from ganvas.inversion.open import open_latent, open_photo
from ganvas.inversion.photos import is_photo
from ganvas.latents.latent import Latent

Classes = int | tuple[int, ...] | None


def latent_of(path: Path, generator: Generator, label: Classes = None, space: str | None = None) -> Latent:
    """Return the latent of a latent file, a foreign file or a photo."""
    if is_photo(path):
        return inverted(path, generator, label)
    return open_latent(path, generator, space=space, label=label)


def inverted(path: Path, generator: Generator, label: Classes = None) -> Latent:
    """Return the latent of a photo; says on stderr how near it came, and whether the photo is out of distribution."""
    with progress() as report:
        opened = open_photo(path, generator, label=label, progress=report)
    more = "ganvas invert --tune comes nearer, --eyes and --crop align it"
    lines = [*opened.warnings, f"inverted {path.name} into {opened.latent.space}: {opened.psnr:.1f} dB; {more}"]
    print(visible("\n".join(lines)), file=sys.stderr)
    return opened.latent
