"""Clusters of feature vectors, and how alike two clusterings are: pure functions of tensors."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.errors import RegionError


def spherical_kmeans(
    vectors: Float[Tensor, "n c"], count: int, seed: int = 0, steps: int = 30, restarts: int = 4
) -> Float[Tensor, "k c"]:
    """Return `count` unit vectors, of which each of the unit `vectors` is near to one: k-means by cosine.

    Of several starts drawn as k-means++ does, the one whose vectors are nearest to their centers. A center that loses
    all its vectors moves to the vector that is farthest from its own. Raises `RegionError` for fewer vectors than
    centers.
    """
    if len(vectors) < count:
        raise RegionError(f"{len(vectors)} places cannot make {count} parts; take fewer parts or more samples.")
    random = torch.Generator().manual_seed(seed)
    tried = [_climb(vectors, _spread(vectors, count, random), steps) for _ in range(restarts)]
    return max(tried, key=lambda centers: float((vectors @ centers.T).amax(1).mean()))


def _spread(vectors: Float[Tensor, "n c"], count: int, random: torch.Generator) -> Float[Tensor, "k c"]:
    """Draw centers, each with a chance in proportion to its squared distance from the nearest one before."""
    chosen = [int(torch.randint(len(vectors), (1,), generator=random))]
    distance = 1 - vectors @ vectors[chosen[0]]
    for _ in range(count - 1):
        weights = distance.clamp(min=1e-9).cpu()
        chosen.append(int(torch.multinomial(weights, 1, generator=random)))
        distance = torch.minimum(distance, 1 - vectors @ vectors[chosen[-1]])
    return vectors[chosen]


def _climb(vectors: Float[Tensor, "n c"], centers: Float[Tensor, "k c"], steps: int) -> Float[Tensor, "k c"]:
    before = None
    for _ in range(steps):
        nearest, owner = (vectors @ centers.T).max(1)
        if before is not None and torch.equal(owner, before):
            break
        before = owner
        sums = torch.zeros_like(centers).index_add_(0, owner, vectors)
        for empty in (torch.bincount(owner, minlength=len(centers)) == 0).nonzero().flatten().tolist():
            sums[empty] = vectors[int(nearest.argmin())]
            nearest[int(nearest.argmin())] = 1
        centers = sums / sums.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return centers


def adjusted_rand_index(first: Int[Tensor, "n"], second: Int[Tensor, "n"]) -> float:
    """Return how alike two clusterings of the same things are: 1 for the same, 0 on average for unrelated ones (Hubert
    and Arabie 1985, Eq. 5). The numbers of clusters need not agree.
    """
    width = int(second.max()) + 1
    table = torch.bincount(first * width + second, minlength=(int(first.max()) + 1) * width).view(-1, width).double()

    def pairs(counts: Tensor) -> float:
        return float((counts * (counts - 1) / 2).sum())

    together, rows, columns = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = rows * columns / pairs(table.sum()[None])
    highest = (rows + columns) / 2
    return 1.0 if highest == expected else (together - expected) / (highest - expected)
