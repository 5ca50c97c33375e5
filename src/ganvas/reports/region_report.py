"""Directions shown at work: their images, how much they change the region and the rest, as a page and as a sheet.

What the commands demo, directions and edit show comes from here. Original and edited images are compared unclamped;
the outside is all but the region.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Direction, Strength
from ganvas.edits.confine import Confinement
from ganvas.edits.move import edit
from ganvas.edits.operations import Move
from ganvas.edits.recipe import Recipe
from ganvas.edits.rim import Rim
from ganvas.edits.straight import EditMethod, Way, way_along
from ganvas.generators.codes import Layers
from ganvas.generators.protocol import Generator
from ganvas.images import pixels, sheets
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.metrics.locality import rms_change
from ganvas.reports.html import LARGEST_SIDE, DirectionStrip, ManySeeds, directions_page, number
from ganvas.reports.sheet_size import at_most, on_sheet

MOST_ROWS = 16


@dataclass(frozen=True)
class Edit:
    """One direction at several strengths, and how it is called.

    Strengths are Euclid distances or "2s"; `layers` overrides those of a direction of space w. `before` are directions
    with the strength at which each is added first, to every image. All of it together may be confined. `method` is how
    the direction is gone along, None for straight.
    """

    direction: Direction
    strengths: tuple[Strength, ...]
    label: str = ""
    layers: Layers = None
    before: tuple[tuple[Direction, Strength], ...] = ()
    confinement: Confinement | None = None
    method: EditMethod | None = None

    @property
    def lengths(self) -> tuple[float, ...]:
        """The strengths as Euclid distances."""
        return tuple(self.direction.length(strength) for strength in self.strengths)

    def way(self, generator: Generator, latent: Latent) -> Way:
        """Return the latent as a function of the distance along the direction, begun where `before` leads."""
        generator = latent.generator_for(generator)
        begun = edit(generator, latent, [one for one, _ in self.before], [amount for _, amount in self.before])
        return way_along(generator, begun, self.direction, self.layers, self.method)

    def each(
        self, generator: Generator, latent: Latent, way: Way | None = None
    ) -> Iterator[Float[Tensor, "rows 3 h w"]]:
        """Yield the images of all rows at one strength after the other, on the CPU; on their way, if it is known."""
        generator, way = latent.generator_for(generator), way or self.way(generator, latent)
        for length in self.lengths:
            if self.confinement is None:
                yield torch.cat(list(way(length).images(generator)))
            else:
                yield self.confinement.images(generator, latent, way(length)).cpu()

    @property
    def moves(self) -> list[Move]:
        """The edit at the last strength as operations of a recipe."""
        last = Move(self.direction, self.strengths[-1], self.layers, self.method)
        return [*(Move(direction, strength) for direction, strength in self.before), last]

    def recipe(self, latent: Latent) -> Recipe:
        """Return the recipe of the edit at the last strength; another number there gives any other."""
        inside = None if self.confinement is None else self.confinement.inside
        recipe = Recipe(latent) if self.confinement is None else Recipe(latent, settings=self.confinement.settings)
        for move in self.moves:
            recipe = recipe.add(move, inside)
        return recipe

    def latent(self, generator: Generator, latent: Latent, way: Way | None = None) -> Latent:
        """Return the latent of every sample at every strength, sample by sample; on their way, if it is known."""
        way = way or self.way(generator, latent)
        moved = [way(length) for length in self.lengths]
        names = [f"{sample} at {strength}" for sample in latent.captions for strength in captions(self.strengths)]
        return replace(
            latent.rows([row for row in range(len(latent)) for _ in self.strengths]),
            codes=torch.stack([one.codes for one in moved], dim=1).flatten(0, 1).cpu(),
            space=moved[0].space,
            names=tuple(names),
        )


@dataclass(frozen=True)
class RegionReport:
    """What is shown: one strip per row of the page, each with its `originals` [strips, 3, h, w], and blocks of one
    direction on many images. ``mask`` [1, h, w] is the region, None where it is not known. ``photos`` are those that
    the originals are inversions of, None where they are generated. ``limit`` [1, h, w] is where edits are confined to.
    """

    originals: Float[Tensor, "strips 3 h w"]
    mask: Float[Tensor, "1 mask_h mask_w"] | None
    strips: tuple[DirectionStrip, ...]
    many: tuple[ManySeeds, ...] = ()
    photos: Float[Tensor, "strips 3 h w"] | None = None
    limit: Float[Tensor, "1 h w"] | None = None

    def write_page(
        self, path: str | Path, title: str, facts: Mapping[str, str], links: Mapping[str, str] | None = None
    ) -> Path:
        """Write the HTML page; see `ganvas.reports.html.directions_page`."""
        return directions_page(
            path,
            title=title,
            facts=facts,
            original=self.originals[:1],
            mask=self.mask,
            limit=self.limit,
            strips=self.strips,
            many=self.many,
            links=links,
        )

    def sheet(self, strengths: Sequence[str]) -> Float[Tensor, "1 3 height width"]:
        """Return one labeled image: a row for each strip, the photo if there is one, the original with the region
        outlined, then the edits.

        `strengths` are the words above the columns.
        """
        photos = [on_sheet(photo[None]) for photo in self.photos] if self.photos is not None else []
        rows = [
            torch.cat([*photos[row : row + 1], outlined(original[None], self.mask, self.limit), on_sheet(strip.images)])
            for row, (original, strip) in enumerate(zip(self.originals, self.strips, strict=True))
        ]
        heads = ["photo", "inversion"] if photos else ["original"]
        labels = [strip.label for strip in self.strips]
        return sheets.labeled_grid(torch.cat(rows), len(heads) + len(strengths), [*heads, *strengths], labels)


def captioned_sheet(
    images: Float[Tensor, "n 3 h w"], columns: int, captions: Sequence[str]
) -> Float[Tensor, "1 3 height width"]:
    """Return one image of all, row by row, each with its caption above."""
    missing = -len(images) % columns
    filled = torch.cat([on_sheet(images), torch.ones_like(on_sheet(images[:1])).expand(missing, -1, -1, -1)])
    words = [*captions, *[""] * missing]
    starts = range(0, len(filled), columns)
    rows = [sheets.labeled_grid(filled[i : i + columns], columns, words[i : i + columns]) for i in starts]
    return torch.cat(rows, dim=2)


def outlined(
    images: Float[Tensor, "n 3 h w"],
    mask: Float[Tensor, "1 mask_h mask_w"] | None,
    limit: Float[Tensor, "1 mask_h mask_w"] | None = None,
) -> Float[Tensor, "n 3 height width"]:
    """Return images at the sheet's size with the region drawn on them, if there is one, and in orange the limit of a
    confined edit.
    """
    shown = on_sheet(images) if mask is None else sheets.outline(on_sheet(images), mask)
    return shown if limit is None else sheets.outline(shown, limit, sheets.OUTLINE_ORANGE)


def compare_directions(
    generator: Generator,
    latent: Latent,
    edits: Sequence[Edit],
    mask: Float[Tensor, "1 mask_h mask_w"] | None,
    *,
    shared: int = 1,
    masks: Sequence[Float[Tensor, "1 _mask_h _mask_w"] | None] = (),
    progress: Progress | None = None,
) -> RegionReport:
    """Show every edit on the first row of `latent`, and the first `shared` of them on its first 16 rows.

    `mask` is the region at any size of the image's shape, `masks` the same in each image, where it differs; None for
    one that lacks it. `progress` is called with what is done, how much of it, and how much there is.
    """
    generator = latent.generator_for(generator)
    latent = latent.rows(range(min(len(latent), MOST_ROWS)))
    first = latent.rows([0])
    original = next(first.images(generator))
    # Of the same batch as the edits: another batch size changes the last digits, and no change shall be exactly 0.
    originals = generator.synthesize(latent).cpu() if len(latent) > 1 and shared else original
    regions = None if mask is None else _on_each(originals, masks or [mask] * len(originals))
    strips, many = [], []
    for done, one in enumerate(edits, start=1):
        wide = done <= shared and len(latent) > 1
        rows = list[Tensor]()
        images = _kept(one.each(generator, latent if wide else first), rows)
        strips.append(make_strip(one, images, originals[:1] if wide else original, mask))
        if wide:
            names, shown = latent.seeds or latent.captions, torch.stack(rows, dim=1)
            many.append(ManySeeds(one.label, names, one.lengths, shown, regions))
        if progress:
            progress("Drawing edits", done, len(edits))
    photos = None if first.photo is None else first.photo.images.expand(len(strips), -1, -1, -1)
    return RegionReport(original.expand(len(strips), -1, -1, -1), mask, tuple(strips), tuple(many), photos)


def _on_each(
    images: Float[Tensor, "rows 3 h w"], masks: Sequence[Float[Tensor, "1 mask_h mask_w"] | None]
) -> Float[Tensor, "rows 3 height width"]:
    """Return images at the sheet's size with the region of each drawn on it."""
    few = masks[: len(images)]
    return torch.cat([outlined(image[None], mask) for image, mask in zip(images, few, strict=True)])


