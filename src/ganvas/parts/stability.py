"""Whether parts are those of the generator or of the samples that they were found on."""

import torch

from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, silent
from ganvas.parts.clusters import adjusted_rand_index
from ganvas.parts.find import cluster_parts, samples_of
from ganvas.parts.model_part import label_maps
from ganvas.regions.part_model import PartModel

CHECKED = 16


@torch.no_grad()
def stability(generator: Generator, parts: PartModel, samples: int, progress: Progress = silent) -> float:
    """Return the adjusted Rand index between parts and those that are found on as many other samples, over the pixels
    of images that neither has seen: 1 for the same parts, about 0 for unrelated ones.
    """
    other = cluster_parts(generator, samples_of(generator, samples, 1), parts.maps[0].name, len(parts), progress)
    latent = samples_of(generator, samples, 2)[:CHECKED]
    first, second = (label_maps(generator, latent, one).flatten() for one in (parts, other))
    return adjusted_rand_index(first, second)
