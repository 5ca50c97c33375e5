"""What `ganvas sample` leaves: a file for every image, a sheet of the first ones, and the latent of all."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.confine import Confinement
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import pixels
from ganvas.images.saving import IMAGES, ImageFiles
from ganvas.io.progress import Progress
from ganvas.io.result_folder import ResultFolder
from ganvas.latents.latent import Latent
from ganvas.reports.image_files import counted, write_images
from ganvas.reports.mixing_sheet import mixed_latents, mixing_sheet
from ganvas.reports.region_report import captioned_sheet

FEWEST_COLUMNS = 4
MOST_ON_SHEET = 100
MOST_MIXED = 1024
MOST_CODES = 4096
"""Samples whose codes are kept in one latent file: 150 MB for a StyleGAN2 of 1024 pixels."""


@dataclass
class WrittenSamples:
    """What was written: files, and how many images in the folder of single ones; not `finished` after Ctrl-C."""

    images: Path
    count: int = 0
    finished: bool = True
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """What to tell the user."""
        return [*self.notes, f"{self.count} image{'s' if self.count != 1 else ''} in {self.images}"]


def check_mixed(content: int, styles: int, blocks: int) -> None:
    """Raise `GanvasError` for more mixed images than a sheet shows."""
    images = styles + content * (styles + 1) * blocks
    if images > MOST_MIXED:
        raise GanvasError(f"{images} images are too many for one sheet; give fewer seeds, at most {MOST_MIXED}.")


def write_samples(
    folder: ResultFolder,
    generator: Generator,
    latents: Iterable[Latent],
    total: int,
    files: ImageFiles,
    columns: int | None,
    progress: Progress,
) -> WrittenSamples:
    """Write the images of latents, one latent after the other, so that any number takes the memory of a few.

    Ctrl-C keeps what is finished, and the same run goes on where it was stopped. The sheet shows the first hundred; the
    latent file is left out above 4,096 samples, whose seeds give their codes again.
    """
    written, more = WrittenSamples(folder.part(IMAGES)), counted(progress, total)
    shown, kept, seeds = list[Tensor](), list[Latent](), list[int]()
    try:
        for latent in latents:
            seeds.extend(latent.seeds)
            kept += [latent] if total <= MOST_CODES else []
            for images in write_images(written.images, generator, latent, files, keep=folder.continued):
                shown.append(images[: max(0, MOST_ON_SHEET - written.count)])
                written.count += len(images)
                more(len(images))
    except KeyboardInterrupt:
        if not written.count:
            raise
        written.finished = False
    sheet = torch.cat(shown)
    written.facts = {"generator": about_of(generator).name, "images": written.images, "count": written.count}
    written.facts["seeds"] = seeds[: written.count]
    written.files.append(pixels.write_image(folder / "sample.png", _sheet(sheet, kept, columns)))
    if written.count > len(sheet):
        written.notes.append(f"sample.png shows the first {len(sheet)} images")
    if kept:
        written.files.append(_joined(kept)[: written.count].save(folder / "latent.safetensors"))
    else:
        written.notes.append(f"no latent file above {MOST_CODES} images: the seeds give the codes again")
    return written


def _sheet(images: Float[Tensor, "n 3 h w"], kept: Sequence[Latent], columns: int | None) -> Tensor:
    captions = [caption for latent in kept for caption in latent.captions] or [""] * len(images)
    across = min(len(images), columns or max(FEWEST_COLUMNS, math.ceil(math.sqrt(len(images)))))
    return captioned_sheet(images, across, captions[: len(images)])


def _joined(latents: Sequence[Latent]) -> Latent:
    """Return latents of one kind as one."""
    labels = tuple(label for one in latents for label in _labels(one))
    return replace(
        latents[0],
        codes=torch.cat([one.codes.cpu() for one in latents]),
        seeds=tuple(seed for one in latents for seed in one.seeds),
        names=tuple(name for one in latents for name in one.names),
        label=labels if len(set(labels)) > 1 else labels[0] if labels else None,
    )


def _labels(latent: Latent) -> tuple[int, ...]:
    """Return the class of each sample; none without classes."""
    if latent.label is None:
        return ()
    return latent.label if isinstance(latent.label, tuple) else (latent.label,) * len(latent)


def write_mixed(
    folder: ResultFolder,
    generator: Generator,
    content: Latent,
    styles: Latent,
    blocks: Mapping[str, Sequence[int]],
    files: ImageFiles,
    progress: Progress,
    confinement: Confinement | None = None,
) -> WrittenSamples:
    """Write the images of mixed styles, each in a file, with a sheet and their latent; see `mixing_sheet`. They may be
    confined: elsewhere they are then those of the content.
    """
    mixed = mixed_latents(generator, content, styles, blocks)
    total = len(content) + len(styles) + sum(map(len, mixed))
    written, more = WrittenSamples(folder.part(IMAGES), total), counted(progress, total)
    images = []
    under = content.rows([row for row in range(len(content)) for _ in range(len(styles))])
    for latent in (content, styles, *mixed):
        originals = content if latent is content else under
        confined = None if confinement is None or latent is styles else (confinement, originals)
        made = write_images(written.images, generator, latent, files, keep=folder.continued, confined=confined)
        images.append(torch.cat(list(made)))
        more(len(latent))
    sheet = mixing_sheet(images, content, styles, blocks)
    written.files.append(pixels.write_image(folder / "sample.png", sheet))
    joined = _joined(mixed)
    written.files.append(joined.save(folder / "latent.safetensors"))
    written.facts = {"generator": joined.generator, "images": written.images, "count": total, "seeds": joined.seeds}
    return written
