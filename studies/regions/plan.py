"""Which regions and Gram matrices the study needs: the named regions, boxes around them, and the small parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganvas.errors import GanvasError, RegionError
from ganvas.regions import Region
from studies.regions.boxes import HEAD, area, box_around, small_parts, variants
from studies.regions.settings import Settings

HEAD_NAME = "head"
LARGEST = 0.6
WIDE_SPACES = ("w+", "s")
FEW = ("eyes", "nose", "mouth")
TELLING = (*FEW, "ears")


@dataclass(frozen=True)
class Plan:
    """`names` are the named regions of the study, ``parts`` the small parts with the name of their twin ("" for none),
    ``regions`` all regions by name, ``reasons`` what is left out and why.
    """

    names: tuple[str, ...]
    parts: Mapping[str, str]
    regions: Mapping[str, Region]
    reasons: tuple[str, ...]

    def wanted(self, space: str, settings: Settings) -> dict[str, list[str]]:
        """Return the regions whose Gram matrices are needed, by range of layers."""
        pairs = [pair_name(part) for part, twin in self.parts.items() if twin]
        parts = [*self.parts, *pairs, *([HEAD_NAME] if HEAD_NAME in self.regions else [])]
        if space != "w":
            return {settings.layers: list(self.parts)}
        ranges = {layers: [*self.names, *parts] for layers in settings.all_ranges}
        boxes = [
            member for name in self.names for members in variants_of(self.regions, name).values() for member in members
        ]
        return ranges | {settings.layers: list(dict.fromkeys([*self.names, *parts, *boxes]))}


def make_plan(
    named: Mapping[str, Region], names: Sequence[str], subject: str, resolution: int, settings: Settings
) -> Plan:
    """Return the plan for some of a generator's named regions; raises `GanvasError` for a name that it lacks."""
    for name in names:
        if name not in named:
            raise GanvasError(f"This generator names no region '{name}'; it has {', '.join(named) or 'none'}.")
    regions, reasons = {name: named[name] for name in names}, []
    for name in names:
        if area(box_around(named[name])) > LARGEST:
            reasons.append(f"{name}: a box around it is most of the image, so no boxes were tried.")
            continue
        found, refused = _variant_regions(name, named[name], resolution, settings)
        regions |= found
        reasons += refused
    parts, missing = small_parts(named, subject)
    twins = {}
    for name, (part, twin) in parts.items():
        regions[name] = part
        if twin is not None:
            regions[f"{name}: twin"] = twin
            regions[pair_name(name)] = part | twin
        twins[name] = f"{name}: twin" if twin is not None else ""
    if subject:
        regions[HEAD_NAME] = Region.box(*HEAD)
    return Plan(tuple(names), twins, regions, (*reasons, *missing))


def _variant_regions(
    name: str, region: Region, resolution: int, settings: Settings
) -> tuple[dict[str, Region], list[str]]:
    found: dict[str, Region] = {}
    refused = []
    for number, (kind, edges) in enumerate(variants(region, settings.amounts, settings.ways)):
        try:
            box = Region.box(*edges)
            box.split(resolution, resolution)
        except RegionError as error:
            refused.append(f"{name}, {kind}: {error}")
        else:
            found[f"{name}: {kind} ({number})"] = box
    return found, refused


def variants_of(regions: Mapping[str, Region], name: str) -> dict[str, list[str]]:
    """Return the names of a region's variants in the plan, by their kind."""
    found: dict[str, list[str]] = {}
    for known in regions:
        if known.startswith(f"{name}: ") and known.endswith(")"):
            found.setdefault(known.removeprefix(f"{name}: ").rsplit(" (", 1)[0], []).append(known)
    return found


def pair_name(part: str) -> str:
    """Return the name of a part and its twin together."""
    return f"{part}: pair"


def telling_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return four regions for sheets of several: eyes, nose, mouth and ears as far as there are such, then others."""
    return (*(name for name in TELLING if name in names), *(name for name in names if name not in TELLING))[:4]


def few_names(named: Mapping[str, Region]) -> tuple[str, ...]:
    """Return three regions for the short study: eyes, nose and mouth where there are such, else the first three."""
    default = tuple(name for name in FEW if name in named)
    return default if len(default) == len(FEW) else tuple(named)[: len(FEW)]
