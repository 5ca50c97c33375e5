"""The same edits on other images: seeds, photos and other beginnings of this session, before and after each."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ganvas.edits.recipe import Recipe
from ganvas.edits.render import render
from ganvas.errors import GanvasError
from ganvas.images.pixels import resize
from ganvas.io.json_files import whole
from ganvas.latents.latent import Latent
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.handlers.bases import MOST_SEED, seed_latent
from ganvas.studio.painting import straight
from ganvas.studio.session import TRUNCATION, Session
from ganvas.studio.wire import encoded

Message = Mapping[str, Any]
MOST_SHOWN, SIDE = 24, 112


def show(session: Session, message: Message) -> None:
    """Send before and after of the other images, then of some seeds; strong edits are shown straight."""
    first, count = whole(message.get("first"), 0, MOST_SEED), whole(message.get("count", 9), 1, MOST_SHOWN)
    others = others_of(session)
    seeds = {f"seed {seed}": seed_of(session, seed) for seed in range(first, min(first + count, MOST_SEED + 1))}
    session.outbox.say("trials", others={name: base.captions[0] for name, base in others.items()})
    recipe = straight(session.recipe)

    def work(job: Job) -> None:
        for name, base in (others | seeds).items():
            job.check()
            send(session, recipe, name, base)

    session.submit(work, "", Urgency.ASKED, "neighbors")


def send(session: Session, recipe: Recipe, name: str, base: Latent) -> None:
    """Send one image before and after the edits, beside each other."""
    pair = [render(session.generator, one) for one in (Recipe(base), replace(recipe, base=base))]
    both = torch.cat([resize(image, SIDE, SIDE) for image in pair], dim=-1)
    session.outbox.show("trial", encoded(both, moving=True), f"trial {name}", name=name)


def others_of(session: Session) -> dict[str, Latent]:
    """Return the photos and files that the session began with or tried, by a name for messages; the one shown is left
    out.
    """
    begun = [version.recipe.base for version in session.document.versions.values()]
    found = {id(one): one for one in (*begun, *session.tried) if one.photo is not None or not one.seeds}
    found.pop(id(session.recipe.base), None)
    return {f"other {key}": one for key, one in found.items()}


def seed_of(session: Session, seed: int) -> Latent:
    """Return a seed's latent, truncated as the present one."""
    base = session.recipe.base
    truncation = base.truncation if base.seeds and base.truncation is not None else TRUNCATION
    return seed_latent(session, seed, truncation)


def take(session: Session, message: Message) -> None:
    """Go on with one of the images, with the same edits."""
    name = str(message.get("name"))
    base = others_of(session).get(name)
    if base is None:
        number = name.removeprefix("seed ")
        if not number.isdecimal() or int(number) > MOST_SEED:
            raise GanvasError("This image is not here any more; choose another.")
        base = seed_of(session, int(number))
    session.begin(replace(session.recipe, base=base), f"The same on {base.captions[0]}")


HANDLERS = {"trials": (show, None), "trials.take": (take, None)}
