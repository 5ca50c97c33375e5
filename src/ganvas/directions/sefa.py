"""SeFa: Closed-Form Factorization of Latent Semantics in GANs (Shen and Zhou, CVPR 2021).

The directions of w to which the first affine map of each layer answers most: the eigenvectors of ``A^T A`` (Eq. 5),
A the weights of the chosen layers, each row of unit length. It knows no region and needs no image.
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
from ganvas.generators.codes import parse_layers
from ganvas.generators.protocol import Generator, HasStyles


@torch.no_grad()
def affine_weights(generator: Generator, layers: tuple[int, ...]) -> Float[Tensor, "c d"]:
    """Return the weights of the affine maps from w to the styles that some layers feed, one row a channel, float64.

    The styles of the layers that make colors are left out but for the last one, as in the published code.
    """
    if not isinstance(generator, HasStyles):
        raise LatentError("SeFa reads the affine maps to a generator's styles, and this one has none.")
    width = generator.dimensions("w")[0]
    unit = torch.eye(width, device=generator.device)
    zero = generator.styles(torch.zeros(1, width, device=generator.device), "w")
    # The maps are affine, so their weights are the differences of their values, of any family.
    weights = [(one - nothing).T.double() for one, nothing in zip(generator.styles(unit, "w"), zero, strict=True)]
    last = len(weights) - 1
    chosen = [
        weight
        for index, (weight, row, color) in enumerate(
            zip(weights, generator.style_rows(), generator.style_makes_colors(), strict=True)
        )
        if row in layers and (not color or index == last)
    ]
    if not chosen:
        raise LatentError(f"Layers {layers} make colors only, which SeFa leaves out; give others.")
    return torch.cat(chosen).cpu()


def factorize_weights(weights: Float[Tensor, "c d"]) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
    """Return the eigenvalues of ``A^T A``, falling, and its eigenvectors as rows; A's rows are of unit length first."""
    rows = torch.nn.functional.normalize(weights, dim=1)
    return symmetric_eigh(rows.T @ rows)


@checked
@dataclass(frozen=True, kw_only=True)
class SeFa(BlindMethod):
    """SeFa, a method of `ganvas.find_directions` that factorizes weights: the same directions for every region. The
    published code does not sort its eigenvectors; here the strongest comes first.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> ganvas.find_directions(G, ganvas.sample(G, [0]), "mouth", method=ganvas.SeFa(), layers="4-6", count=2)
        Directions(2 of space w, layers 4-6, region 'mouth', method sefa)

    Source: Shen and Zhou, Closed-Form Factorization of Latent Semantics in GANs, CVPR 2021.
    """

    name: ClassVar[str] = "sefa"
    spaces: ClassVar[tuple[str, ...]] = ("w",)

    def strongest(self, query: Query) -> tuple[Float[Tensor, "k"], Float[Tensor, "k d"]]:
        """Return all directions of w, the same for each region."""
        layers = parse_layers(query.layers, query.generator.layers)
        return factorize_weights(affine_weights(query.generator, layers))
