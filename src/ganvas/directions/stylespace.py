"""StyleSpace: Disentangled Controls for StyleGAN Image Generation (Wu et al., CVPR 2021).

Single channels of s as directions. By *energy* (ours, for any region): the channels whose change inside the region is
largest relative to that outside, a diagonal form of ReSeFa. By *overlap*, as published: the channels whose strongest
gradients lie in the region and not in the other regions of the image. By *examples*: the channels in which images with
an attribute differ most from the population.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ganvas.directions.direction import Directions
from ganvas.directions.jacobian import column_chunks
from ganvas.directions.jvp import Derivative
from ganvas.directions.measured import ByDerivative
from ganvas.directions.query import Query
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Positive, Rate
from ganvas.generators.protocol import Generator, HasStyles, about_of
from ganvas.io.progress import Progress, part_of
from ganvas.latents.spaces import sample_codes
from ganvas.parts.located import located
from ganvas.regions import Region
from ganvas.regions.part import Part

CELLS = 32  # height and width of the gradient maps, as published
ENOUGH, AHEAD = 0.5, 0.25  # shares of images, as published


def channel_energies(
    linear: Derivative, foreground: Float[Tensor, "1 h w"], background: Float[Tensor, "1 h w"], progress: Progress
) -> tuple[Float[Tensor, "c"], Float[Tensor, "c"]]:
    """Return the mean squared change inside and outside for each channel: the diagonals of A and B, float64."""
    inside, outside = [], []
    channels = linear.measure.channel_count
    weights = [(mask / (channels * mask.sum())).flatten().repeat(channels) for mask in (foreground, background)]
    for _, columns in column_chunks(linear, progress):
        squares = columns.square().cpu()
        inside.append(squares @ weights[0])
        outside.append(squares @ weights[1])
    return torch.cat(inside).double(), torch.cat(outside).double()


def label_map(regions: Sequence[Region | None], cells: int) -> Int[Tensor, "cells cells"]:
    """Return for each cell the region that covers most of it, by number; the last number, one above all regions', where
    none covers half.
    """
    masks = [torch.zeros(cells, cells) if one is None else one.mask(cells, cells)[0] for one in regions]
    covered, label = torch.stack(masks).max(0)
    return torch.where(covered >= 0.5, label, len(regions))


def gradient_maps(linear: Derivative, progress: Progress) -> Float[Tensor, "c h w"]:
    """Return how strongly each cell of the image answers to each channel: the mean size of its colors' gradients."""
    shape = -1, linear.measure.resolution, linear.measure.resolution
    chunks = column_chunks(linear, progress)
    return torch.cat([columns.abs().unflatten(1, shape).mean(1).cpu() for _, columns in chunks])


def overlap_scores(
    gradients: Float[Tensor, "c h w"], labels: Int[Tensor, "h w"], count: int, exponent: float = 2.0
) -> Float[Tensor, "c count"]:
    """Return for each channel and each of `count` labels ``n / o^exponent``: o cells have the label, and n of them are
    among the o cells in which the channel's gradient is largest. 0 for a label that no cell has.
    """
    order = gradients.flatten(1).argsort(dim=1, descending=True)
    flat = labels.flatten()
    scores = torch.zeros(len(gradients), count, dtype=torch.float64)
    for label in range(count):
        cells = int((flat == label).sum())
        if cells:
            strongest = flat[order[:, :cells]] == label
            scores[:, label] = strongest.sum(1) / cells**exponent
    return scores


def localized(
    winners: Sequence[Int[Tensor, "c"]], present: Sequence[Sequence[int]], label: int, count: int
) -> Float[Tensor, "c"]:
    """Return for each channel the share of the images with a label in which the label wins, where it is above half and
    a quarter above every other label's; 0 elsewhere. ``winners`` are the best labels of each channel in each image.
    """
    shares = torch.zeros(len(winners[0]), count, dtype=torch.float64)
    for other in range(count):
        images = [won for won, here in zip(winners, present, strict=True) if other in here]
        if images:
            shares[:, other] = (torch.stack(images) == other).double().mean(0)
    own = shares[:, label]
    rest = shares.clone()
    rest[:, label] = -1
    passes = (own > ENOUGH) & (own - rest.amax(1) > AHEAD)
    return torch.where(passes, own, torch.zeros_like(own))


def relevance(examples: Float[Tensor, "n c"], population: Float[Tensor, "m c"]) -> Float[Tensor, "c"]:
    """Return ``|mean| / std`` of each channel of examples with an attribute, normalized by the population: how surely
    the attribute shows in it (Wu et al., section 4.2).
    """
    mean, std = population.double().mean(0), population.double().std(0).clamp_min(1e-12)
    normalized = (examples.double() - mean) / std
    return normalized.mean(0).abs() / normalized.std(0).clamp_min(1e-12)


