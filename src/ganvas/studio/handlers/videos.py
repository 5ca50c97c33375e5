"""Videos: from version to version of the history, or from before to after."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ganvas.edits.blend import frames_between
from ganvas.edits.interpolate import ease
from ganvas.errors import GanvasError
from ganvas.images.pixels import to_bytes
from ganvas.images.stored_frames import StoredFrames
from ganvas.images.video import VIDEOS, write_frames
from ganvas.io.json_files import whole
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.handlers.exports import new_export, offer
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
    even, there_and_back = np.linspace(0, 1, frames), message.get("loop") is True
    positions = list(ease(even) if message.get("ease") is True else even)

    def work(job: Job) -> None:
        path = new_export(session, f"edit{suffix}")
        with StoredFrames(path.parent) as video:
            for image in frames_between(session.painter, recipes, positions, session.states):
                video.append(to_bytes(image))
                session.show_moving(image)
                job.progress("Making the video", len(video), frames)
            write_frames(path, video.there_and_back() if there_and_back else video, SECONDS)
        session.paint(session.recipe)
        offer(session, path)

    session.submit(work, "Making the video", Urgency.ASKED, "task")


HANDLERS = {"video": (make, None)}
