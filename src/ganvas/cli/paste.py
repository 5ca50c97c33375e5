"""Options of the commands that put their edits back into the photos."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from torch import Tensor

from ganvas.cli.types import PHOTOS, Flag, one
from ganvas.drag.session import DragSession
from ganvas.edits.confine import Confinement, ConfineSettings
from ganvas.edits.paste_back import PastedPhoto, paste_back, photo_file_of, union_of
from ganvas.edits.recipe import Recipe
from ganvas.errors import GanvasError
from ganvas.errors.ranges import FRACTION
from ganvas.generators.protocol import Generator
from ganvas.images.rewriting import written_suffix
from ganvas.io.result_folder import ResultFolder
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.reports.region_report import Edit

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
            written_suffix(photo_file_of(latent.rows([row]), self.into))

    def writer(
        self, pasted: Pasted, folder: ResultFolder, generator: Generator, step: Edit, region: Region | None
    ) -> Callable[[Latent, str, Tensor], None] | None:
        """Return what writes the photo of a sample, given its latent, a name without suffix and the edited image, into
        a subfolder, and adds it to what is pasted; None where that was not asked for.
        """
        if not self.paste_back:
            return None
        folder.part(FOLDER)  # one with files of somebody else is refused before the work begins

        def write(latent: Latent, name: str, image: Tensor) -> None:
            path = self._file(folder.path, folder, name, latent)
            pasted.add(self._paste(generator, latent, image, path, region, step.confinement))

        return write

    def write_edit(self, path: Path, generator: Generator, latent: Latent, step: Edit, region: Region | None) -> Pasted:
        """Write the photo of the one sample at the one strength, if that was asked for."""
        pasted = Pasted()
        if self.paste_back:
            image = next(step.each(generator, latent))
            pasted.add(self._paste(generator, latent, image, path, region, step.confinement))
        return pasted

    def write_drag(self, out: Path, folder: ResultFolder | None, session: DragSession) -> Pasted:
        """Write the photo with drags in it, if that was asked for; it changes where any of them could move something.
        It goes into the folder of the results, or into the file `out`.
        """
        pasted, region = Pasted(), union_of([one.request.movable for one in session.drags])
        confinement = session.confinement if isinstance(session.confinement, Confinement) else None
        if self.paste_back:
            file, generator = self._file(out, folder, "end", session.start), session.context.generator
            pasted.add(self._paste(generator, session.start, session.image(), file, region, confinement))
        return pasted

    def write_recipe(
        self, out: Path, folder: ResultFolder | None, name: str, generator: Generator, recipe: Recipe
    ) -> Pasted:
        """Write the photo with what a recipe of one image makes of it, if that was asked for: as `name` into the folder
        of the results, or into the file `out`.
        """
        pasted = Pasted()
        if self.paste_back:
            file = self._file(out, folder, name, recipe.base)
            rim = 0.0 if recipe.settings.within else recipe.settings.rim
            pasted.add(paste_back(generator, recipe, self.into, file, rim=rim, detail=self.detail))
        return pasted

    def _file(self, out: Path, folder: ResultFolder | None, name: str, latent: Latent) -> Path:
        return (
            out if folder is None else folder.part(FOLDER) / (name + written_suffix(photo_file_of(latent, self.into)))
        )

    def _paste(
        self,
        generator: Generator,
        latent: Latent,
        image: Tensor,
        path: Path,
        region: Region | None,
        confinement: Confinement | None,
    ) -> PastedPhoto:
        """Write one photo; it changes within the limit of a confined edit, else in the region and its rim."""
        settings = ConfineSettings() if confinement is None else confinement.settings
        return paste_back(
            generator,
            image,
            self.into,
            path,
            original=latent,
            region=region if confinement is None else confinement.inside,
            rim=0.0 if settings.within else settings.rim,
            detail=self.detail,
        )
