"""Sketches: a drawing, and the search for images that match it: from the present one, or several to pick from."""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ganvas.edits.operations import Draw, Operation
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import start_of, with_result
from ganvas.errors import GanvasError, ImageError, RegionError
from ganvas.images.pixels import resize
from ganvas.inversion.features import bundled_features
from ganvas.inversion.settings import default_space
from ganvas.inversion.sketch.fidelity import delta_weight_of
from ganvas.inversion.sketch.nearest import compare_random_images
from ganvas.inversion.sketch.search import SketchResult, SketchSearch, SketchSettings, start_search
from ganvas.inversion.sketch.sketch import read_drawing
from ganvas.inversion.sketch.target import Sketch
from ganvas.io.json_files import number, whole
from ganvas.regions import Region
from ganvas.studio.engine import Job, JobCanceledError, Urgency
from ganvas.studio.files import Kept
from ganvas.studio.session import Session
from ganvas.studio.wire import encoded
from ganvas.training.gan.discriminator_files import realness_of

Message = Mapping[str, Any]
SHOWN_EVERY = 1 / 8  # seconds
MOST_STEPS, MOST_CANDIDATES = 1000, 8
RANDOM = 100  # images whose nearest are where candidates begin
CANDIDATE = 160  # pixels


def start(session: Session, message: Message) -> None:
    """Search for an image near the present one that matches a drawing where it is opaque."""
    area = session.document.now.area
    if area is None and message.get("confined") is True:
        raise RegionError("No region is chosen; mark one first, or let the whole image change.")
    settings = _settings(session, message)
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


def start_candidates(session: Session, message: Message) -> None:
    """Search for several images of their own that match a drawing, as `ganvas sketch` does."""
    count = whole(message.get("count", 4), 2, MOST_CANDIDATES)
    settings = replace(_settings(session, message), candidates=count)
    drawing = _drawing(session, message.get("image"))
    session.submit(lambda job: candidates(session, drawing, settings, job), "Sketching", Urgency.ASKED, "task")


def candidates(session: Session, drawing: Sketch, settings: SketchSettings, job: Job) -> None:
    """Run the search, show its images, and keep them to be picked from; a stopped one keeps what it has."""
    generator, shown = session.generator, 0.0
    features, target = bundled_features(generator.device), drawing.on(generator)
    random = compare_random_images(generator, [target], RANDOM, settings.terms, features, progress=job.progress)
    realness = realness_of(generator, session.shared.models.files[session.model])
    search = start_search(generator, target, settings, features, random, realness=realness)
    try:
        for step in search.steps():
            if time.monotonic() - shown > SHOWN_EVERY:
                shown = time.monotonic()
                _show_candidates(session, step.images)
            job.progress("Sketching", step.number, settings.steps)
    except JobCanceledError:
        if search.last is None:
            raise
    offer(session, search)


def offer(session: Session, search: SketchSearch) -> None:
    """Show the candidates of a search, the chosen one first, with their losses and how real each is."""
    session.sketched = found = search.result()
    _show_candidates(session, found.images)
    facts = [{"start": one.start, "loss": one.loss, "real": one.realness} for one in found.metrics]
    session.outbox.say("candidates", found=facts)


def _show_candidates(session: Session, images: Tensor) -> None:
    for place, image in enumerate(images.split(1)):
        small = encoded(resize(image.detach(), CANDIDATE, CANDIDATE), moving=True)
        session.outbox.show("candidate", small, f"candidate {place}", number=place)


def pick(session: Session, message: Message) -> None:
    """Begin with one of the candidates."""
    found = session.sketched
    if not isinstance(found, SketchResult):
        raise GanvasError("There are no candidates; draw something and search for some first.")
    latent = found.latent[whole(message.get("index"), 0, len(found.latent) - 1)]
    session.begin(replace(Recipe(latent), settings=session.recipe.settings), "Sketched image")


def _settings(session: Session, message: Message) -> SketchSettings:
    return SketchSettings(
        delta_weight_of(number(message.get("fidelity", 0.5))),
        space=default_space(session.generator),
        steps=whole(message.get("steps", 100), 1, MOST_STEPS),
    )


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


HANDLERS = {
    "sketch.start": (start, None),
    "sketch.candidates": (start_candidates, None),
    "sketch.pick": (pick, None),
}
