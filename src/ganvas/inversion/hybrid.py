"""Domain-hybrid refinement of a photo (DHR, Cao et al. 2023, arXiv 2301.12141): what the generator cannot make is kept
as free values of a feature map, the rest is tuned for, each by its own part of the photo. Edits keep the free values.

The paper tells the two parts apart by superpixels; here those of the largest perceptual distances are free.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Fraction, Rate, Steps
from ganvas.generators.protocol import Generator
from ganvas.generators.weight_differences import with_differences
from ganvas.images import pixels
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.objective import Objective, image_terms, make_target
from ganvas.inversion.tuning import TuningSettings, tune
from ganvas.inversion.variables import LatentPoint
from ganvas.parts.find import map_shapes

WINDOW = 1 / 16  # of the width: distances are averaged over squares of this side before they are compared
WEIGHTS = LossWeights(perceptual=1.0, l2=1.0)


@checked
@dataclass(frozen=True)
class HybridSettings:
    """Settings of a hybrid refinement.

    Args:
        feature: The map with free values; None for the finest of at most a quarter of the image's width.
        share: The share of the image that the map's free values make: that of the largest perceptual distances.
        steps: Steps of Adam for the free values, as published.
        rate: Its learning rate, in standard deviations of the map.
        tuning: How the weights are tuned for the rest; the paper has 50 steps of full changes.

    Raises:
        GanvasError: A value is not possible.

    Example:
        >>> from ganvas.inversion.hybrid import HybridSettings
        >>> HybridSettings().tuning.steps
        100
    """

    feature: str | None = None
    share: Fraction = 0.2
    steps: Steps = 100
    rate: Rate = 0.09
    tuning: TuningSettings = TuningSettings()


@dataclass(frozen=True, eq=False)
class HybridPhoto:
    """A refined photo: the tuned generator, the free values [1, c, h, w] of a feature map, and where they count
    [1, 1, h, w], from 0 to 1.
    """

    generator: Generator
    space: str
    feature: str
    free: Float[Tensor, "1 c h w"]
    where: Float[Tensor, "1 1 h w"]

    def images(self, codes: Float[Tensor, "1 *code"]) -> Float[Tensor, "1 3 r r"]:
        """Return the image of codes, of the photo's own or of an edit of them; it keeps the free values. Colors that a
        generator adds up beside its maps follow the codes.
        """
        values = self.generator.features(codes, [self.feature], self.space)[self.feature]
        blended = values + self.where * (self.free - values)
        return self.generator.resume(self.feature, blended, codes, self.space)


def refine_hybrid(
    objective: Objective, pivot: LatentPoint, features: FeatureExtractor, settings: HybridSettings = HybridSettings()
) -> HybridPhoto:
    """Return a photo refined at its codes, the `pivot` [1, *code]; `objective` holds the photo and the generator.

    Raises `GanvasError` for more than one photo, and for a generator without the map.
    """
    if len(pivot.codes) != 1 or objective.target.mask is not None:
        raise GanvasError("One whole photo is refined at a time; give one code and no mask.")
    pivot, generator = pivot.detached(), objective.generator
    name = settings.feature or middle_map(generator)
    photo = objective.target.images
    with torch.no_grad():
        hard = hard_places(features, objective.images(pivot), photo, settings.share)
    rest = replace(objective, features=features, target=make_target(photo, features, 1 - hard))
    *_, tuned = tune(rest, pivot, settings.tuning)
    refined = with_differences(generator, tuned.differences)
    with torch.no_grad():
        values = refined.features(pivot.codes, [name], objective.space)[name]
    where = pixels.resize(hard, *values.shape[-2:]).clamp(0, 1)
    begun = HybridPhoto(refined, objective.space, name, values, where)
    *_, free = _fitted(begun, pivot.codes, replace(rest, target=make_target(photo, features, hard)), settings)
    return replace(begun, free=free)


def middle_map(generator: Generator) -> str:
    """Return the finest map of at most a quarter of the image's width, else the coarsest."""
    sides = {name: shape.side for name, shape in map_shapes(generator).items()}
    allowed = [name for name, side in sides.items() if side <= generator.resolution / 4]
    return allowed[-1] if allowed else next(iter(sides))


def hard_places(
    features: FeatureExtractor, image: Float[Tensor, "1 3 h w"], photo: Float[Tensor, "1 3 h w"], share: float
) -> Float[Tensor, "1 1 h w"]:
    """Return 1 at the `share` of the pixels where the image is farthest from the photo, 0 elsewhere, softly between: by
    the perceptual distance, averaged over squares.
    """
    side = photo.shape[-1]
    total = torch.zeros_like(photo[:, :1])
    for mine, other in zip(features(image), features(photo), strict=True):
        distance = (mine - other).square().sum(1, keepdim=True)
        total = total + F.interpolate(distance, (side, side), mode="bilinear", align_corners=False)
    window = 2 * round(side * WINDOW / 2) + 1
    smooth = F.avg_pool2d(total, window, 1, window // 2, count_include_pad=False)
    hard = (smooth >= smooth.flatten().quantile(1 - share)).to(photo.dtype)
    return F.avg_pool2d(hard, 3, 1, 1, count_include_pad=False)


def _fitted(
    photo: HybridPhoto, codes: Tensor, objective: Objective, settings: HybridSettings
) -> Iterator[Float[Tensor, "1 c h w"]]:
    """Yield the free values after each step of Adam, those of the start first."""
    free = photo.free.clone().requires_grad_()
    adam = torch.optim.Adam([free], lr=settings.rate * float(photo.free.std()))
    yield free.detach().clone()
    for _ in range(settings.steps):
        blended = photo.free + photo.where * (free - photo.free)
        images = photo.generator.resume(photo.feature, blended, codes, photo.space)
        values = image_terms(WEIGHTS, objective.features, objective.target, images)
        adam.zero_grad()
        WEIGHTS.total(values).sum().backward()
        adam.step()
        yield free.detach().clone()
