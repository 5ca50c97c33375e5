"""The methods of the library beside each other: what each finds for the chosen region, at the same image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ganvas.directions.direction import Direction, Directions
from ganvas.directions.find import find_directions, space_for
from ganvas.directions.methods import METHODS, method_named
from ganvas.directions.resefa import ReSeFa
from ganvas.edits.move import edit
from ganvas.edits.render import render
from ganvas.errors import GanvasError, RegionError
from ganvas.metrics.locality import rms_change
from ganvas.studio.document import Area
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.rows import COUNT, Row, named, shown_length, shown_strength, strength_of
from ganvas.studio.session import Session
from ganvas.studio.wire import encoded

Message = Mapping[str, Any]
LEFT_OUT = ("lelsd", "panda")  # which take many minutes
SLOW = ("stylespace", "lowrankgan")  # which take one or some: they come last
BY_DEFAULT = tuple(sorted((name for name in METHODS if name not in LEFT_OUT), key=lambda name: name in SLOW))


@dataclass(eq=False)
class Comparison:
    """What the methods found for one area, by name."""

    area: Area
    found: dict[str, Directions]


def compare(session: Session, message: Message) -> None:
    """Find directions by several methods, and show the strongest of each."""
    area = session.document.now.area
    if area is None:
        raise RegionError("No region is chosen; mark one first.")
    wanted = message.get("methods") or BY_DEFAULT
    names = sorted((name for name in METHODS if name in wanted), key=lambda name: name in SLOW)
    session.comparison = Comparison(area, {})
    session.outbox.say("comparing", methods=names, area=area.name)
    session.submit(lambda job: run(session, area, names, job), "Comparing methods", Urgency.ASKED, "task")


def run(session: Session, area: Area, names: list[str], job: Job) -> None:
    """Go through the methods; one that cannot serve this generator says why, and the others go on."""
    for name in names:
        job.progress(f"Comparing: {name}", 0, 1)
        try:
            found = find(session, area, name, job)
        except GanvasError as reason:
            session.outbox.say("compared", f"compared {name}", method=name, error=str(reason))
            continue
        if isinstance(session.comparison, Comparison) and session.comparison.area is area:
            session.comparison.found[name] = found
            show(session, area, name, found[0])


def find(session: Session, area: Area, name: str, job: Job) -> Directions:
    """Return the directions that a method finds; those of ReSeFa from the Jacobian that is kept."""
    base, layers = session.recipe.base, session.search.layers
    kept = session.shared.jacobians.find(session.search.key(session.painter, base))
    if name == ReSeFa.name and kept is not None:
        return named(kept.find(area.region, COUNT), area.name)
    method = method_named(name)
    space = space_for(method, session.generator, None)
    layers = layers if space in ("w", "w+", "s") else None

    def report(what: str, done: int, total: int) -> None:
        job.progress(f"Comparing: {name}", done, total)

    found = find_directions(
        session.painter, base, area.region, method=method, space=space, layers=layers, count=COUNT, progress=report
    )
    return named(found, area.name)


def show(session: Session, area: Area, name: str, direction: Direction) -> None:
    """Send the strongest direction both ways, and how much it changes outside where nothing confines it."""
    strength = strength_of(direction, shown_strength(direction))
    recipe = session.recipe.move(direction, strength, inside=area.region)
    images = [render(session.painter, recipe, states=session.states)]
    free = free_image(session, direction)
    mask, before = session.mask_of(area.region), session.before_of(session.recipe)
    inside, outside = (float(rms_change(free, before, part)) for part in (mask, 1 - mask))
    facts = {"method": name, "inside": inside, "outside": outside, "ratio": direction.predicted_ratio}
    session.outbox.say("compared", f"compared {name}", **facts)
    for kind, image in (("confined", images[0]), ("free", free)):
        shown = encoded(image, moving=True)
        session.outbox.show("compare", shown, f"compare {name} {kind}", method=name, kind=kind)


def free_image(session: Session, direction: Direction) -> Tensor:
    """Return the base's image after a direction, without confining it."""
    moved = edit(session.painter, session.recipe.base, direction, shown_length(direction) / direction.scale)
    return next(moved.images(session.painter))


def use(session: Session, message: Message) -> None:
    """Show the directions of one of the compared methods in the panel."""
    comparison, name = session.comparison, str(message.get("method"))
    if not isinstance(comparison, Comparison) or name not in comparison.found:
        raise GanvasError(f"'{name[:40]}' has no directions here; compare again.")
    session.document.choose(comparison.area.number)
    Row.show_found(session, comparison.area, comparison.found[name], name)
    session.publish()


HANDLERS = {"compare": (compare, None), "compare.use": (use, None)}
