"""What the study measures: seeds, layers, amounts, and its short form. Knows no generator but its number of layers."""

import itertools
from dataclasses import dataclass, replace

from ganvas.errors import GanvasError
from studies.locality.study import Settings as Matching

ALL = "all"


@dataclass(frozen=True)
class Settings:
    """`found_on` are the seeds of discovery, `held_out` those that everything is measured on, `reference` those of
    unedited images for the kernel MMD; no seed is in two of them.

    ``layers`` are those of all parts but the comparison of ``ranges``, which also compares `ALL` layers. ``count`` is
    how many directions a region gets, ``compared`` how many of them a comparison takes. ``averages`` are numbers of
    images to average Gram matrices over, at most ``groups`` times each. ``amounts`` are shares of a box's sides.
    ``target`` and ``strong`` are root mean square changes inside a region (black to white is 2), ``limit`` the largest
    strength tried. ``few`` of the seeds of discovery serve the spaces that are wider than w.
    """

    ranges: tuple[str, ...]
    layers: str
    found_on: tuple[int, ...] = tuple(range(16))
    held_out: tuple[int, ...] = tuple(range(1000, 1064))
    reference: tuple[int, ...] = tuple(range(2000, 2512))
    count: int = 7
    compared: int = 3
    averages: tuple[int, ...] = (1, 4, 16)
    groups: int = 4
    amounts: tuple[float, ...] = (0.1, 0.2, 0.3)
    ways: tuple[str, ...] = ("right", "left", "down", "up")
    ridges: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    few: int = 4
    truncation: float = 0.7
    target: float = 0.1
    strong: float = 0.2
    tolerance: float = 0.02
    limit: float = 60.0
    resamples: int = 2000

    def __post_init__(self) -> None:
        seeds = [*self.found_on, *self.held_out, *self.reference]
        if len(set(seeds)) < len(seeds):
            raise GanvasError("A seed stands in two of found_on, held_out and reference; they must share none.")
        if max(self.averages) > len(self.found_on):
            raise GanvasError(
                f"An average over {max(self.averages)} images needs as many seeds of discovery; there are "
                f"{len(self.found_on)}."
            )

    @property
    def all_ranges(self) -> tuple[str, ...]:
        """Every range that a Jacobian is needed for: the compared ones, all layers, and those of the other parts."""
        return tuple(dict.fromkeys((*self.ranges, ALL, self.layers)))

    def matching(self, space: str, target: float) -> Matching:
        """Return what the measurement of one trial needs."""
        return Matching(
            found_on=(),
            seeds=self.held_out,
            truncation=self.truncation,
            space=space,
            target=target,
            tolerance=self.tolerance,
            limit=self.limit,
        )


def short(settings: Settings) -> Settings:
    """Return the study on 4 and 16 seeds, one direction a comparison: ten minutes in place of hours."""
    return replace(
        settings,
        found_on=settings.found_on[:4],
        held_out=settings.held_out[:16],
        reference=settings.reference[:128],
        compared=1,
        averages=(1, 4),
        groups=2,
        ways=("right", "down"),
        few=1,
    )


def thirds(layers: int) -> tuple[str, ...]:
    """Return three ranges of about equal length: "0-3", "4-7", "8-11" for 12 layers; fewer for fewer than three."""
    parts = min(3, layers)
    cuts = [round(part * layers / parts) for part in range(parts + 1)]
    return tuple(f"{first}-{last - 1}" for first, last in itertools.pairwise(cuts))
