"""Local Basis: Do Not Escape From the Manifold (Choi et al., ICLR 2022).

The left singular vectors of the mapping network's derivative dw/dz at a code: the directions of w in which the prior
leads from there. It knows no region.
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
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent

TOLERANCE = 1e-3


def codes_of_prior(generator: Generator, latent: Latent) -> Float[Tensor, "n z_dim"]:
    """Return the codes z of a latent: its own, or those of its seeds, if they lead to it; raises `LatentError` for one
    of a photo or one that was edited.
    """
    if latent.space == "z":
        return latent.codes.to(generator.device)
    if latent.seeds and len(latent.seeds) == len(latent):
        z = generator.sample(list(latent.seeds))
        there = Latent(z, "z", label=latent.label, truncation=latent.truncation).to_space(generator, latent.space)
        if torch.allclose(there.codes, latent.codes.to(there.codes), atol=TOLERANCE):
            return z
    raise LatentError("Local Basis needs the codes z that lead to a latent, and this one was not sampled; give seeds.")


def mapping_gram(generator: Generator, z: Float[Tensor, "1 z_dim"], latent: Latent) -> Float[Tensor, "d d"]:
    """Return ``J J^T`` of the mapping network's derivative J = dw/dz [d, z_dim] at a code, float64."""

    def mapped(code: Tensor) -> Tensor:
        return generator.map(code[None], "w", label=latent.label, truncation=latent.truncation)[0]

    jacobian = torch.func.jacfwd(mapped)(z[0]).double().cpu()
    return jacobian @ jacobian.T


@checked
@dataclass(frozen=True, kw_only=True)
class LocalBasis(BlindMethod):
    """Local Basis, a method of `ganvas.find_directions`: the same directions for every region, the mean of several
    codes where several are given.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> ganvas.find_directions(G, ganvas.sample(G, [0]), "mouth", method=ganvas.LocalBasis(), count=2)
        Directions(2 of space w, layers 0-11, region 'mouth', method localbasis)

    Source: Choi et al., Do Not Escape From the Manifold, ICLR 2022, Eq. 4.
    """

    name: ClassVar[str] = "localbasis"
    spaces: ClassVar[tuple[str, ...]] = ("w",)

    def strongest(self, query: Query) -> tuple[Float[Tensor, "k"], Float[Tensor, "k d"]]:
        """Return all directions of w, the same for each region; their values are squared singular values."""
        codes, grams = codes_of_prior(query.generator, query.latent), []
        for number, one in enumerate(query.latent):
            grams.append(mapping_gram(query.generator, codes[number : number + 1], one))
            query.progress("Differentiating the mapping", number + 1, len(query.latent))
        return symmetric_eigh(torch.stack(grams).mean(0))
