"""Confined edits: nothing outside a region's rim differs from the original, not by one bit.

The original is synthesized first, and its feature maps are kept. The edited latent follows; at every map F, from
coarse to fine, its change ``F1 - F0`` is kept in the core of the region, goes on harmonically to zero at the limit, and
is zero beyond, so that the next layer computes from a confined map. The finished image is treated in the same way.
"""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.find import region_of
from ganvas.edits.passes import Passes
from ganvas.edits.rim import Rim, joined, rim_around
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Fraction, Range
from ganvas.generators.protocol import Generator, check_generator
from ganvas.images.notebook import notebook_cell
from ganvas.latents.latent import Latent, as_latent
from ganvas.metrics.locality import rms_change
from ganvas.parts.located import regions_in
from ganvas.regions import Region
from ganvas.regions.part import Part

MapSize = Annotated[int, Range(0, 1_000_000, whole=True)]


@checked
@dataclass(frozen=True)
class ConfineSettings:
    """How far around its region a confined edit reaches.

    Args:
        rim: Width of the rim in fractions of the image's smaller side: around the region, the edit changes a band of
            half that width freely, fades in the next, and beyond them changes nothing. 0 for an edge without a rim.
        within: Whether the rim lies inside the region, beyond whose own edge then nothing changes. Much less of an edit
            is left in a small region.
        finest: Largest feature map in pixels that is confined; None for all, 0 for none, which composites finished
            images.

    Raises:
        GanvasError: A rim that is not from 0 to 1.
    """

    rim: Fraction = 0.1
    within: bool = False
    finest: MapSize | None = None


@dataclass(frozen=True, eq=False)
class ConfinedImages:
    """Confined edits, and how much they changed.

    Attributes:
        images: The edited images [n, 3, h, w], about [-1, 1].
        original: The images before; equal to `images` wherever `outside` is 1.
        rim: Where the images may differ: of a part, wherever it lies in one of them.
    """

    images: Float[Tensor, "n 3 h w"]
    original: Float[Tensor, "n 3 h w"]
    rim: Rim

    @property
    def outside(self) -> Float[Tensor, "1 h w"]:
        """1 where nothing differs, 0 elsewhere."""
        return self.rim.outside

    @property
    def inside_change(self) -> Float[Tensor, "n"]:
        """Root mean square change inside the region, in image units: black to white is 2."""
        return rms_change(self.images, self.original, self.rim.region)

    @property
    def outside_change(self) -> Float[Tensor, "n"]:
        """Root mean square change outside, as measured: 0."""
        return rms_change(self.images, self.original, self.outside)

    @property
    def seam(self) -> Float[Tensor, "n"]:
        """Gradient of the change in the rim over that of the original there."""
        return self.rim.seam(self.images, self.original)

    def __repr__(self) -> str:
        inside, outside, seam = (float(of.mean()) for of in (self.inside_change, self.outside_change, self.seam))
        return (
            f"ConfinedImages({len(self.images)} of {self.images.shape[-1]} px, mean change inside {inside:.3g}, "
            f"outside {outside:.3g}, seam {seam:.2f})"
        )

    def _repr_html_(self) -> str:
        return notebook_cell(self, self.images)


@dataclass(frozen=True)
class Confinement:
    """A region with its settings: where an edit that is still to come may change images."""

    inside: Region | Part | str
    settings: ConfineSettings = ConfineSettings()

    def __str__(self) -> str:
        side = "within" if self.settings.within else "around"
        return f"{self.inside}, with a rim of {self.settings.rim:g} {side} it"

    def rims(self, generator: Generator, latent: Latent) -> list[Rim]:
        """Return core and limit in each image of a latent, at the generator's size."""
        area, size = region_of(generator, self.inside)[1], generator.resolution
        regions, settings = regions_in(generator, latent, area), self.settings
        found = {id(one): rim_around(one, size, size, settings.rim, settings.within) for one in regions}
        return [found[id(one)] for one in regions]

    def images(self, generator: Generator, latent: Latent, edited: Latent) -> Float[Tensor, "n 3 h w"]:
        """Return the confined images of an edit."""
        return confine(generator, latent, edited, self.inside, settings=self.settings).images


@checked
@torch.no_grad()
def confine(
    generator: Generator,
    latent: Latent,
    edited: Latent | Sequence[Latent],
    inside: Region | Part | str | Sequence[Region | Part | str],
    *,
    settings: ConfineSettings = ConfineSettings(),
    passes: Passes | None = None,
) -> ConfinedImages:
    """Return images of edits that change nothing outside a region.

    Args:
        generator: The generator.
        latent: What was edited.
        edited: What became of it, by any edit: `edit`, `mix`, a drag, a path. Or several edits of the same latent, each
            for a region of its own; where regions overlap, a later edit changes what an earlier one made.
        inside: The region or part, as in `find_directions`, or one for each edit. Parts are found in `latent`.
        settings: Width and side of the rim.
        passes: Where the passes before the last edit are kept for the next call, of one sample; None keeps nothing.

    Returns:
        `ConfinedImages`: beyond the rim equal to ``generator.synthesize(latent)``, bit for bit. A generator whose
        feature maps cannot be changed on the way has its finished images composited.

    Raises:
        LatentError: Latents that do not fit each other or the generator, or not one region for each edit.
        RegionError: A region that is empty, not known, or with its rim covers the whole image.

    Example:
        >>> import ganvas, torch
        >>> G = ganvas.load("faces")
        >>> latent = ganvas.sample(G, [4], truncation=0.7)
        >>> confined = ganvas.confine(G, latent, ganvas.mix(G, latent, ganvas.sample(G, [9]), "middle"), "mouth")
        >>> outside = confined.outside.bool().expand(3, -1, -1)
        >>> torch.equal(confined.images[0][outside], G.synthesize(latent)[0][outside])
        True
    """
    latent = as_latent(latent)
    edits = [as_latent(one) for one in ([edited] if isinstance(edited, Latent) else edited)]
    areas = [inside] if isinstance(inside, Region | Part | str) else list(inside)
    if not edits or len(edits) != len(areas) or any(len(one) != len(latent) for one in edits):
        raise LatentError(
            f"Edits of {reprlib.repr([len(one) for one in edits])} samples and {len(areas)} regions do not fit "
            f"{len(latent)} samples: give one region for each edit, and edits of all samples."
        )
    painter = latent.generator_for(check_generator(generator))
    painters = [painter if one.tuned is latent.tuned else one.generator_for(generator) for one in edits]
    known = passes or Passes()
    blenders = [known.blenders_in(generator, Confinement(area, settings), latent) for area in areas]
    original = painter.synthesize(latent) if len(latent) > 1 else known.original(painter, latent, settings.finest)
    images = []
    for row in range(len(latent)):
        one, kept = (latent, known) if len(latent) == 1 else (latent[row], Passes())
        steps = [
            (by, to if one is latent else to[row], of_edit[row])
            for by, to, of_edit in zip(painters, edits, blenders, strict=True)
        ]
        images.append(kept.confined(painter, one, steps, settings.finest, original[[row]]))
    return ConfinedImages(torch.cat(images), original, joined([one.rim for of_edit in blenders for one in of_edit]))
