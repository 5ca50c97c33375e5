"""Directions that are kept under a name, for any session, and files of them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganvas.directions.files import load_directions
from ganvas.errors import GanvasError
from ganvas.io.json_files import whole
from ganvas.studio.files import safe_name
from ganvas.studio.handlers.exports import new_export, offer
from ganvas.studio.handlers.uploads import show_directions
from ganvas.studio.session import Session
from ganvas.studio.store import SAVED, saved_names

Message = Mapping[str, Any]
MOST_SAVED = 500


def save(session: Session, message: Message) -> None:
    """Keep the directions that are shown, or one of them, under a name that is not taken."""
    if session.row is None:
        raise GanvasError("There are no directions yet; choose a region first.")
    found, names = session.row.directions, saved_names(session.shared.folder)
    name = safe_name(str(message.get("name", "")).replace("/", "_").strip()).replace(".", "_")
    if not str(message.get("name", "")).strip():
        raise GanvasError("Directions are kept under a name; write one, such as smile.")
    if name in names or len(names) >= MOST_SAVED:
        raise GanvasError(f"There are directions '{name}' already; choose another name, or delete those.")
    if message.get("index") is not None:
        found = found.rows([whole(message["index"], 0, len(found) - 1)])
    folder = session.shared.folder / SAVED
    folder.mkdir(parents=True, exist_ok=True)
    found.save(folder / f"{name}.safetensors")
    session.publish()


def load(session: Session, message: Message) -> None:
    """Show the directions of a name in place of those of the region."""
    name, path = _saved(session, message)
    show_directions(session, load_directions(path, None, session.generator), name)


def fetch(session: Session, message: Message) -> None:
    """Offer the file of a name to the page."""
    _, path = _saved(session, message)
    offer(session, Path(shutil.copyfile(path, new_export(session, path.name))))


def delete(session: Session, message: Message) -> None:
    """Delete the directions of a name."""
    _saved(session, message)[1].unlink(missing_ok=True)
    session.publish()


def _saved(session: Session, message: Message) -> tuple[str, Path]:
    """Return a name and its file; only names that are listed have one, so that no path of a page is opened."""
    name = message.get("name")
    if name not in saved_names(session.shared.folder):
        raise GanvasError(f"There are no directions '{str(name)[:40]}' here any more.")
    return str(name), session.shared.folder / SAVED / f"{name}.safetensors"


HANDLERS = {
    "saved.save": (save, None),
    "saved.load": (load, None),
    "saved.fetch": (fetch, None),
    "saved.delete": (delete, None),
}
