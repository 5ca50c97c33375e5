"""Photos: aligned, inverted while the page watches, and tuned for where that was asked; or to try edits on."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.edits.recipe import Recipe
from ganvas.inversion.open import open_photo
from ganvas.inversion.photos import PhotoSettings
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.session import Session

Message = Mapping[str, Any]
SHOWN_EVERY = 1 / 8  # seconds


def take(session: Session, message: Message) -> None:
    """Invert a photo that the page sent, and begin with it."""
    path = Path(message["path"])
    tune, settings = message.get("tune") is True, PhotoSettings(as_is=message.get("as_is") is True)
    if message.get("try") is True:
        work = lambda job: invert_to_try(session, path, settings, job)  # noqa: E731
    else:
        work = lambda job: invert(session, path, settings, tune, job)  # noqa: E731
    session.submit(work, "Opening the photo", Urgency.ASKED, "task")


def invert(session: Session, path: Path, settings: PhotoSettings, tune: bool, job: Job) -> None:
    """Open the photo, showing the generator's images of it on the way."""
    shown = [0.0]

    def show(images: Tensor) -> None:
        if time.monotonic() - shown[0] > SHOWN_EVERY:
            shown[0] = time.monotonic()
            session.show_moving(images[:1].cpu())

    try:
        opened = open_photo(
            path, session.generator, settings=settings, tune=tune, progress=job.progress, on_images=show
        )
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        session.shown()
        raise
    for text in (*opened.warnings, opened.described):
        session.outbox.say("note", f"note {text}", text=text)
    session.begin(replace(Recipe(opened.latent), settings=session.recipe.settings), f"Photo {path.stem}")


def invert_to_try(session: Session, path: Path, settings: PhotoSettings, job: Job) -> None:
    """Open a photo, and show the present edits on it beside other images."""
    try:
        opened = open_photo(path, session.generator, settings=settings, progress=job.progress)
    except BaseException:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise
    session.tried.append(opened.latent)
    session.outbox.say("tried")


HANDLERS = {"upload.photo": (take, None)}
