"""Regions by clicks: what is like the clicked place and connected to it, by the generator's features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from ganvas.errors import LatentError, RegionError
from ganvas.errors.arguments import checked, checked_as
from ganvas.errors.ranges import Range
from ganvas.generators.protocol import Generator, check_generator
from ganvas.latents.latent import Latent, as_latent
from ganvas.parts.find import default_feature, map_shapes
from ganvas.parts.maps import IMAGE, enlarged, maps_of
from ganvas.parts.refine import as_mask, refined
from ganvas.regions.part import Part
from ganvas.regions.part_model import smoothed
from ganvas.regions.region import Region
from ganvas.regions.shapes import Point, as_points

Threshold = Annotated[float, Range(0, 2)]
THRESHOLD = 0.55  # of the cosine distance; of 0.2 to 0.7 the best for mouths, eyes and noses of labeled faces
SEARCH = 0.15  # how far from the click, in fractions, its content is looked for in another image


@checked_as(RegionError)
@dataclass(frozen=True)
class Clicks:
    """Where somebody clicked.

    Args:
        inside: Points (x, y) of the region, in fractions of width and height.
        outside: Points that do not belong to it: what is more like one of them than like those inside is left out.
        threshold: How unlike the clicked place the region may be, as a cosine distance; None for 0.55.

    Raises:
        RegionError: No point, or points off the image.
    """

    inside: tuple[Point, ...]
    outside: tuple[Point, ...] = ()
    threshold: Threshold | None = None

    def __post_init__(self) -> None:
        if not self.inside:
            raise RegionError("A region by clicks needs a point in it, such as click:0.45,0.62.")
        for x, y in (*self.inside, *self.outside):
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise RegionError(f"The click {x:g},{y:g} is off the image; points are fractions from 0 to 1.")

    def __str__(self) -> str:
        def listed(points: Sequence[Point]) -> str:
            return ":".join(f"{x:g},{y:g}" for x, y in points)

        outside = f":not:{listed(self.outside)}" if self.outside else ""
        level = "" if self.threshold is None else f":{self.threshold:g}"
        return f"click:{listed(self.inside)}{outside}{level}"


class ClickFeatures:
    """The features of one image, kept for many clicks, each of which takes milliseconds.

    Args:
        generator: The generator.
        latent: One image; one of a photo that was inverted is fine.

    Attributes:
        image: The image [1, 3, h, w], about [-1, 1].

    Raises:
        LatentError: More than one image.
        RegionError: The generator has no feature map that is fine enough.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> features = ganvas.ClickFeatures(G, ganvas.sample(G, [4], truncation=0.7))
        >>> features.region([(0.5, 0.72)])
        Region(mask of 128x128 pixels (click:0.5,0.72))
    """

    @checked
    def __init__(self, generator: Generator, latent: Latent) -> None:
        if len(latent) != 1:
            raise LatentError(f"One clicks into one image; {len(latent)} were given, choose one by latent[0].")
        names = click_features(check_generator(generator))
        maps = maps_of(generator, as_latent(latent), names)
        self.image: Float[Tensor, "1 3 h w"] = maps.pop(IMAGE).cpu()
        self.features = [_unit(maps[name].cpu()) for name in names]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.image.shape[-2], self.image.shape[-1]

    @checked_as(RegionError)
    def region(
        self,
        inside: Sequence[Sequence[float | int]],
        *,
        outside: Sequence[Sequence[float | int]] = (),
        threshold: Threshold | None = None,
    ) -> Region:
        """Return what is like the clicked places and connected to them.

        Args:
            inside: Points (x, y) of the region, in fractions of width and height.
            outside: Points that do not belong to it.
            threshold: How unlike the clicked place the region may be, as a cosine distance from 0 to 2; None for
                0.55.

        Returns:
            The region in this image, at its size.

        Raises:
            RegionError: No point, points off the image, or a region that is the whole image.
        """
        clicks = Clicks(as_points(inside), as_points(outside), threshold)
        return Region.from_mask(self.mask(clicks), str(clicks))

    def mask(self, clicks: Clicks, vectors: "ClickVectors | None" = None) -> Float[Tensor, "1 h w"]:
        """Return the soft mask of clicks; `vectors` of another image look for what was clicked there."""
        found = self.vectors(clicks) if vectors is None else vectors
        points = (
            clicks.inside
            if vectors is None
            else [self.nearest(vector, point) for vector, point in zip(found.inside, clicks.inside, strict=True)]
        )
        mine = [self.distance(vector) for vector in found.inside]
        others = [self.distance(vector) for vector in found.outside]
        return self._grown(mine, others, points, THRESHOLD if clicks.threshold is None else clicks.threshold)

    def _grown(
        self, mine: list[Tensor], others: list[Tensor], points: Sequence[Point], threshold: float
    ) -> Float[Tensor, "1 h w"]:
        """Return the union of what grows from each point; the points themselves are always in it."""
        union, clicked = np.zeros(self.size, bool), np.zeros(self.size, bool)
        for distance, point in zip(mine, points, strict=True):
            inside = distance <= threshold
            for other in others:
                inside &= distance < other
            place = pixel_at(point, self.size)
            union |= connected(inside.numpy(), place)
            clicked[place] = True
        mask = as_mask(refined(self.image, torch.from_numpy(union | clicked).float()[None, None]))
        return torch.maximum(mask[0], torch.from_numpy(clicked).float())

    def vectors(self, clicks: Clicks) -> "ClickVectors":
        """Return the features at the clicked places."""
        return ClickVectors([self.at(point) for point in clicks.inside], [self.at(point) for point in clicks.outside])

    def at(self, point: Point) -> list[Tensor]:
        """Return the unit features at a point, one for each map."""
        found = []
        for values in self.features:
            row, column = pixel_at(point, values.shape[-2:])
            found.append(values[0, :, row, column])
        return found

    def distance(self, vector: list[Tensor]) -> Float[Tensor, "h w"]:
        """Return the cosine distance of each pixel from a feature: the mean over the maps."""
        alike = [
            enlarged(torch.einsum("c,nchw->nhw", one, values)[:, None], *self.size)
            for one, values in zip(vector, self.features, strict=True)
        ]
        return 1 - torch.stack(alike).mean(0)[0, 0]

    def nearest(self, vector: list[Tensor], point: Point) -> Point:
        """Return the place near a point whose features are most like `vector`."""
        height, width = self.size
        rows, columns = (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width
        away = (rows[:, None] - point[1]).square() + (columns - point[0]).square()
        distance = self.distance(vector) + torch.where(away <= SEARCH**2, 0.0, torch.inf)
        row, column = divmod(int(distance.argmin()), width)
        return float(columns[column]), float(rows[row])


@dataclass(frozen=True)
class ClickVectors:
    """The features at clicked places, for each point one vector of each map."""

    inside: list[list[Tensor]]
    outside: list[list[Tensor]]


@dataclass(frozen=True, repr=False)
class ClickPart(Part):
    """What was clicked in the first image of a latent; in the others the same content, looked for near the click."""

    clicks: Clicks

    def mask_for(self, generator: Generator, latent: Latent) -> Float[Tensor, "n 1 h w"]:
        """Return the mask in each image."""
        first = ClickFeatures(generator, latent[0])
        vectors = first.vectors(self.clicks)
        others = [ClickFeatures(generator, latent[row]).mask(self.clicks, vectors) for row in range(1, len(latent))]
        return torch.stack([first.mask(self.clicks), *others])

    def __str__(self) -> str:
        return str(self.clicks)


def click_features(generator: Generator) -> list[str]:
    """Return the feature maps that clicks compare: the one that parts are found on, and the next finer one."""
    shapes = map_shapes(generator)
    coarse = default_feature(generator, shapes)
    side = shapes[coarse].side
    finer = [name for name, one in shapes.items() if side < one.side <= 2.5 * side]
    return [coarse, *finer[:1]]


def _unit(values: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """Return a smoothed map, standardized over the image, each pixel's vector of length 1."""
    spread, mean = torch.std_mean(values, (2, 3), keepdim=True)
    return F.normalize((smoothed(values) - mean) / spread.clamp(min=1e-8), dim=1)


def pixel_at(point: Point, size: Sequence[int]) -> tuple[int, int]:
    """Return row and column of a point in fractions, at a size of (height, width)."""
    return min(int(point[1] * size[0]), size[0] - 1), min(int(point[0] * size[1]), size[1] - 1)


def connected(inside: Bool[np.ndarray, "h w"], place: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Return the connected piece of a set that holds a pixel; nothing where the pixel is not in it."""
    pieces, _ = ndimage.label(inside)
    return inside & (pieces == pieces[place])
