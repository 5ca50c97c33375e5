"""Videos: from version to version of the history, or from before to after."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ganvas.edits.blend import frames_between
from ganvas.edits.interpolate import ease
from ganvas.edits.recipe import Recipe
from ganvas.errors import GanvasError
from ganvas.images.video import VIDEOS, write_animation
from ganvas.io.json_files import whole
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.files import Kept
from ganvas.studio.handlers.exports import offer
from ganvas.studio.session import Session

Message = Mapping[str, Any]
MOST_FRAMES, SECONDS = 240, 1 / 24


def make(session: Session, message: Message) -> None:
    """Make a video through some versions of the history; through before and after where none are named."""
    frames, suffix = whole(message.get("frames", 48), 2, MOST_FRAMES), f".{message.get('format', 'webp')}"
    if suffix not in VIDEOS:
        raise GanvasError(f"A video is {', '.join(one[1:] for one in VIDEOS)}; '{suffix[1:20]}' was asked for.")
    versions = session.document.versions
    chosen = [versions[number].recipe for number in message.get("versions") or () if number in versions]
    recipes = chosen or [replace(session.recipe, operations=()), session.recipe]
    there_and_back, eased = message.get("loop") is True, message.get("ease") is True
    work = lambda job: write(session, recipes, (frames, suffix, there_and_back, eased), job)  # noqa: E731
    session.submit(work, "Making the video", Urgency.ASKED, "task")


def write(session: Session, recipes: list[Recipe], how: tuple[int, str, bool, bool], job: Job) -> None:
    """Paint the frames, show them on the way, and offer the file."""
    count, suffix, there_and_back, eased = how
    positions = np.linspace(0, 1, count)
    images = []
    for image in frames_between(
        session.painter, recipes, list(ease(positions) if eased else positions), session.states
    ):
        images.append(image)
        session.show_moving(image)
        job.progress("Making the video", len(images), count)
    path = Kept(session.shared.folder).new_export(session.id, f"edit{suffix}")
    write_animation(path, [*images, *(images[-2:0:-1] if there_and_back else [])], SECONDS)
    session.paint(session.recipe)
    offer(session, path)


HANDLERS = {"video": (make, None)}
