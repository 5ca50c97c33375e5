"""Parts of a generator's images by clusters of its feature maps, without labels: spherical k-means on normalized maps
(Collins et al., Editing in Style, CVPR 2020), over samples of fixed seeds, kept in the cache folder.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError, RegionError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import PartCount, PartSamples, Seed
from ganvas.generators.at_once import batches
from ganvas.generators.labels import even_classes
from ganvas.generators.protocol import Generator, about_of, check_generator, feature_extent
from ganvas.io.cache import home
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import Latent, sample
from ganvas.parts.clusters import spherical_kmeans
from ganvas.parts.maps import maps_of
from ganvas.regions.part_files import load_parts
from ganvas.regions.part_model import CLUSTERS, MapScores, PartModel, smoothed

COUNT, SAMPLES, TRUNCATION = 24, 128, 0.7
FIRST_SEED = 1_000_000  # far from those that people try
SHARPNESS = 20.0  # logits are cosines times this
MOST_VECTORS = 65_536
SIDES = 8, 32, 64  # of the map that is clustered: at least, as a rule a quarter of the image but at most
WORK = "Finding parts"


@checked
def find_parts(
    generator: Generator,
    *,
    count: PartCount = COUNT,
    samples: PartSamples = SAMPLES,
    seed: Seed = 0,
    feature: str | None = None,
    progress: Progress | None = None,
) -> PartModel:
    """Find the parts of a generator's images by clusters of its feature maps, without labels.

    With the defaults they are found once and kept in the cache folder, so that ``part:7`` stays what it is.

    Args:
        generator: The generator.
        count: How many parts; 8 to 24 are useful.
        samples: How many images are looked at.
        seed: Which images: another seed takes others, none of them the same.
        feature: The feature map, by name; by default one with about a quarter of the image's resolution.
        progress: Called with what is done, how much of it, and how much there is.

    Returns:
        The parts, numbered from 0, the largest first.

    Raises:
        RegionError: The generator has no feature map that is fine enough.
        LatentError: There is no feature map of a name.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces-dcgan")
        >>> ganvas.find_parts(G, count=6, samples=8)
        PartModel(6 clusters of b16)
    """
    report, about = progress or silent, about_of(check_generator(generator))
    defaults = (count, samples, seed, feature) == (COUNT, SAMPLES, 0, None)
    kept = home() / "parts" / f"{about.hash[:24]}-{COUNT}.safetensors" if about.hash and defaults else None
    if kept is not None:
        with suppress(GanvasError):  # none yet, or damaged: found anew
            return load_parts(kept)
    latent = samples_of(generator, samples, seed)
    found = cluster_parts(generator, latent, feature or default_feature(generator), count, report)
    if kept is not None:
        with suppress(GanvasError):  # a folder that may only be read: found anew next time
            found.save(kept)
    return found


def samples_of(generator: Generator, count: int, seed: int = 0) -> Latent:
    """Return the samples that parts are found on; those of another seed are all others."""
    return typical(generator, range(FIRST_SEED + count * seed, FIRST_SEED + count * (seed + 1)))


def typical(generator: Generator, seeds: Sequence[int]) -> Latent:
    """Return the samples of some seeds: of all classes, and truncated where the generator has a w."""
    truncation = TRUNCATION if "w" in generator.spaces else 1.0
    return sample(generator, seeds, truncation=truncation, label=even_classes(generator, len(seeds)))


class MapShape(NamedTuple):
    """How many samples of a feature map lie along the image's width, and its channels."""

    side: float
    channels: int


def default_feature(generator: Generator, shapes: Mapping[str, MapShape] | None = None) -> str:
    """Return the feature map that is clustered: of those over the image that are as wide as a quarter of it, or as
    near to that as there are, the one with most channels (others may be colors), the last of several; raises
    `RegionError` where none has eight samples a side.
    """
    least, _, most = SIDES
    wanted = min(max(generator.resolution / 4, least), most)
    fine = {name: one for name, one in (shapes or map_shapes(generator)).items() if one.side >= least}
    if not fine:
        raise RegionError("This generator has no feature map of 8 pixels or more, so that its parts cannot be found.")
    return min(reversed(fine), key=lambda name: (abs(fine[name].side - wanted), -fine[name].channels))


def map_shapes(generator: Generator) -> dict[str, MapShape]:
    """Return the shape of each feature map, from one image."""
    maps = generator.features(samples_of(generator, 1), generator.feature_names)
    widths = {name: right - left for name, (left, _, right, _) in ((n, feature_extent(generator, n)) for n in maps)}
    return {name: MapShape(one.shape[-1] / widths[name], one.shape[1]) for name, one in maps.items()}


@torch.no_grad()
def cluster_parts(
    generator: Generator, latent: Latent, feature: str, count: int, progress: Progress = silent
) -> PartModel:
    """Return the clusters of a feature map of a latent's images."""
    flat = _vectors(generator, latent, feature, progress)
    mean, std = flat.mean(0), flat.std(0).clamp(min=1e-8)
    unit = F.normalize((flat - mean) / std)
    random = torch.Generator().manual_seed(0)
    few = unit[torch.randperm(len(unit), generator=random)[:MOST_VECTORS].to(unit.device)]
    centers = spherical_kmeans(few, count)
    sizes = torch.bincount((unit @ centers.T).argmax(1), minlength=count)
    order = sizes.argsort(descending=True, stable=True)
    shares = (sizes[order] / len(unit)).tolist()
    facts = {"samples": len(latent), "first seed": latent.seeds[0], "shares": [round(one, 4) for one in shares]}
    weight = (SHARPNESS * centers[order]).cpu()
    maps = (MapScores(feature, weight, mean.cpu(), std.cpu(), unit=True),)
    return PartModel(CLUSTERS, maps, torch.zeros(count), {}, facts)


def _vectors(generator: Generator, latent: Latent, name: str, progress: Progress) -> Float[Tensor, "n c"]:
    """Return the smoothed feature vectors at all places of all images."""
    found = []
    for batch in batches(generator, len(latent)):
        values = maps_of(generator, latent[batch], [name])[name]
        found.append(smoothed(values).flatten(2).mT.flatten(0, 1))
        progress(WORK, batch.stop, len(latent))
    return torch.cat(found)
