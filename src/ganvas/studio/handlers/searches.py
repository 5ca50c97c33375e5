"""How directions are searched for, and directions from files."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganvas.errors import LatentError
from ganvas.generators.codes import parse_layers
from ganvas.io.json_files import number
from ganvas.studio.session import Session

Message = Mapping[str, Any]


def set_search(session: Session, message: Message) -> None:
    """Take another space, other layers, or another weight of the background."""
    space, layers = message.get("space"), message.get("layers") or None
    if space is not None and space not in session.generator.spaces:
        raise LatentError(f"This generator has no space '{str(space)[:20]}': {', '.join(session.generator.spaces)}.")
    if layers is not None:
        parse_layers(str(layers), session.generator.layers)
    try:
        weight = number(message.get("weight", 1.0))
    except ValueError as reason:
        raise LatentError(f"{reason}; the weight of the background is a number from 0 to 1.") from reason
    search = replace(session.search, space=space, layers=None if layers is None else str(layers), weight=weight)
    search.method()
    session.search, session.row = search, None
    session.publish()
    session.prepare_directions()


def start_search(session: Session, message: Message) -> None:
    """Compute the Jacobian of a large image, which takes minutes and is not begun unasked."""
    session.asked_for = session.search.key(session.painter, session.recipe.base)
    session.prepare_directions()


HANDLERS = {"search.set": (set_search, "search"), "search.start": (start_search, "search")}
