"""Drags with live frames: begun, paused or stopped at any step, and kept as an operation of the recipe."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ganvas.drag.methods import settings_of
from ganvas.drag.request import DragRequest, as_pairs
from ganvas.drag.run import DragRun, FinishedDrag
from ganvas.drag.session import DragSession, open_drag
from ganvas.drag.state import CANCELED
from ganvas.edits.confine import Confinement
from ganvas.edits.operations import Drag, Operation
from ganvas.edits.render import start_of, with_result
from ganvas.errors import GanvasError, RegionError
from ganvas.io.json_files import whole
from ganvas.latents.latent import Latent
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


@dataclass(eq=False)
class Dragging:
    """A drag that runs or is paused, in a version of the document."""

    run: DragRun
    opened: DragSession
    begun: Latent
    inside: Region | None
    version: int
    paused: bool = False


def drag(session: Session, request: DragRequest, inside: Region | None, job: Job) -> None:
    """Begin a drag and run it."""
    begun = start_of(session.painter, session.recipe, inside, session.states)
    opened = open_drag(session.painter, begun)
    if inside is not None:
        opened = replace(opened, confinement=Confinement(inside, session.recipe.settings))
    run = opened.begin(request)
    session.dragging = Dragging(run, opened, begun, inside, session.document.current)
    go_on(session, session.dragging, job)


def go_on(session: Session, dragging: Dragging, job: Job) -> None:
    """Run a drag, show it, and keep it where it ended; one that is paused waits in the session."""
    run, shown = dragging.run, 0.0
    try:
        for state in run:
            job.progress("Dragging", state.steps, run.request.steps)
            if time.monotonic() - shown > SHOWN_EVERY:
                shown = time.monotonic()
                show(session, dragging)
    except JobCanceledError:
        if dragging.paused:
            show(session, dragging)
            session.publish()
            return
    end(session, dragging)


def show(session: Session, dragging: Dragging) -> None:
    """Show how far a drag has come."""
    session.show_moving(dragging.opened.image(dragging.run.state.seen_codes))
    session.outbox.say("handles", points=dragging.run.path[-1] if dragging.run.path else None)


def end(session: Session, dragging: Dragging) -> None:
    """Keep a drag where it is."""
    session.dragging, finished = None, dragging.run.finish()
    if session.document.current != dragging.version or finished.steps == 0:
        session.shown()
        return
    latent = replace(dragging.opened.with_drag(finished).latent, names=dragging.begun.names)
    _keep(session, finished, dragging.inside, latent)


def _keep(session: Session, finished: FinishedDrag, inside: Region | None, latent: Any) -> None:
    steps = finished.steps if finished.reason == CANCELED else finished.request.steps
    request = replace(finished.request, method=finished.settings, steps=steps)
    recipe = with_result(session.painter, session.recipe, Operation(Drag(request), inside), latent, session.states)
    said = {CANCELED: "stopped"}.get(finished.reason, finished.reason)
    session.commit("Drag", recipe=recipe)
    session.outbox.say("dragged", reason=said, steps=finished.steps, handles=finished.final_handles)


def pause(session: Session, message: Message) -> None:
    """Let a running drag wait where it is."""
    if isinstance(session.dragging, Dragging):
        session.dragging.paused = True
        session.shared.engine.cancel(session.id, "task")


def resume(session: Session, message: Message) -> None:
    """Go on with the drag that is paused."""
    if not session.is_paused:
        raise GanvasError("No drag is paused here; begin one.")
    dragging = session.dragging
    dragging.paused = False
    session.submit(lambda job: go_on(session, dragging, job), "Dragging", Urgency.ASKED, "task")
    session.publish()


def stop(session: Session, message: Message) -> None:
    """End what a person asked for and waits for; a drag that is paused is kept where it is, a strong edit undone."""
    session.shared.engine.cancel(session.id, "task")
    session.undo_strong()
    if session.is_paused:
        end(session, session.dragging)


HANDLERS = {
    "drag.start": (start, None),
    "drag.pause": (pause, None),
    "drag.resume": (resume, None),
    "stop": (stop, None),
}
