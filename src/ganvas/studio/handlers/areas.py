"""Regions of the page: drawn, named, joined, turned around, grown and softened."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ganvas.errors import RegionError
from ganvas.io.json_files import number
from ganvas.regions import Region
from ganvas.studio.areas import drawn, flat, joined, name_of
from ganvas.studio.document import Area
from ganvas.studio.session import Session

Message = Mapping[str, Any]


def draw(session: Session, message: Message) -> None:
    """Make a new area of a drawn shape, or join the shape to the chosen one."""
    how, now = str(message.get("how", "new")), session.document.now
    shape = message.get("shape")
    if not isinstance(shape, Mapping):
        raise RegionError("A region is drawn by a shape, and none was given.")
    old = now.area if how != "new" else None
    region = joined(
        old.region if old else None,
        drawn(session.painter, session.recipe.base, shape),
        how,
        session.generator.resolution,
    )
    if old is not None:
        change(session, old, region, f"Region {old.name}")
    else:
        session.add_area(message.get("name") or shape.get("text"), region)


def change(session: Session, area: Area, region: Region, title: str) -> None:
    """Put another region in an area's place, also where operations are inside of it."""
    now = session.document.now
    areas = tuple(replace(one, region=region) if one.number == area.number else one for one in now.areas)
    operations = tuple(
        replace(one, inside=region) if one.inside is area.region else one for one in now.recipe.operations
    )
    changed = any(one is not other for one, other in zip(operations, now.recipe.operations, strict=True))
    recipe = replace(now.recipe, operations=operations) if changed else now.recipe
    session.commit(title, areas=areas, chosen=area.number, recipe=recipe)


def choose(session: Session, message: Message) -> None:
    """Choose an area, or none."""
    wanted = message.get("number")
    session.document.choose(None if wanted is None else _area(session, wanted).number)
    session.shown()


def rename(session: Session, message: Message) -> None:
    """Give an area another name."""
    area, now = _area(session, message.get("number")), session.document.now
    name = name_of(message.get("name"), now.areas, area.number)
    areas = tuple(replace(one, name=name) if one.number == area.number else one for one in now.areas)
    session.commit(f"Rename {area.name}", areas=areas)


def delete(session: Session, message: Message) -> None:
    """Delete an area; operations inside of it stay."""
    area, now = _area(session, message.get("number")), session.document.now
    areas = tuple(one for one in now.areas if one.number != area.number)
    chosen = now.chosen if now.chosen != area.number else (areas[-1].number if areas else None)
    session.commit(f"Delete {area.name}", areas=areas, chosen=chosen)


def reshape(how: str, make: Callable[[Region, Message], Region]) -> Callable[[Session, Message], None]:
    """Return the handler that changes the chosen area by `make`."""

    def handler(session: Session, message: Message) -> None:
        area = session.document.now.area
        if area is None:
            raise RegionError("No region is chosen; mark one first.")
        region = flat(make(area.region, message), session.generator.resolution)
        change(session, area, region, f"{how} {area.name}")

    return handler


def _radius(message: Message) -> float:
    try:
        return number(message.get("radius"))
    except ValueError as reason:
        raise RegionError(f"{reason}; a radius is a fraction of the image, such as 0.02.") from reason


def _area(session: Session, wanted: object) -> Area:
    for area in session.document.now.areas:
        if area.number == wanted:
            return area
    raise RegionError("This region does not exist any more.")


HANDLERS = {
    "region.draw": (draw, None),
    "region.choose": (choose, None),
    "region.rename": (rename, None),
    "region.delete": (delete, None),
    "region.invert": (reshape("Invert", lambda region, message: ~region), None),
    "region.grow": (reshape("Grow", lambda region, message: region.grow(_radius(message))), None),
    "region.feather": (reshape("Feather", lambda region, message: region.feather(_radius(message))), None),
}
