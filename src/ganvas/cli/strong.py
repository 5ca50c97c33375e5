"""Options of strong edits: how an edit goes where it does not go straight."""

from dataclasses import dataclass

from cyclopts import Group, Parameter

from ganvas.cli import numbers
from ganvas.cli.types import Flag
from ganvas.directions.direction import Directions
from ganvas.edits.correct import CorrectedEdit
from ganvas.edits.follow import FollowedEdit
from ganvas.edits.straight import EditMethod
from ganvas.errors import GanvasError
from ganvas.regions import Region
from ganvas.regions.descriptions import mentions_mask
from ganvas.regions.part import Part

STRONG = Group("Strong edits", sort_key=1)


@Parameter(name="*", group=STRONG)
@dataclass(frozen=True)
class Strong:
    """How an edit goes along its direction."""

    correct: Flag = False
    """Take back on the way what changes outside the region, so that strong edits stay local."""
    follow: Flag = False
    """Find the direction anew at every step, from the image there: much slower, and less local, than --correct."""
    step: numbers.Positive | None = None
    """Length of the steps of --correct and --follow, a distance; 1 by default."""

    def method(self, found: Directions, region: Region | Part | None) -> EditMethod | None:
        """Return what was asked for, None for straight; it is for `region`, or that of the directions."""
        if not (self.correct or self.follow):
            if self.step is not None:
                raise GanvasError("--step is the length of the steps of --correct or --follow; give one of them.")
            return None
        if self.correct and self.follow:
            raise GanvasError("--correct and --follow are two ways to go along a direction; give one of them.")
        if region is None and found.mask is not None and mentions_mask(found.origin.region):
            region = Region.from_mask(found.mask)
        method = CorrectedEdit if self.correct else FollowedEdit
        return method(region) if self.step is None else method(region, self.step)
