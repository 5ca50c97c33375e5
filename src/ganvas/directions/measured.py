"""Settings of every method that differentiates images."""

from dataclasses import dataclass

from ganvas.directions.query import QueryMethod
from ganvas.directions.resefa import ReSeFa
from ganvas.errors.ranges import Fraction, Size


@dataclass(frozen=True, kw_only=True)
class ByDerivative(QueryMethod):
    """What counts as change, and where; the settings are those of `ganvas.ReSeFa`."""

    ignore_band: Fraction = 0.0
    resolution: Size | None = None
    channels: str = "all"

    @property
    def measuring(self) -> ReSeFa:
        """The settings of ReSeFa with the same measure and masks."""
        return ReSeFa(ignore_band=self.ignore_band, resolution=self.resolution, channels=self.channels)
