"""Options of the commands whose edits can be confined to a region."""

from dataclasses import dataclass

from cyclopts import Group, Parameter

from ganvas.cli import numbers
from ganvas.cli.types import Flag, RegionText
from ganvas.directions.find import region_of
from ganvas.edits.confine import Confinement, ConfineSettings
from ganvas.edits.rim import rim_around
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.regions import Region

CONFINED = Group("Confined edits", sort_key=1)


@Parameter(name="*", group=CONFINED)
@dataclass(frozen=True)
class Inside:
    """Where an edit may change images."""

    inside: RegionText | None = None
    """Change images inside this region only: beyond its rim not one pixel differs, not by one bit."""
    rim: numbers.Fraction | None = None
    """Width of the rim around the region, in which the change fades, in fractions of the image; 0.1 by default."""
    within: Flag = False
    """Let the change fade inside the region instead of around it, so that nothing differs beyond its own edge."""

    def confinement(self, generator: Generator) -> Confinement | None:
        """Return what was asked for, None for a free edit; raises `GanvasError` for a rim without a region, and
        `RegionError` for a region that leaves nothing outside.
        """
        if self.inside is None:
            if self.rim is not None or self.within:
                raise GanvasError("--rim and --within are about the region of --inside; give --inside REGION.")
            return None
        settings = ConfineSettings(within=self.within)
        if self.rim is not None:
            settings = ConfineSettings(self.rim, self.within)
        area = region_of(generator, self.inside)[1]
        if isinstance(area, Region):  # one that leaves nothing outside is refused before the work begins
            rim_around(area, generator.resolution, generator.resolution, settings.rim, settings.within)
        return Confinement(area, settings)
