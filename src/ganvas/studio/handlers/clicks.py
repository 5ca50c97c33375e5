"""Regions by clicks: what is like the clicked place; shown while the pointer hovers, kept when it clicks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganvas.errors import RegionError
from ganvas.io.json_files import number
from ganvas.latents.latent import Latent
from ganvas.parts.click import ClickFeatures
from ganvas.studio.handlers.areas import change
from ganvas.studio.session import Session
from ganvas.studio.wire import encoded_mask

Message = Mapping[str, Any]
Point = tuple[float, float]
MOST_CLICKS = 50


@dataclass(eq=False)
class Clicking:
    """The features of one base image, and the clicks of the area that was clicked last."""

    base: Latent
    features: ClickFeatures
    area: int = -1
    inside: list[Point] = field(default_factory=list)
    outside: list[Point] = field(default_factory=list)

    @classmethod
    def of(cls, session: Session) -> "Clicking":
        """Return what is kept for the base of the recipe, made at the first click."""
        base = session.recipe.base
        if session.clicking is None or session.clicking.base is not base:
            session.clicking = cls(base, ClickFeatures(session.painter, base))
        return session.clicking


def hover(session: Session, message: Message) -> None:
    """Show what a click here would mark."""
    clicking = Clicking.of(session)
    region = clicking.features.region([_point(message)])
    session.outbox.show("hover", encoded_mask(session.mask_of(region)))


def click(session: Session, message: Message) -> None:
    """Mark what is like the clicked place; add another place to it, or leave out what is like one."""
    clicking, point, how = Clicking.of(session), _point(message), message.get("how", "new")
    area = session.document.now.area
    goes_on = area is not None and area.number == clicking.area and how in ("add", "subtract")
    if goes_on and len(clicking.inside) + len(clicking.outside) < MOST_CLICKS:
        (clicking.inside if how == "add" else clicking.outside).append(point)
    elif how == "subtract":
        raise RegionError("Click a part first; Alt and a click then leave out what is like another place.")
    else:
        clicking.inside, clicking.outside = [point], []
    region = clicking.features.region(clicking.inside, outside=clicking.outside)
    if goes_on and area is not None:
        change(session, area, region, f"Region {area.name}")
    else:
        clicking.area = session.add_area("Part", region).number


def _point(message: Message) -> Point:
    return min(1.0, max(0.0, number(message.get("x")))), min(1.0, max(0.0, number(message.get("y"))))


HANDLERS = {"part.hover": (hover, "hover"), "part.click": (click, None)}
