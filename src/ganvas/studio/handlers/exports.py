"""What the page saves: images, photos with the edits in them, recipes, latents, strips, pages."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganvas.edits.paste_back import paste_back, photo_file_of
from ganvas.edits.recipe_files import tensors_of
from ganvas.edits.render import evaluate, render
from ganvas.errors import GanvasError
from ganvas.images.pixels import write_image
from ganvas.images.rewriting import written_suffix
from ganvas.images.sheets import strip
from ganvas.reports.recipe_report import images_on_the_way, write_recipe_page
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.files import Kept
from ganvas.studio.session import Session
from ganvas.studio.state import EXPORTED, command_of

Message = Mapping[str, Any]


def export(session: Session, message: Message) -> None:
    """Write what was asked for, and offer it to the page."""
    what = str(message.get("what"))
    if what not in WRITERS:
        raise GanvasError(f"The studio exports {', '.join(WRITERS)}; '{what[:40]}' was asked for.")
    session.submit(lambda job: offer(session, WRITERS[what](session, job)), "Exporting", Urgency.ASKED, "export")


def offer(session: Session, path: Path) -> None:
    """Tell the page where it can fetch a file."""
    url = f"/download/{session.id}/{path.parent.name}"
    session.outbox.say("download", f"download {url}", url=url, name=path.name)


def new_export(session: Session, name: str) -> Path:
    """Return the path of a new file for the page."""
    return Kept(session.shared.folder).new_export(session.id, name)


def _image(session: Session, job: Job) -> Path:
    image = render(session.painter, session.recipe, states=session.states)
    return write_image(new_export(session, f"{EXPORTED}.png"), image)


def _recipe(session: Session, job: Job) -> Path:
    """Write the two files of the recipe as one archive, so that neither is lost."""
    path = new_export(session, f"{EXPORTED}.recipe.zip")
    saved = session.recipe.save(path.with_name(f"{EXPORTED}.recipe"))
    files = [saved, tensors_of(saved)]
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, file.name)
    for file in files:
        file.unlink()
    return path


def _photo(session: Session, job: Job) -> Path:
    recipe = session.recipe
    source, rim = photo_file_of(recipe.base), 0.0 if recipe.settings.within else recipe.settings.rim
    path = new_export(session, f"{source.stem}-edited{written_suffix(source)}")
    pasted = paste_back(session.painter, recipe, None, path, rim=rim)
    session.outbox.say("note", f"note {pasted.path}", text=pasted.described)
    return pasted.path


def _latent(session: Session, job: Job) -> Path:
    latent = evaluate(session.painter, session.recipe, session.states).latent
    return latent.save(new_export(session, f"{EXPORTED}.safetensors"))


def _strip(session: Session, job: Job) -> Path:
    """Write the way from before to after as images beside each other."""
    images = images_on_the_way(session.painter, session.recipe, session.states)
    return write_image(new_export(session, f"{EXPORTED}-strip.png"), strip(images))


def _page(session: Session, job: Job) -> Path:
    """Write a page that holds all it shows, with the command line that makes the image again."""
    recipe = session.recipe
    edits = "; ".join(map(str, recipe.active)) or "none"
    facts = {"generator": session.model, "edits": edits, "command": command_of(session)}
    return write_recipe_page(new_export(session, f"{EXPORTED}.html"), session.painter, recipe, facts, session.states)


WRITERS: Mapping[str, Callable[[Session, Job], Path]] = {
    "image": _image,
    "photo": _photo,
    "recipe": _recipe,
    "latent": _latent,
    "strip": _strip,
    "page": _page,
}
HANDLERS = {"export": (export, None)}
