"""GANSpace: Discovering Interpretable GAN Controls (Härkönen et al., NeurIPS 2020).

The principal components of codes of w; where a generator has no w, those of a feature map, carried to z by regression
(their Eq. 2). It knows no region.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.linalg import symmetric_eigh
from ganvas.directions.query import BlindMethod, Query
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Count
from ganvas.latents.spaces import sample_codes

BATCH = 64


def principal_components(samples: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
    """Return the variances along the principal components, falling, and the components as rows."""
    centered = samples.double() - samples.double().mean(0)
    return symmetric_eigh(centered.T @ centered / len(centered))


def regressed(
    activations: Float[Tensor, "n p"], codes: Float[Tensor, "n d"], count: int
) -> tuple[Float[Tensor, "k"], Float[Tensor, "k d"]]:
    """Return the variances of the strongest `count` principal components of activations, and the rows U of
    ``min ||codes - X U||``, X the coordinates of the activations in units of their std.
    """
    centered = activations.double() - activations.double().mean(0)
    u, values, _ = torch.linalg.svd(centered, full_matrices=False)
    scaled = u[:, :count] * len(u) ** 0.5
    solved = torch.linalg.lstsq(scaled, codes.double() - codes.double().mean(0)).solution
    return values[:count].square() / len(u), solved


@checked
@dataclass(frozen=True, kw_only=True)
class GANSpace(BlindMethod):
    """Settings of GANSpace, a method of `ganvas.find_directions`: the same directions for every region.

    Args:
        samples: How many codes of the prior, of the seeds from 0 on.
        feature: For generators without w: the feature map whose components are carried to z; the first by default.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> method = ganvas.GANSpace(samples=1000)
        >>> ganvas.find_directions(G, ganvas.sample(G, [0]), "mouth", method=method, count=2)
        Directions(2 of space w, layers 0-11, region 'mouth', method ganspace)

    Source: Härkönen et al., GANSpace, NeurIPS 2020.
    """

    name: ClassVar[str] = "ganspace"
    spaces: ClassVar[tuple[str, ...]] = ("w", "z")

    samples: Count = 10_000
    feature: str | None = None

    def strongest(self, query: Query) -> tuple[Float[Tensor, "k"], Float[Tensor, "k d"]]:
        """Return the principal components, the same for each region; their values are variances."""
        if query.space == "z":
            return self._of_features(query)
        return principal_components(sample_codes(query.generator, "w", self.samples, query.latent.label).cpu())

    @torch.no_grad()
    def _of_features(self, query: Query) -> tuple[Tensor, Tensor]:
        generator, given = query.generator, query.latent.label
        feature = self.feature or generator.feature_names[0]
        if feature not in generator.feature_names:
            raise LatentError(f"There is no feature map '{feature}'; there are {', '.join(generator.feature_names)}.")
        codes, maps = sample_codes(generator, "z", self.samples, given), []
        label = given if isinstance(given, int) else None
        for first in range(0, len(codes), BATCH):
            part = codes[first : first + BATCH]
            maps.append(generator.features(part, [feature], "z", label=label)[feature].float().flatten(1).cpu())
            query.progress("Sampling feature maps", first + len(part), len(codes))
        return regressed(torch.cat(maps), codes.cpu(), query.count)
