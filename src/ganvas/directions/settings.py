"""The settings that all methods share."""

from dataclasses import dataclass

from ganvas.directions.jacobian import DEFAULT_BUDGET
from ganvas.directions.linalg import NO_RIDGE, Ridge
from ganvas.errors import GanvasError
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Label


@dataclass(frozen=True)
class Search:
    """What to look for and how.

    ``space`` is that of the directions; ``layers`` those that will be edited ("4-7", a list, None for all); ``count``
    how many directions. ``ridge`` is added to the background (Eq. 10 of ReSeFa; None: 1e-3 of the trace, with
    ``compat`` none), ``rank`` cuts the background to its strongest directions (Eq. 12). ``ignore_band`` leaves a band
    around the region out of the background (fraction of the smaller side). ``resolution`` (None: native, at most 256)
    and ``channels`` say what of the image counts. ``label`` and ``truncation`` count for space z only. ``budget``
    bounds the bytes of J held. ``compat`` "official" repeats the published computation of ReSeFa.
    """

    space: str = "w"
    layers: Layers = None
    count: int = 10
    ridge: Ridge | None = None
    ignore_band: float = 0.0
    resolution: int | None = None
    channels: str = "all"
    rank: int | None = None
    label: Label = None
    truncation: float = 1.0
    budget: int = DEFAULT_BUDGET
    compat: str | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise GanvasError(f"{self.count} directions were asked for; ask for at least 1.")
        if self.rank is not None and self.rank < 1:
            raise GanvasError(f"A background of rank {self.rank} is empty; give at least 1, or leave rank out.")
        if self.compat not in (None, "official"):
            raise GanvasError(f"compat '{self.compat}' is not known; give 'official' or leave it out.")
        if self.rank is not None and self.ridge_used.tau == 0:
            raise GanvasError(
                "A background of low rank is singular; give a ridge above 0 (for example 1e-3) with rank."
            )
        if self.compat is not None and (self.resolution is not None or self.channels != "all"):
            raise GanvasError("compat 'official' has its own resolution and channels; leave yours out.")

    @property
    def ridge_used(self) -> Ridge:
        """The ridge to use."""
        return self.ridge or (Ridge() if self.compat is None else NO_RIDGE)
