"""The base of the recipe: seeds and their neighbors, another generator, and going through the versions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganvas.edits.recipe import Recipe
from ganvas.edits.render import render
from ganvas.errors import GanvasError
from ganvas.images.pixels import resize
from ganvas.io.json_files import number, whole
from ganvas.latents.latent import Latent, sample
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.session import TRUNCATION, Session
from ganvas.studio.wire import encoded

Message = Mapping[str, Any]
MOST_SEED = 2**32 - 1
NEIGHBOR = 96
MOST_NEIGHBORS = 24


def open_seed(session: Session, message: Message) -> None:
    """Begin with another seed, with the operations of the present recipe where `keep` is set."""
    latent = seed_latent(session, message.get("seed"), message.get("truncation", TRUNCATION))
    recipe = replace(session.recipe, base=latent) if message.get("keep") is True else Recipe(latent)
    session.begin(replace(recipe, settings=session.recipe.settings), f"Seed {latent.seeds[0]}")


def show_neighbors(session: Session, message: Message) -> None:
    """Send small images of some seeds, with the operations of the present recipe where `keep` is set."""
    first, count = whole(message.get("first"), 0, MOST_SEED), whole(message.get("count", 12), 1, MOST_NEIGHBORS)
    seeds = [seed for seed in range(first, first + count) if seed <= MOST_SEED]
    truncation, keep, recipe = message.get("truncation", TRUNCATION), message.get("keep") is True, session.recipe

    def work(job: Job) -> None:
        for seed in seeds:
            job.check()
            base = seed_latent(session, seed, truncation)
            image = render(session.generator, replace(recipe, base=base) if keep else Recipe(base))
            small = encoded(resize(image, NEIGHBOR, NEIGHBOR), moving=True)
            session.outbox.show("neighbor", small, f"neighbor {seed}", seed=seed)

    session.submit(work, "", Urgency.ASKED, "neighbors")


def open_model(session: Session, message: Message) -> None:
    """Begin anew with another generator."""
    session.shared.engine.cancel(session.id)
    session.start(str(message.get("model")))


def seed_latent(session: Session, seed: object, truncation: object) -> Latent:
    """Return the latent of a seed that the page names; raises `GanvasError` for what is none."""
    try:
        return sample(session.generator, [whole(seed, 0, MOST_SEED)], truncation=number(truncation))
    except ValueError as reason:
        raise GanvasError(f"{reason}; a seed is a whole number from 0 to {MOST_SEED}.") from reason


def undo(session: Session, message: Message) -> None:
    """Go to the version that this one was made from."""
    session.document.undo()
    session.shown()


def redo(session: Session, message: Message) -> None:
    """Go to the version that was left last."""
    session.document.redo()
    session.shown()


def go(session: Session, message: Message) -> None:
    """Go to a version of the history."""
    session.document.go(whole(message.get("version"), 0, 10**9))
    session.shown()


def show_heat(session: Session, message: Message) -> None:
    """Show or hide where the image changed."""
    session.heat = message.get("on") is True
    session.publish()
    if session.heat:
        session.send_heat()


def refresh(session: Session, message: Message) -> None:
    """Show everything again."""
    session.send_everything()


HANDLERS = {
    "open.seed": (open_seed, "open"),
    "open.model": (open_model, "open"),
    "neighbors": (show_neighbors, None),
    "undo": (undo, None),
    "redo": (redo, None),
    "go": (go, None),
    "heat": (show_heat, None),
    "refresh": (refresh, None),
}
