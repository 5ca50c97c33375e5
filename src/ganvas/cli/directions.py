"""``ganvas directions``: the directions that change a region."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Parameter

from ganvas.cli import numbers
from ganvas.cli.options import Results, Source
from ganvas.cli.preview import ShowRegion, known_image
from ganvas.cli.preview import show_region as preview
from ganvas.cli.show import COMMAND_LINE, progress
from ganvas.cli.types import METHOD, Layers, Model, Out, RegionText, Seeds, Space, Strengths
from ganvas.directions.find import Method, find_directions, region_of, space_for
from ganvas.directions.linalg import Ridge
from ganvas.directions.methods import method_named
from ganvas.directions.official import official_latent
from ganvas.directions.resefa import ReSeFa
from ganvas.directions.solver import MATRIX_FREE
from ganvas.directions.strengths import default_strengths
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import pixels
from ganvas.latents.latent import Latent
from ganvas.parts.located import located, settled
from ganvas.reports.direction_text import MOST_LINES, describe, direction_lines, direction_summary
from ganvas.reports.region_report import MOST_ROWS, Edit, captions, compare_directions

DEFAULT_SEEDS = range(4)


@Parameter(name="*", group=METHOD)
@dataclass(frozen=True)
class MethodOptions:
    """How to search."""

    method: Literal[
        "resefa", "lowrankgan", "stylespace", "lelsd", "panda", "sefa", "ganspace", "localbasis", "random"
    ] = "resefa"
    """resefa; of other papers lowrankgan, stylespace (channels of s), lelsd (optimized), panda (appearances of
    a part); and those that look at no
    region: sefa, ganspace, localbasis, random."""
    ranks: Literal["rpca", "spectrum"] | None = None
    """lowrankgan: ranks by robust PCA, as published (the default; minutes), or by eigenvalues, at once."""
    score: Literal["energy", "overlap", "examples"] | None = None
    """stylespace: channels by change inside over outside (the default), by overlap with the region as published, or
    those in which the images given, which have an attribute, differ from others."""
    part: Literal["region", "learned"] | None = None
    """panda: the region is the part (the default), or the learned part that is most like it."""
    optimize: numbers.Steps | None = None
    """lelsd: steps of the optimization; 400 by default."""
    ridge: numbers.Weight | None = None
    """Added to the background, as a share of its trace. By default 1e-3, in spaces w+ and s half the mean eigenvalue,
    none with --compat official."""
    ridge_of: Literal["trace", "mean"] = "trace"
    """What the ridge is a share of: the trace, or the mean eigenvalue."""
    rank: numbers.Count | None = None
    """Reduce the background to this many of its strongest directions; all by default."""
    ignore_band: numbers.Fraction = 0.0
    """Width of a band around the region that counts as neither foreground nor background, as a fraction of the image's
    smaller side."""
    band: numbers.Fraction | None = None
    """Count as background only a band of this width around the region, in the same fractions, for edits --inside it;
    all the rest by default."""
    background_weight: numbers.Fraction = 1.0
    """How much the background counts: 1 for ReSeFa, 0 for what changes the region most, whatever else it changes."""
    resolution: numbers.Size | None = None
    """Measure change at this size in pixels; the generator's own by default, at most 256."""
    channels: Literal["all", "luma"] = "all"
    """Measure change in all three colors, or in luma alone."""
    budget: numbers.Positive = 2.0
    """Memory for the Jacobian, in GiB."""
    solver: Literal["dense", "matrix-free"] | None = None
    """dense needs a derivative for each dimension of the space, matrix-free some hundred forward passes, whatever the
    space; what costs less by default."""
    compat: Literal["official"] | None = None
    """Repeat the published computation of ReSeFa: no truncation, no ridge unless given; --samples chooses images among
    those drawn from one seed (the first by default)."""

    def settings(self) -> Method:
        """Return the method for the library; raises `GanvasError` for options of another one."""
        own = {"ranks": self.ranks, "score": self.score, "part": self.part, "steps": self.optimize}
        given = {name: value for name, value in own.items() if value is not None}
        if self.method == ReSeFa.name and not given:
            return self._resefa()
        defaults = MethodOptions()
        for name in (
            "ridge",
            "rank",
            "ignore_band",
            "band",
            "background_weight",
            "resolution",
            "channels",
            "compat",
            "solver",
        ):
            if getattr(self, name) != getattr(defaults, name):
                given[name] = getattr(self, name)
        return method_named(self.method, **given)

    def _resefa(self) -> ReSeFa:
        ridge = None if self.ridge is None else Ridge(self.ridge, self.ridge_of)
        if ridge is None and self.ridge_of == "mean":
            raise GanvasError("--ridge-of mean says what --ridge is a share of; give --ridge too.")
        return ReSeFa(
            ridge,
            self.rank,
            self.ignore_band,
            self.band,
            self.background_weight,
            self.resolution,
            self.channels,
            int(self.budget * 2**30),
            self.compat,
            self.solver,
        )


