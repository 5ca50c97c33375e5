"""LELSD: Locally Effective Latent Space Direction (Pajouheshgar et al. 2021, arXiv 2111.12583).

Directions optimized by gradient so that features change inside the region and not outside, at strengths as they are
used and not for small steps only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.directions.basis import Basis
from ganvas.directions.direction import Directions
from ganvas.directions.query import Query, QueryMethod
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Batch, Positive, Rate, Seed, Steps, Weight
from ganvas.generators.protocol import Generator, feature_extent
from ganvas.io.progress import part_of
from ganvas.latents.latent import Latent
from ganvas.parts.located import located
from ganvas.parts.maps import on_image

SMALLEST = 8  # pixels: in smaller maps no region can be told from the rest
HALVINGS = 4


def locality(changes: Sequence[Float[Tensor, "n _h _w"]], masks: Float[Tensor, "n 1 r r"]) -> Float[Tensor, "n"]:
    """Return ``mean over maps of sum M d / sum d``: the share of the change of features d that lies inside the mask M,
    reduced to each map's size by area.
    """
    shares = []
    for change in changes:
        inside = F.adaptive_avg_pool2d(masks, (change.shape[-2], change.shape[-1]))[:, 0]
        shares.append((inside * change).sum((1, 2)) / change.sum((1, 2)).clamp_min(1e-12))
    return torch.stack(shares).mean(0)


def correlation_penalty(vectors: Float[Tensor, "k d"]) -> Float[Tensor, ""]:
    """Return the mean size of the correlations of different directions; 0 for one."""
    if len(vectors) == 1:
        return vectors.new_zeros(())
    products = vectors @ vectors.T
    return (products - products.diag().diag()).abs().sum() / (len(vectors) * (len(vectors) - 1))


@checked
@dataclass(frozen=True, kw_only=True)
class LELSD(QueryMethod):
    """Settings of LELSD, a method of `ganvas.find_directions`.

    Args:
        steps: Steps of Adam for each region (the paper does not say how many).
        rate: Its learning rate, halved four times on the way.
        batch: Images a step.
        strength: Strengths are drawn uniformly from minus to plus this, in Euclidean distance (the paper has 3).
        smallest: Strengths smaller than this in size are not drawn.
        orthogonality: Weight of the mean correlation of different directions.
        seed: What strengths, images and the start are drawn from.

    Example:
        >>> import ganvas
        >>> ganvas.LELSD(steps=100).rate
        0.001

    Source: Pajouheshgar et al., Optimizing Latent Space Directions for GAN-based Local Image Editing, 2021, Eq. 2 to 5.
    """

    name: ClassVar[str] = "lelsd"
    spaces: ClassVar[tuple[str, ...]] = ("w", "z", "w+", "s")

    steps: Steps = 400
    rate: Rate = 1e-3
    batch: Batch = 4
    strength: Positive = 3.0
    smallest: Weight = 0.5
    orthogonality: Weight = 1.0
    seed: Seed = 0

    def answer(self, query: Query) -> dict[str, Directions]:
        """Return directions of each region, the most local first; the eigenvalues are the localities reached. A part is
        taken where it lies before the edit.
        """
        generator, found, side = query.generator, {}, query.generator.resolution
        for number, (name, area) in enumerate(query.regions.items()):
            report = part_of(query.progress, number, len(query.regions))
            places = list(enumerate(located(generator, query.latent, area)))
            masks = torch.stack([place.mask(side, side) for _, place in places if place]).to(generator.device)
            images = query.codes.rows([row for row, place in places if place])
            search = _Search(self, generator, images, query.basis, masks, query.count)
            vectors, reached = search.run(lambda done: report("Optimizing directions", done, self.steps))  # noqa: B023
            order = reached.argsort(descending=True)
            found[name] = query.directions(self.name, name, vectors[order], reached[order])
        return found


@dataclass(frozen=True, eq=False)
class _Search:
    """One region's optimization: images that have the region, with its masks [n, 1, r, r]."""

    method: LELSD
    generator: Generator
    latent: Latent
    basis: Basis
    masks: Float[Tensor, "n 1 r r"]
    count: int

    def run(self, progress: Callable[[int], None]) -> tuple[Float[Tensor, "k d"], Float[Tensor, "k"]]:
        """Return unit vectors and the mean locality of each over the last quarter of the steps."""
        method, random = self.method, torch.Generator().manual_seed(self.method.seed)
        start = F.normalize(torch.randn(self.count, self.basis.size, generator=random), dim=1)
        vectors = start.to(self.generator.device).requires_grad_()
        adam = torch.optim.Adam([vectors], lr=method.rate)
        halved = torch.optim.lr_scheduler.StepLR(adam, max(1, method.steps // (HALVINGS + 1)), 0.5)
        sums, late = torch.zeros(self.count, dtype=torch.float64), max(1, method.steps // 4)
        for step in range(method.steps):
            rows, strengths = self._draw(random)
            reached = [self._locality(vectors[i], rows, strengths) for i in range(self.count)]
            loss = method.orthogonality * correlation_penalty(F.normalize(vectors, dim=1)) - torch.stack(reached).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            halved.step()
            with torch.no_grad():
                vectors /= vectors.norm(dim=1, keepdim=True)
            if step >= method.steps - late:
                sums += torch.stack(reached).detach().cpu().double() / late
            progress(step + 1)
        return vectors.detach().cpu(), sums

    def _draw(self, random: torch.Generator) -> tuple[Int[Tensor, "b"], Float[Tensor, "b"]]:
        """Draw images and strengths of at least the smallest size."""
        method = self.method
        rows = torch.randint(len(self.latent), (method.batch,), generator=random)
        low = min(method.smallest, method.strength)
        sizes = low + (method.strength - low) * torch.rand(method.batch, generator=random)
        signs = torch.randint(0, 2, (method.batch,), generator=random) * 2 - 1
        return rows, sizes * signs

    def _locality(self, vector: Float[Tensor, "d"], rows: Tensor, strengths: Tensor) -> Float[Tensor, ""]:
        """Return how local a direction is for some images and strengths; differentiable by the vector."""
        moved = self.basis.embed(F.normalize(vector, dim=0)[None])[0]
        shares = []
        for row, strength in zip(rows.tolist(), strengths.tolist(), strict=True):
            one = self.latent.rows([row])
            painter = one.generator_for(self.generator)
            with torch.no_grad():
                before = self._maps(painter, one, one.codes.to(moved.device))
            after = self._maps(painter, one, one.codes.to(moved.device) + strength * moved)
            changes = [(b - a).square().mean(1) for a, b in zip(before, after, strict=True)]
            shares.append(locality(changes, self.masks[row : row + 1]))
        return torch.cat(shares).mean()

    def _maps(self, painter: Generator, latent: Latent, codes: Tensor) -> list[Tensor]:
        """Return the feature maps in which regions can be told apart, over the image."""
        found = painter.features(replace(latent, codes=codes), painter.feature_names)
        maps = [on_image(values.float(), feature_extent(painter, name)) for name, values in found.items()]
        return [values for values in maps if values.shape[-1] >= SMALLEST] or maps[-1:]
