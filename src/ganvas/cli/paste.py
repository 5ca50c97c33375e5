"""Options of the commands that put their edits back into the photos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from torch import Tensor

from ganvas.cli.types import PHOTOS, Flag, one
from ganvas.edits.paste_back import PastedPhoto, paste_back, photo_file_of
from ganvas.errors import GanvasError
from ganvas.errors.ranges import FRACTION
from ganvas.generators.protocol import Generator
from ganvas.images.rewriting import written_suffix
from ganvas.images.saving import file_name
from ganvas.inversion.photos import unique_names
from ganvas.io.result_folder import ResultFolder
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.reports.region_report import Edit, captions

FOLDER = "photos"
Detail = Literal["auto"] | float


def parse_detail(text: str) -> Detail:
    """Return how much of a photo's detail stays, by "auto" or a number from 0 to 1."""
    if text == "auto":
        return "auto"
    try:
        return FRACTION.parse(text)
    except GanvasError as reason:
        raise GanvasError(f"{reason} Or write auto.") from None


@dataclass
class Pasted:
    """Photos that were written, and a line on each."""

    files: list[Path] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, photo: PastedPhoto) -> None:
        """Add a photo."""
        self.files.append(photo.path)
        self.lines.append(photo.described)


@Parameter(name="*", group=PHOTOS)
@dataclass(frozen=True)
class PasteOptions:
    """How an edit goes back into the photo."""

    paste_back: Flag = False
    """Write the photo itself, at its own size, with the edit in it: what it changed is added inside the region, all
    other pixels stay. Into photos/, or into the file of --out."""
    into: Path | None = None
    """The photo's file for --paste-back, where it is not the one that was inverted: moved, of another size, or with
    another face edited before."""
    detail: Annotated[Detail, one(parse_detail, "auto|0..1")] = "auto"
    """How much of the photo's fine detail --paste-back keeps in the region: 1 adds the change to it, 0 shows the edited
    image itself; auto keeps it where edges stayed, and not where they moved."""

    def check(self, latent: Latent) -> None:
        """Raise `GanvasError` where edits of a latent cannot go back into photos, before the work begins."""
        if not self.paste_back:
            if self.into is not None or self.detail != "auto":
                raise GanvasError("--into and --detail say how --paste-back works; give it too, or leave them out.")
            return
        if self.into is not None and len(latent) > 1:
            raise GanvasError(f"--into is one photo, and {len(latent)} images are edited; choose one by --samples.")
        for row in range(len(latent)):
            written_suffix(self._file(latent, row))

    def write_edits(
        self, folder: ResultFolder, generator: Generator, latent: Latent, step: Edit, region: Region | None
    ) -> Pasted:
        """Write the photo of every sample at every strength into a subfolder, if that was asked for."""
        if not self.paste_back:
            return Pasted()
        names = unique_names([file_name(caption) for caption in latent.captions])
        inside = folder.part(FOLDER)

        def path(row: int, strength: str) -> Path:
            return inside / (file_name(f"{names[row]}_{strength}") + written_suffix(self._file(latent, row)))

        return self.write_edit(path, generator, latent, step, region)

    def write_edit(
        self,
        path: Callable[[int, str], Path],
        generator: Generator,
        latent: Latent,
        step: Edit,
        region: Region | None,
    ) -> Pasted:
        """Write the photo of every sample at every strength to the path for both."""
        pasted = Pasted()
        for row, alone in enumerate(latent):
            for strength, image in zip(captions(step.strengths), step.each(generator, alone), strict=True):
                pasted.add(self._paste(generator, alone, image, path(row, strength), region))
        return pasted

    def write_drag(
        self, path: Path, generator: Generator, start: Latent, image: Tensor, movable: Sequence[Region | None]
    ) -> Pasted:
        """Write the photo with drags in it; it changes where any of them could move something. A path without suffix
        gets that of the photo.
        """
        pasted, known = Pasted(), [one for one in movable if one is not None]
        region = reduce(or_, known) if len(known) == len(movable) > 0 else None
        file = path if path.suffix else path.with_suffix(written_suffix(self._file(start, 0)))
        pasted.add(self._paste(generator, start, image, file, region))
        return pasted

    def _file(self, latent: Latent, row: int) -> Path:
        return photo_file_of(latent.rows([row]), self.into)

    def _paste(
        self, generator: Generator, latent: Latent, image: Tensor, path: Path, region: Region | None
    ) -> PastedPhoto:
        return paste_back(generator, image, self.into, path, original=latent, region=region, detail=self.detail)