def directions(
    model: Model,
    /,
    *,
    region: RegionText,
    seeds: Seeds | None = None,
    space: Space | None = None,
    layers: Layers | None = None,
    count: numbers.Count = 10,
    strength: Strengths | None = None,
    out: Out = Path("directions"),
    show_region: ShowRegion = False,
    method: MethodOptions = MethodOptions(),
    source: Source = Source(),
    results: Results = Results(),
) -> None:
    """Find the directions that change a region and leave the rest alone, averaged over several images.

    Writes directions.safetensors, directions.png and directions.html.

    Args:
        region: A name such as mouth, box:LEFT,TOP,RIGHT,BOTTOM, polygon:X,Y:X,Y:X,Y, brush:RADIUS:X,Y:X,Y, mask:FILE or
            labels:FILE:4,5, in fractions of width and height; several with + between, & for their common part, not:
            and feather:RADIUS: before one.
        seeds: Images over which the directions are averaged, such as 0-7; 0-3 by default (0 with --compat official).
        space: Space of the directions; w by default, z for generators that have no other.
        layers: Layers that will be edited, such as 4-7, or all; those that the generator recommends for the region by
            default.
        count: How many directions.
        strength: Strengths to show: start:stop:count or a list, as distances or, with s, in std; -6s:6s:7 by default.
    """
    source.refuse_seeds(seeds)
    generator = results.load(model)
    settings = method.settings()
    searched = space_for(settings, generator, space)
    wanted = region_of(generator, region)[1]  # a wrong one is refused before photos are inverted
    latent = _latent(generator, seeds, searched, method, source)
    generator = latent.generator_for(generator)
    areas = located(generator, latent.rows(range(min(len(latent), MOST_ROWS))), wanted)
    area = settled(generator, latent, wanted)
    layers, recommended = layers_of(generator, searched, layers, region), layers is None
    plan = _plan(settings, generator, searched, layers, count, len(latent))
    with results.folder(out, generator) as folder, progress() as report:
        seen = [preview(folder.path, known_image(generator, latent), area)] if show_region else []
        found = find_directions(
            generator, latent, region, method=settings, space=searched, layers=layers, count=count, progress=report
        )
        strengths = strength or default_strengths(found)
        edits = [Edit(direction, strengths, f"direction {index}") for index, direction in enumerate(found)]
        mask = found.mask if area is wanted else area.mask(generator.resolution, generator.resolution)
        masks = [None if one is None else one.mask(generator.resolution, generator.resolution) for one in areas]
        shown = compare_directions(generator, latent, edits[:MOST_LINES], mask, masks=masks, progress=report)
        found_at = {} if latent.seeds else {"found at": ", ".join(latent.captions)}
        shown_at = {"first image": latent.captions[0], "memory": " ".join(plan), "command": COMMAND_LINE.get()}
        title = f"Directions of {region.strip()[:60]}"
        paths = [
            *seen,
            found.save(folder / "directions.safetensors"),
            pixels.write_image(folder / "directions.png", shown.sheet(captions(strengths))),
            shown.write_page(folder / "directions.html", title, describe(found) | found_at | shown_at),
        ]
    about = about_of(generator)
    known = all(name.strip() in about.regions for name in region.split("+"))
    recommends = f"layers {layers}, recommended {f'for {region.strip()} ' if known else ''}by {about.name}"
    said = [recommends] if recommended and layers else []
    solver = [f"solver {found.origin.solver}"] if found.origin.solver.startswith(MATRIX_FREE) else []
    lines = [*plan, *solver, *said, *direction_lines(found)]
    results.show("directions", lines, paths, plan=" ".join(plan), **direction_summary(found))


def _plan(settings: Method, generator: Generator, space: str, layers: str | None, count: int, images: int) -> list[str]:
    """Return how a search by ReSeFa will work, in words."""
    if not isinstance(settings, ReSeFa):
        return []
    return [str(settings.choose(generator, space, layers, count=count, images=images))]


def _latent(
    generator: Generator, seeds: Sequence[int] | None, space: str, method: MethodOptions, source: Source
) -> Latent:
    """Return the images to search at: those of the seeds, or as the published ReSeFa scripts draw them."""
    if method.compat is None or source.latent is not None:
        latent = source.read(generator, seeds or DEFAULT_SEEDS, "z" if space == "z" else None)
        if latent.noise:
            raise LatentError("Directions are found with the generator's own noise maps only; this latent has others.")
        return latent
    source.refuse_with("--compat official has", label=False)
    chosen = seeds or [0]
    if len(chosen) != 1:
        raise LatentError(
            f"--compat official draws all images from one seed, but {len(chosen)} were given; give one, and --samples."
        )
    return official_latent(generator, chosen[0], source.samples or [0], space=space, label=source.label_for(generator))


def layers_of(generator: Generator, space: str, layers: str | None, region: str) -> str | None:
    """Return the layers as typed; by default those that the generator recommends for the region; None for all."""
    if layers == "all" or space == "z" or generator.layers == 0:
        return None if layers == "all" else layers
    return layers or about_of(generator).layers_for(region) or None
