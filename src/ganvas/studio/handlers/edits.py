"""The list of operations: add, set, move, switch off, duplicate, delete."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ganvas.directions.direction import Direction
from ganvas.edits.confine import ConfineSettings
from ganvas.edits.correct import CorrectedEdit
from ganvas.edits.follow import FollowedEdit
from ganvas.edits.operations import Borrow, InterpolateTo, Move, Operation
from ganvas.edits.recipe import Recipe
from ganvas.errors import GanvasError
from ganvas.io.json_files import number, whole
from ganvas.latents.latent import sample
from ganvas.regions import Region
from ganvas.studio.rows import strength_of
from ganvas.studio.session import Session

Message = Mapping[str, Any]
METHODS: Mapping[str, Any] = {"straight": None, CorrectedEdit.name: CorrectedEdit, FollowedEdit.name: FollowedEdit}


def add_direction(session: Session, message: Message) -> None:
    """Move along a direction of the row, inside its area."""
    row = session.row
    if row is None:
        raise GanvasError("The directions of this region are not ready yet.")
    direction = row.directions[whole(message.get("index"), 0, len(row.directions) - 1)]
    area = session.document.now.area
    inside = None if message.get("free") is True or area is None else area.region
    strength = strength_of(direction, number(message.get("amount")))
    known = _last_along(session.recipe, direction, inside)
    if known is None:
        recipe = session.recipe.move(direction, strength, inside=inside)
    else:
        last = len(session.recipe.operations) - 1
        changed = replace(session.recipe.operations[last], change=replace(known, strength=strength))
        recipe = _with(session.recipe, last, changed)
    session.commit(f"Direction of {row.area.name}", recipe=recipe)


def _last_along(recipe: Recipe, direction: Direction, inside: Region | None) -> Move | None:
    """Return the last move where it goes along a direction already, inside the same region: the other sign is then its
    other strength, and no second edit that takes it back.
    """
    last = recipe.operations[-1] if recipe.operations else None
    if last is None or not last.enabled or last.inside is not inside or not isinstance(last.change, Move):
        return None
    known = last.change.direction
    return last.change if known.layers == direction.layers and torch.equal(known.vector, direction.vector) else None


def add_from_image(session: Session, message: Message) -> None:
    """Take something of another seed: the chosen region's part, some layers, or a part of the way to it."""
    base, area, kind = session.recipe.base, session.document.now.area, str(message.get("kind"))
    other = sample(session.generator, [whole(message.get("seed"), 0, 2**32 - 1)], truncation=base.truncation)
    inside = area.region if area is not None and message.get("free") is not True else None
    if kind == "borrow":
        if area is None:
            raise GanvasError("No region is chosen; mark the part to borrow first.")
        recipe = session.recipe.borrow(other, area.region, inside=inside)
    elif kind == "toward":
        recipe = session.recipe.interpolate(other, 0.5, inside=inside)
    else:
        recipe = session.recipe.mix(other, kind, inside=inside)
    session.commit(f"From seed {other.seeds[0]}", recipe=recipe)


def set_amount(session: Session, message: Message) -> None:
    """Show another strength of an operation while the slider moves; keep it when it is released."""
    index, operation = _operation(session, message)
    amount, change = number(message.get("amount")), operation.change
    if isinstance(change, Move):
        changed = replace(change, strength=strength_of(change.direction, amount))
    elif isinstance(change, InterpolateTo):
        changed = replace(change, t=amount)
    elif isinstance(change, Borrow):
        changed = replace(change, strength=min(1.0, max(0.0, amount)))
    else:
        raise GanvasError(f"A {change.kind} has no strength.")
    recipe = _with(session.recipe, index, replace(operation, change=changed))
    if message.get("live") is True:
        session.paint_moving(recipe)
    else:
        session.commit(f"Strength {amount:+.1f}", recipe=recipe)


def set_method(session: Session, message: Message) -> None:
    """Go along a direction straight, corrected for what changes outside its region, or following the direction."""
    index, operation = _operation(session, message)
    name, area = str(message.get("method")), session.document.now.area
    if name not in METHODS or not isinstance(operation.change, Move):
        raise GanvasError(f"A direction is gone {', '.join(METHODS)}; '{name[:20]}' was asked for.")
    region = operation.inside if operation.inside is not None or area is None else area.region
    method = None if METHODS[name] is None else METHODS[name](region)
    changed = replace(operation, change=replace(operation.change, method=method))
    session.commit(name.capitalize(), recipe=_with(session.recipe, index, changed))


def enable(session: Session, message: Message) -> None:
    """Switch an operation on or off."""
    index, _ = _operation(session, message)
    enabled = message.get("on") is True
    session.commit("Switch on" if enabled else "Switch off", recipe=session.recipe.enable(index, enabled))


def confine_or_free(session: Session, message: Message) -> None:
    """Keep an operation inside a region, or let it change all of the image."""
    index, operation = _operation(session, message)
    area = session.document.now.area
    if message.get("on") is not True:
        changed, title = replace(operation, inside=None), "Free"
    elif area is None:
        raise GanvasError("No region is chosen; mark one first.")
    else:
        changed, title = replace(operation, inside=area.region), f"Inside {area.name}"
    session.commit(title, recipe=_with(session.recipe, index, changed))


def move(session: Session, message: Message) -> None:
    """Put an operation at another place in the list."""
    index, operation = _operation(session, message)
    others = [one for place, one in enumerate(session.recipe.operations) if place != index]
    others.insert(whole(message.get("to"), 0, len(others)), operation)
    session.commit("Reorder", recipe=replace(session.recipe, operations=tuple(others)))


def duplicate(session: Session, message: Message) -> None:
    """Add an operation once more, after itself."""
    index, operation = _operation(session, message)
    operations = session.recipe.operations
    doubled = (*operations[: index + 1], replace(operation), *operations[index + 1 :])
    session.commit("Duplicate", recipe=replace(session.recipe, operations=doubled))


def delete(session: Session, message: Message) -> None:
    """Remove an operation."""
    index, _ = _operation(session, message)
    operations = session.recipe.operations
    session.commit("Delete", recipe=replace(session.recipe, operations=(*operations[:index], *operations[index + 1 :])))


def set_rim(session: Session, message: Message) -> None:
    """Set how far around its region a confined edit reaches."""
    settings = ConfineSettings(number(message.get("rim")), message.get("within") is True)
    session.commit("Rim", recipe=replace(session.recipe, settings=settings))


def _operation(session: Session, message: Message) -> tuple[int, Operation]:
    operations = session.recipe.operations
    try:
        index = whole(message.get("index"), 0, len(operations) - 1)
    except ValueError as reason:
        raise GanvasError("This operation does not exist any more.") from reason
    return index, operations[index]


def _with(recipe: Recipe, index: int, operation: Operation) -> Recipe:
    return replace(recipe, operations=(*recipe.operations[:index], operation, *recipe.operations[index + 1 :]))


HANDLERS = {
    "edit.direction": (add_direction, None),
    "edit.from": (add_from_image, None),
    "edit.amount": (set_amount, "amount"),
    "edit.method": (set_method, None),
    "edit.enable": (enable, None),
    "edit.confine": (confine_or_free, None),
    "edit.move": (move, None),
    "edit.duplicate": (duplicate, None),
    "edit.delete": (delete, None),
    "edit.rim": (set_rim, None),
}