def _kept(series: Iterator[Float[Tensor, "rows 3 h w"]], rows: list[Tensor]) -> Iterator[Float[Tensor, "1 3 h w"]]:
    """Yield the first row of each batch of a series, and add all of them to `rows`, at the size of pages."""
    for images in series:
        rows.append(at_most(images, LARGEST_SIDE))
        yield images[:1]


def make_strip(
    one: Edit,
    images: Iterable[Float[Tensor, "1 3 h w"]],
    original: Float[Tensor, "1 3 h w"],
    mask: Float[Tensor, "1 mask_h mask_w"] | None,
    label: str = "",
    rim: Rim | None = None,
) -> DirectionStrip:
    """Return a strip of images at the size of pages, with the root mean square change inside and outside the region
    under each, measured at their own size; one image at a time is in memory. Of edits that are confined by a `rim`,
    the outside lies beyond it, and the seam is measured too.
    """
    height, width = original.shape[-2:]
    region = torch.ones(1, height, width) if mask is None else pixels.resize(mask[None], height, width)[0].clamp(0, 1)
    beyond = 1 - region if rim is None else rim.outside
    shown, inside, outside, seam = [], [], [], []
    for image in images:
        shown.append(at_most(image, LARGEST_SIDE))
        inside.append(float(rms_change(image, original, region)))
        outside.append(math.nan if mask is None else float(rms_change(image, original, beyond)))
        seam += [] if rim is None else [float(rim.seam(image, original))]
    return DirectionStrip(
        label or one.label,
        one.direction.eigenvalue,
        one.direction.predicted_ratio,
        one.lengths,
        torch.cat(shown),
        tuple(inside),
        None if mask is None else tuple(outside),
        None if rim is None else tuple(seam),
    )


def captions(strengths: Sequence[Strength]) -> list[str]:
    """Write strengths as captions: "+3", "0", "−2s"."""
    texts = []
    for strength in strengths:
        unit = "s" if isinstance(strength, str) else ""
        value = float(str(strength).removesuffix("s"))
        texts.append("0" if value == 0 else number(value, signed=True) + unit)
    return texts
