"""Names for parts from a few labels: a linear classifier of feature maps (Zhang et al., DatasetGAN, CVPR 2021).

Theirs is an ensemble of networks of three layers on all maps; a single linear layer with a ridge does on these small
generators, and is quick, convex and small.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Integer
from torch import Tensor

from ganvas.errors import RegionError
from ganvas.errors.arguments import checked
from ganvas.generators.at_once import batches
from ganvas.generators.protocol import Generator, check_generator
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import Latent
from ganvas.parts.find import map_shapes
from ganvas.parts.maps import maps_of
from ganvas.regions.part_model import LABELS, MOST_PARTS, MapScores, PartModel

RIDGE = 1e-2  # of the squared weights, beside the mean cross-entropy
PIXELS = 2000  # of each image, drawn at random
COARSEST = 8  # pixels of the image to a sample of the coarsest map that counts
STEPS = 60
WORK = "Learning parts"


@checked
def learn_parts(
    generator: Generator,
    latent: Latent,
    labels: Integer[Tensor, "n h w"],
    names: Mapping[str, Sequence[int]] | None = None,
    *,
    progress: Progress | None = None,
) -> PartModel:
    """Learn the parts of a generator's images from label maps of a few of them.

    Args:
        generator: The generator.
        latent: The labeled images: samples, or photos that were inverted.
        labels: For each image the number of the part at each pixel, from 0, at any size of the image's shape.
        names: What the parts are called, such as {"eyes": [3]}; without a name a part has its number alone.
        progress: Called with what is done, how much of it, and how much there is.

    Returns:
        The parts. `PartModel.save` keeps them; ``ganvas models convert --parts`` puts them into a generator's file,
        and ``part:eyes`` is then found in every image.

    Raises:
        RegionError: Not one label map for each image, or fewer than two different labels.

    Example:
        >>> import ganvas, torch
        >>> G = ganvas.load("faces-dcgan")
        >>> upper = torch.zeros(1, 64, 64, dtype=torch.long)
        >>> upper[:, :32] = 1
        >>> ganvas.learn_parts(G, ganvas.sample(G, [4]), upper, {"upper": [1]})
        PartModel(2 labels of b8, b16, b32, named upper)
    """
    check_generator(generator)
    count = _check(labels, len(latent))
    side = generator.resolution
    fitting = F.interpolate(labels[:, None].double(), (side, side), mode="nearest-exact")[:, 0].long()
    features = [name for name, one in map_shapes(generator).items() if one.side * COARSEST >= side]
    places, weights = drawn_pixels(fitting, count)
    values = _values_at(generator, latent, features, places, progress or silent)
    targets = fitting.flatten(1).gather(1, places)
    std, mean = zip(*(torch.std_mean(one, (0, 1)) for one in values.values()), strict=True)
    std = [one.clamp(min=1e-6) for one in std]
    inputs = torch.cat([(one - m) / s for one, m, s in zip(values.values(), mean, std, strict=True)], dim=2)
    weight, bias = softmax_regression(inputs.flatten(0, 1), targets.flatten(), weights.flatten(), count)
    shares = weight.split([one.shape[-1] for one in values.values()], dim=1)
    maps = tuple(MapScores(*one) for one in zip(features, shares, mean, std, strict=True))
    return PartModel(LABELS, maps, bias, {}, {"labeled images": len(latent)}).named(names or {})


def _check(labels: Tensor, images: int) -> int:
    """Return the number of parts; raises `RegionError`."""
    if len(labels) != images:
        raise RegionError(f"{len(labels)} label maps do not fit {images} images; give one for each.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= MOST_PARTS:
        raise RegionError(f"Labels are numbers from 0 to {MOST_PARTS - 1}; these range from {low} to {high}.")
    if len(labels.unique()) < 2:
        raise RegionError("All pixels have one label; mark at least two parts, such as 0 for all the rest.")
    return high + 1


def drawn_pixels(
    labels: Int[Tensor, "n h w"], count: int, pixels: int = PIXELS
) -> tuple[Int[Tensor, "n p"], Float[Tensor, "n p"]]:
    """Draw pixels of each image, small parts more often, and the weights that undo that: their mean is 1."""
    random = torch.Generator().manual_seed(0)
    flat = labels.flatten(1).cpu()
    sizes = torch.stack([(flat == label).sum(1) for label in range(count)], dim=1).clamp(min=1)
    chances = sizes.gather(1, flat).double().rsqrt()
    places = torch.multinomial(chances, min(pixels, flat.shape[1]), generator=random)
    weights = 1 / chances.gather(1, places)
    return places, (weights / weights.mean()).float()


def _values_at(
    generator: Generator, latent: Latent, features: Sequence[str], places: Int[Tensor, "n p"], progress: Progress
) -> dict[str, Float[Tensor, "n p c"]]:
    """Return each map, as if enlarged to the image, at some pixels of each image."""
    side, found = generator.resolution, {name: [] for name in features}
    rows, columns = places // side, places % side
    points = torch.stack([columns, rows], dim=2) * (2 / side) + (1 / side - 1)  # the middles of pixels, in [-1, 1]
    for batch in batches(generator, len(latent)):
        maps = maps_of(generator, latent[batch], features)
        for name in features:
            grid = points[batch, None].to(maps[name])
            read = F.grid_sample(maps[name], grid, mode="bilinear", padding_mode="border", align_corners=False)
            found[name].append(read[:, :, 0].mT.cpu())
        progress(WORK, batch.stop, len(latent))
    return {name: torch.cat(values) for name, values in found.items()}


def softmax_regression(
    inputs: Float[Tensor, "m c"], targets: Int[Tensor, "m"], weights: Float[Tensor, "m"], count: int
) -> tuple[Float[Tensor, "k c"], Float[Tensor, "k"]]:
    """Return W and b that minimize ``mean(weights * cross_entropy(W x + b, target)) + RIDGE |W|^2``, by L-BFGS."""
    weight = torch.zeros(count, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(count, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        losses = F.cross_entropy(inputs @ weight.T + bias, targets, reduction="none")
        total = (losses * weights).mean() + RIDGE * weight.square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        search.step(loss)
    return weight.detach(), bias.detach()
