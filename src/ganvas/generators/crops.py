"""Crops of feature maps, and the crop of a coarser map that each depends on.

A 3x3 convolution reads one sample on each side, so a small crop of a fine map needs only a small crop of every coarser
one. Computed from that and cut to size, it equals the same crop of the whole map.
"""

from dataclasses import dataclass
from itertools import pairwise

HALO = 2
"""Samples of a map that the part of the next finer one depends on, beyond those under it.

Doubling by a transposed 3x3 convolution and four taps makes sample j of samples (j - 3) / 2 to (j + 2) / 2, and the 3x3
convolution after it looks one further: of 2a - 1 to 2b, what lies under [a, b) and two more on each side.
"""


@dataclass(frozen=True)
class Crop:
    """The samples [left, right) x [top, bottom) of a map."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def area(self) -> int:
        """Number of samples."""
        return (self.right - self.left) * (self.bottom - self.top)

    def within(self, size: int) -> "Crop":
        """Return the part of the crop that lies in a map of `size` samples a side."""
        return Crop(max(self.left, 0), max(self.top, 0), min(self.right, size), min(self.bottom, size))

    def inside(self, other: "Crop") -> "Crop":
        """Return the crop relative to the corner of another."""
        left, top = other.left, other.top
        return Crop(self.left - left, self.top - top, self.right - left, self.bottom - top)

    def doubled(self) -> "Crop":
        """Return the samples of the map twice as fine that cover the same place."""
        return Crop(2 * self.left, 2 * self.top, 2 * self.right, 2 * self.bottom)

    def below(self) -> "Crop":
        """Return the crop of the map half as fine that a block (doubling, then convolving) needs for this one."""
        return Crop(
            self.left // 2 - HALO, self.top // 2 - HALO, -(-self.right // 2) + HALO, -(-self.bottom // 2) + HALO
        )


def crops_below(window: Crop, sizes: list[int]) -> list[Crop]:
    """Return the crops of maps of the given `sizes`, each twice the one before; the last is `window`."""
    found = [window.within(sizes[-1])]
    for finer, size in pairwise(reversed(sizes)):
        assert finer == 2 * size
        found.append(found[-1].below().within(size))
    return found[::-1]
