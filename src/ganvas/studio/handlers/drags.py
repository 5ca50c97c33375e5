"""Drags with live frames: begun, stopped at any step, and kept as an operation of the recipe."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganvas.drag.methods import settings_of
from ganvas.drag.request import DragRequest, as_pairs
from ganvas.drag.run import FinishedDrag
from ganvas.drag.session import open_drag
from ganvas.drag.state import CANCELED
from ganvas.edits.confine import Confinement
from ganvas.edits.operations import Drag, Operation
from ganvas.edits.render import start_of, with_result
from ganvas.errors import RegionError
from ganvas.io.json_files import whole
from ganvas.regions import Region
from ganvas.studio.engine import Job, JobCanceledError, Urgency
from ganvas.studio.session import Session

Message = Mapping[str, Any]
MOST_STEPS = 2000
SHOWN_EVERY = 1 / 12  # seconds


def start(session: Session, message: Message) -> None:
    """Drag handles to their targets, from the present image."""
    area, steps = session.document.now.area, whole(message.get("steps", 300), 1, MOST_STEPS)
    if area is None and (message.get("confined") is True or message.get("movable") is True):
        raise RegionError("No region is chosen; mark one first, or let the whole image move.")
    movable = area.region if area and message.get("movable") is True else None
    inside = area.region if area and message.get("confined") is True else None
    method = settings_of(str(message.get("method", "draggan")))
    request = DragRequest(as_pairs(message.get("pairs")), method, movable, steps)
    session.submit(lambda job: drag(session, request, inside, job), "Dragging", Urgency.ASKED, "task")


def drag(session: Session, request: DragRequest, inside: Region | None, job: Job) -> None:
    """Run a drag, show it, and keep it where it ended."""
    begun, version = start_of(session.painter, session.recipe, inside, session.states), session.document.current
    opened = open_drag(session.painter, begun)
    if inside is not None:
        opened = replace(opened, confinement=Confinement(inside, session.recipe.settings))
    run, shown = opened.begin(request), 0.0
    try:
        for state in run:
            job.progress("Dragging", state.steps, request.steps)
            if time.monotonic() - shown > SHOWN_EVERY:
                shown = time.monotonic()
                session.show_moving(opened.image(state.seen_codes))
                session.outbox.say("handles", points=run.path[-1])
    except JobCanceledError:
        pass
    finished = run.finish()
    if session.document.current != version or finished.steps == 0:
        session.shown()
        return
    _keep(session, finished, inside, replace(opened.with_drag(finished).latent, names=begun.names))


def _keep(session: Session, finished: FinishedDrag, inside: Region | None, latent: Any) -> None:
    steps = finished.steps if finished.reason == CANCELED else finished.request.steps
    request = replace(finished.request, method=finished.settings, steps=steps)
    recipe = with_result(session.painter, session.recipe, Operation(Drag(request), inside), latent, session.states)
    said = {CANCELED: "stopped"}.get(finished.reason, finished.reason)
    session.commit("Drag", recipe=recipe)
    session.outbox.say("dragged", reason=said, steps=finished.steps, handles=finished.final_handles)


def stop(session: Session, message: Message) -> None:
    """End what a person asked for and waits for."""
    session.shared.engine.cancel(session.id, "task")


HANDLERS = {"drag.start": (start, None), "stop": (stop, None)}