@checked
@dataclass(frozen=True, kw_only=True)
class StyleSpace(ByDerivative):
    """Settings of StyleSpace, a method of `ganvas.find_directions` whose directions are single channels of s.

    Args:
        score: "energy": change inside over change outside (ours); "overlap": as published, against the generator's
            other named regions; "examples": the images given have an attribute, whatever the region.
        ridge: For "energy": the share of the mean change outside that is added to each channel's, so that channels that
            change nothing are not the best.
        colors: Whether channels of layers that make colors count too.
        exponent: For "overlap": how much large regions are discounted.
        ignore_band: As in `ganvas.ReSeFa`.
        resolution: As in `ganvas.ReSeFa`.
        channels: As in `ganvas.ReSeFa`.

    Example:
        >>> import ganvas
        >>> ganvas.StyleSpace(score="overlap").exponent
        2.0

    Source: Wu et al., StyleSpace Analysis, CVPR 2021, sections 4.1 and 4.2.
    """

    name: ClassVar[str] = "stylespace"
    spaces: ClassVar[tuple[str, ...]] = ("s",)

    score: Literal["energy", "overlap", "examples"] = "energy"
    ridge: Rate = 0.1
    colors: bool = False
    exponent: Positive = 2.0

    def answer(self, query: Query) -> dict[str, Directions]:
        """Return the channels with the best scores, by region."""
        rows = query.basis.rows
        kept, found = self._kept(query.generator)[list(rows)], {}
        for name in query.regions:
            values = torch.where(kept, self._scores(query, name), 0.0)
            best = values.argsort(descending=True)[: query.count]
            best = best[values[best] > 0]
            if len(best) == 0:
                raise LatentError(f"No channel passes the published test for '{name}'; try score='energy'.")
            notes = "channels " + ", ".join(str(rows[one]) for one in best)
            vectors = F.one_hot(best, len(rows)).double()
            found[name] = query.directions(self.name, name, vectors, values[best], notes=notes)
        return found

    def _kept(self, generator: Generator) -> Bool[Tensor, "c"]:
        """Return which channels may be chosen: those of layers that make colors only where `colors` says so."""
        assert isinstance(generator, HasStyles)
        widths, makes_colors = generator.style_channels(), generator.style_makes_colors()
        return torch.cat(
            [torch.full((width,), self.colors or not one) for width, one in zip(widths, makes_colors, strict=True)]
        )

    def _scores(self, query: Query, name: str) -> Float[Tensor, "c"]:
        """Return the score of every channel that the layers feed."""
        if self.score == "energy":
            return self._energy(query, query.regions[name])
        if self.score == "overlap":
            return self._overlap(query, name)
        rows = list(query.basis.rows)
        population = sample_codes(query.generator, "s", label=query.latent.label)
        return relevance(query.codes.codes.cpu()[:, rows], population.cpu()[:, rows])

    def _energy(self, query: Query, area: Region | Part) -> Float[Tensor, "c"]:
        settings, latent = self.measuring, query.codes
        pairs = settings.masks_in(query.generator, latent, area, settings.measure(query.generator).resolution)
        energies = []
        for number, (one, pair) in enumerate(zip(latent, pairs, strict=True)):
            if pair is not None:
                linear = settings.derivative(query.generator, one, "s", query.layers)
                energies.append(channel_energies(linear, *pair, part_of(query.progress, number, len(latent))))
        inside, outside = (torch.stack(ones).mean(0) for ones in zip(*energies, strict=True))
        return inside / (outside + self.ridge * outside.mean())

    def _overlap(self, query: Query, name: str) -> Float[Tensor, "c"]:
        generator, latent = query.generator, query.codes
        known = {other: area for other, area in about_of(generator).regions.items() if other != name}
        areas = [query.regions[name], *known.values()]
        cells = min(CELLS, generator.resolution)
        settings = ReSeFa(resolution=cells)
        places = [located(generator, latent, area) for area in areas]
        winners, present = [], []
        for number, one in enumerate(latent):
            labels = label_map([place[number] for place in places], cells)
            linear = settings.derivative(generator, one, "s", query.layers)
            gradients = gradient_maps(linear, part_of(query.progress, number, len(latent)))
            winners.append(overlap_scores(gradients, labels, len(areas) + 1, self.exponent).argmax(1))
            present.append(labels.unique().tolist())
        return localized(winners, present, 0, len(areas) + 1)
