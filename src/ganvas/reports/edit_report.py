"""What `ganvas edit` leaves: a file for every image, videos of the first ones, a sheet, a page and the latent."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.strengths import frames_between
from ganvas.edits.rim import Rim
from ganvas.edits.straight import Way
from ganvas.generators.protocol import Generator
from ganvas.images import pixels
from ganvas.images.saving import IMAGES, VIDEOS_FOLDER, ImageFiles, file_name
from ganvas.images.video import write_frames
from ganvas.inversion.photos import unique_names
from ganvas.io.progress import Progress
from ganvas.io.result_folder import ResultFolder
from ganvas.latents.latent import Latent
from ganvas.reports.html import DirectionStrip
from ganvas.reports.image_files import counted, counting
from ganvas.reports.region_report import Edit, RegionReport, captions, make_strip
from ganvas.reports.samples_report import MOST_CODES

MOST_SHOWN, MOST_VIDEOS = 16, 4
SECONDS_PER_FRAME = 0.06


@dataclass
class WrittenEdits:
    """What was written, and what every edit changed; not `finished` after Ctrl-C."""

    images: Path
    originals: list[Tensor] = field(default_factory=list)
    strips: list[DirectionStrip] = field(default_factory=list)
    latents: list[Latent] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    finished: bool = True


@dataclass(frozen=True)
class EditRun:
    """One edit of every sample of a latent: all move along the same direction.

    ``mask`` is the region, at any size of the image's shape; None where it is not known. ``frames`` is the number of
    frames of each video, 0 for none. ``rim`` is that of a confined edit. ``also`` takes every edited image too,
    with the latent of its sample and the name of its file.
    """

    generator: Generator
    latent: Latent
    step: Edit
    mask: Float[Tensor, "1 mask_h mask_w"] | None
    files: ImageFiles = ImageFiles()
    frames: int = 0
    rim: Rim | None = None
    also: Callable[[Latent, str, Tensor], None] | None = None

    def write(self, folder: ResultFolder, title: str, facts: Mapping[str, str], progress: Progress) -> WrittenEdits:
        """Write everything into a folder; the page has a title and facts in words. Ctrl-C keeps what is finished.

        At any number of samples no more than the images of one are in memory: the sheet and the page show the first 16,
        small; videos are made of the first 4.
        """
        run = replace(self, generator=self.latent.generator_for(self.generator))
        first = self.latent.rows([0])
        way = run.step.way(run.generator, first)
        run.step.latent(run.generator, first, way)  # what is wrong is refused before anything is written
        written = WrittenEdits(folder.part(IMAGES))
        moving = min(len(self.latent), MOST_VIDEOS) if self.frames else 0
        more = counted(progress, len(self.latent) * (1 + len(self.step.strengths)) + moving * self.frames)
        names = unique_names([file_name(caption) for caption in self.latent.captions])
        try:
            for row, name in enumerate(names):
                run._write_sample(written, row, name, more, way if row == 0 else None)
            for row, name in enumerate(names[:moving]):
                written.files += run._write_videos(folder.part(VIDEOS_FOLDER), row, name, more)
        except KeyboardInterrupt:
            if not written.changes:
                raise
            written.finished = False
        run._write_summary(folder, written, title, facts)
        return written

    @property
    def keeps_codes(self) -> bool:
        """Whether the codes of so many images are kept in a file."""
        return len(self.latent) * len(self.step.strengths) <= MOST_CODES

    def _all_of(self, latents: Sequence[Latent]) -> Latent:
        """Return the latents of the first samples, each at every strength, as one."""
        rows = [row for row, one in enumerate(latents) for _ in range(len(one))]
        codes, names = torch.cat([one.codes for one in latents]), [name for one in latents for name in one.names]
        return replace(self.latent.rows(rows), codes=codes, space=latents[0].space, names=tuple(names))

    def _write_sample(
        self, written: WrittenEdits, row: int, name: str, more: Callable[[int], None], way: Way | None
    ) -> None:
        """Write the image of one sample, and its edits, on their way if it is known."""
        alone = self.latent.rows([row])
        way = way or self.step.way(self.generator, alone)
        original = next(alone.images(self.generator))
        self.files.write(written.images / f"{name}.png", original)
        more(1)

        def edited() -> Iterator[Tensor]:
            for strength, image in zip(
                captions(self.step.strengths), self.step.each(self.generator, alone, way), strict=True
            ):
                called = file_name(f"{name}_{strength}")
                self.files.write(written.images / f"{called}.png", image)
                if self.also:
                    self.also(alone, called, image)
                yield image
                more(1)

        strip = make_strip(self.step, edited(), original, self.mask, self.latent.captions[row], self.rim)
        written.changes.append(strip.changes())
        if self.keeps_codes:
            written.latents.append(self.step.latent(self.generator, alone, way))
        if row < MOST_SHOWN:
            written.strips.append(strip)
            written.originals.append(original)

    def _write_videos(self, folder: Path, row: int, name: str, more: Callable[[int], None]) -> list[Path]:
        """Write a video of one sample from the smallest strength to the largest and back, as GIF and WebP."""
        lengths = frames_between(self.step.direction, self.step.strengths, self.frames)
        moving = replace(self.step, strengths=lengths).each(self.generator, self.latent.rows([row]))
        with self.files.stored(folder, counting(moving, more)) as video:
            paths = [folder / f"{name}.{kind}" for kind in ("gif", "webp")]
            return [write_frames(path, video.there_and_back(), SECONDS_PER_FRAME) for path in paths]

    def _write_summary(self, folder: ResultFolder, written: WrittenEdits, title: str, facts: Mapping[str, str]) -> None:
        """Write sheet, page and latent of the samples that are finished."""
        done, shown = len(written.changes), len(written.strips)
        photos = None if self.latent.photo is None else self.latent.photo.images[:shown]
        limit = None if self.rim is None else 1 - self.rim.outside
        report = RegionReport(
            torch.cat(written.originals), self.mask, tuple(written.strips), photos=photos, limit=limit
        )
        written.files.insert(0, pixels.write_image(folder / "edit.png", report.sheet(captions(self.step.strengths))))
        written.files.insert(1, report.write_page(folder / "edit.html", title, facts))
        if done > shown:
            written.lines.append(f"edit.png and edit.html show the first {shown} of {done} samples")
        count = done * len(self.step.strengths)
        if self.keeps_codes:
            written.files.append(self._all_of(written.latents).save(folder / "latent.safetensors"))
            written.files.append(self.step.recipe(self.latent.rows(range(done))).save(folder / "edit.recipe"))
        else:
            written.lines.append(f"no latent file above {MOST_CODES} images: the same command gives the codes again")
        written.lines += _confined_lines(written.changes) if self.rim else []
        written.lines.append(f"{count + done} images in {written.images}")


def _confined_lines(changes: Sequence[dict[str, Any]]) -> list[str]:
    """Return what confined edits changed, and what of them the latent file holds."""
    seams, outside = ([value for change in changes for value in change[name]] for name in ("seam", "outside"))
    return [
        f"confined: largest change beyond the rim {max(outside):g}; seam {min(seams):.2f} to {max(seams):.2f}",
        "latent.safetensors holds the free edits: no code has a confined image",
    ]
