"""Sketches: a drawing on the image, and the search for an image that matches it."""

import base64
import binascii
import time
from collections.abc import Mapping
from typing import Any

from ganvas.edits.operations import Draw, Operation
from ganvas.edits.render import start_of, with_result
from ganvas.errors import ImageError, RegionError
from ganvas.inversion.settings import default_space
from ganvas.inversion.sketch.fidelity import delta_weight_of
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.inversion.sketch.sketch import read_drawing
from ganvas.inversion.sketch.target import Sketch
from ganvas.io.json_files import number, whole
from ganvas.regions import Region
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.files import Kept
from ganvas.studio.session import Session

Message = Mapping[str, Any]
SHOWN_EVERY = 1 / 8  # seconds
MOST_STEPS = 1000


def start(session: Session, message: Message) -> None:
    """Search for an image near the present one that matches a drawing where it is opaque."""
    area = session.document.now.area
    if area is None and message.get("confined") is True:
        raise RegionError("No region is chosen; mark one first, or let the whole image change.")
    settings = SketchSettings(
        delta_weight_of(number(message.get("fidelity", 0.5))),
        space=default_space(session.generator),
        steps=whole(message.get("steps", 100), 1, MOST_STEPS),
    )
    drawing = _drawing(session, message.get("image"))
    inside = area.region if area and message.get("confined") is True else None
    work = lambda job: search(session, Draw(drawing, settings), inside, job)  # noqa: E731
    session.submit(work, "Sketching", Urgency.ASKED, "task")


def search(session: Session, draw: Draw, inside: Region | None, job: Job) -> None:
    """Run the search, show it, and keep its end; a stopped one is dropped."""
    begun, version = start_of(session.painter, session.recipe, inside, session.states), session.document.current
    prepared, step, shown = draw.prepared(session.painter, begun), None, 0.0
    for step in prepared.steps():
        if time.monotonic() - shown > SHOWN_EVERY:
            shown = time.monotonic()
            session.show_moving(step.images.cpu())
        job.progress("Sketching", step.number, draw.settings.steps)
    if step is None or session.document.current != version:
        return
    latent = draw.latent_after(session.painter, begun, prepared, step)
    recipe = with_result(session.painter, session.recipe, Operation(draw, inside), latent, session.states)
    session.commit("Sketch", recipe=recipe)


def _drawing(session: Session, data: object) -> Sketch:
    """Return a drawing of the page: a PNG with transparency, in base64."""
    try:
        content = base64.b64decode(str(data), validate=True)
    except binascii.Error as reason:
        raise ImageError("The drawing did not arrive whole; draw again.") from reason
    path = Kept(session.shared.folder).new_upload("sketch.png")
    path.write_bytes(content)
    try:
        return read_drawing(path, session.generator, "none")
    finally:
        path.unlink()
        path.parent.rmdir()


HANDLERS = {"sketch.start": (start, None)}
