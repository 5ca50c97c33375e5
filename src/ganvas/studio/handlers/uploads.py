"""Recipes, latents, directions, masks and generators that the page sends, each read by the library's safe reader."""

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganvas.directions.direction import KIND, Directions
from ganvas.directions.files import load_directions
from ganvas.edits.recipe import Recipe, load_recipe
from ganvas.errors import LatentError, RegionError, ResultFileError
from ganvas.io.tensor_files import is_ours, read_header
from ganvas.latents.open import open_latent_file
from ganvas.regions import Region
from ganvas.studio.rows import Row
from ganvas.studio.session import Handler, Session

Message = Mapping[str, Any]
MOST_UNPACKED = 512 * 2**20
ENDING = ".recipe"


def take_recipe(session: Session, message: Message) -> None:
    """Begin with a recipe: the archive that the studio saved, of a JSON file and its tensors."""
    path = Path(message["path"])
    recipe = load_recipe(unpacked(path))
    wanted = recipe.base.generator
    if wanted in session.shared.models.files and wanted != session.model:
        session.start(wanted)
    recipe.base.check_fits(session.generator)
    if len(recipe.base) != 1:
        raise LatentError(f"This recipe has {len(recipe.base)} images; the studio edits one at a time.")
    session.begin(recipe, f"Recipe {path.stem}")


def unpacked(path: Path) -> Path:
    """Return the recipe of an archive; nothing of what the archive says decides where it is written."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {one.filename: one for one in archive.infolist()}
            recipes = [name for name in names if name.endswith(ENDING) and f"{name}.safetensors" in names]
            if len(recipes) != 1:
                raise ResultFileError("This archive holds no recipe with its tensors; save one by Export, Recipe.")
            parts = [names[recipes[0]], names[f"{recipes[0]}.safetensors"]]
            if sum(one.file_size for one in parts) > MOST_UNPACKED:
                raise ResultFileError(f"This recipe is larger than {MOST_UNPACKED // 2**20} MiB.")
            for one, suffix in zip(parts, ("", ".safetensors"), strict=True):
                with archive.open(one) as stream:
                    path.with_name(f"opened{ENDING}{suffix}").write_bytes(stream.read(MOST_UNPACKED))
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as reason:
        said = "A recipe is opened as the archive that the studio saves, which holds its two files"
        raise ResultFileError(f"{said}; '{path.name}' is none ({reason}).") from reason
    return path.with_name(f"opened{ENDING}")


def take_latent(session: Session, message: Message) -> None:
    """Begin with the first sample of a latent file; show the directions of a file of these."""
    path = Path(message["path"])
    if is_ours(path) and read_header(path, ResultFileError).get("kind") == KIND:
        take_directions(session, message)
        return
    latent = open_latent_file(path, session.generator)
    session.begin(replace(Recipe(latent[0]), settings=session.recipe.settings), f"Latent {path.stem}")


def take_directions(session: Session, message: Message) -> None:
    """Show the directions of a file in place of those of the region."""
    path = Path(message["path"])
    show_directions(session, load_directions(path, None, session.generator), path.stem)


def show_directions(session: Session, found: Directions, name: str) -> None:
    """Show directions by a name, for the chosen area or else for theirs."""
    found.check_fits(session.generator)
    area = session.document.now.area
    if area is None and found.mask is not None:
        area = session.add_area(found.origin.region_name or name, Region.from_mask(found.mask))
    if area is None:
        raise RegionError("Choose a region first: these directions do not say theirs.")
    Row.show_found(session, area, found, name)


def take_mask(session: Session, message: Message) -> None:
    """Add the region of a mask file."""
    path = Path(message["path"])
    session.add_area(path.stem, Region.from_mask_file(path))


def take_model(session: Session, message: Message) -> None:
    """Begin anew with a generator that the page sent."""
    path = Path(message["path"])
    models = session.shared.models
    name = models.add(path)
    try:
        models.load(name)
    except BaseException:
        del models.files[name]
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    session.shared.engine.cancel(session.id)
    session.start(name)


def read_once(take: Handler) -> Handler:
    """Return the handler of a file of which nothing is needed once it is read."""

    def handler(session: Session, message: Message) -> None:
        try:
            take(session, message)
        finally:
            shutil.rmtree(Path(message["path"]).parent, ignore_errors=True)

    return handler


HANDLERS = {
    "upload.recipe": (read_once(take_recipe), None),
    "upload.latent": (read_once(take_latent), None),
    "upload.directions": (read_once(take_directions), None),
    "upload.mask": (read_once(take_mask), None),
    "upload.model": (take_model, None),
}
