"""``ganvas directions``: the directions that change a region."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ganvas.cli.context import COMMAND_LINE
from ganvas.cli.progress import progress
from ganvas.cli.shared import Codes, Common, layers_of, make_folder, parse_rows, region_of, with_seconds, wrote
from ganvas.cli.strengths import parse_strengths, usual_strengths, words
from ganvas.directions.direction import Directions, Origin
from ganvas.directions.find import find_directions, origin_of
from ganvas.directions.linalg import Ridge
from ganvas.directions.resefa import plan_search
from ganvas.directions.settings import Search
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.codes import parse_seeds, sample_normal_as_resefa
from ganvas.generators.protocol import Generator
from ganvas.images import pixels
from ganvas.latents.latent import Latent
from ganvas.reports.html import number
from ganvas.reports.region_report import Edit, compare_directions, describe

USUAL_SEEDS = "0-3"
ON_PAGE = 10


@Parameter(name="*")
@dataclass(frozen=True)
class Finding:
    """Options of the search."""

    method: Literal["resefa"] = "resefa"
    """The method."""
    ridge: float | None = None
    """What is added to the background, as a share of its trace; 1e-3 by default, none with --compat official."""
    ridge_of: Literal["trace", "mean"] = "trace"
    """What the ridge is a share of: the trace, or the mean eigenvalue."""
    rank: int | None = None
    """Cut the background to this many of its strongest directions."""
    ring: float = 0.0
    """Leave out a band around the region, as a fraction of the picture's smaller side."""
    resolution: int | None = None
    """Measure change at this size in pixels; the generator's own by default, at most 256."""
    channels: Literal["all", "luma"] = "all"
    """Measure change in all three colours, or in luma alone."""
    budget: float = 2.0
    """GiB of memory for the Jacobian."""
    compat: Literal["official"] | None = None
    """Repeat the published computation of ReSeFa: no truncation, no ridge unless given; --rows chooses pictures among
    those drawn from one seed (the first by default)."""

    def search(self, space: str, layers: str | None, count: int, latent: Latent) -> Search:
        """Return the settings for the library."""
        if not 0 < self.budget <= 1e6:
            raise GanvasError(f"A budget of {self.budget:g} GiB is not possible; give a number above 0, such as 2.")
        if self.ridge is not None and not 0 <= self.ridge < float("inf"):
            raise GanvasError(f"A ridge of {self.ridge:g} is not possible; give 0 for none, or a number such as 1e-3.")
        ridge = None if self.ridge is None else Ridge(self.ridge, self.ridge_of)
        if ridge is None and self.ridge_of == "mean":
            raise GanvasError("--ridge-of mean says what --ridge is a share of; give --ridge too.")
        return Search(
            space,
            layers,
            count,
            ridge,
            self.ring,
            self.resolution,
            self.channels,
            self.rank,
            latent.label,
            latent.truncation,
            int(self.budget * 2**30),
            self.compat,
        )


def directions(
    model: str,
    /,
    *,
    region: Annotated[str, Parameter(allow_leading_hyphen=True)],
    seeds: str | None = None,
    space: Literal["z", "w", "w+", "s"] | None = None,
    layers: str | None = None,
    count: int = 10,
    strength: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    out: Path = Path("directions"),
    finding: Finding = Finding(),
    codes: Codes = Codes(),
    common: Common = Common(),
) -> None:
    """Find the directions that change a region and leave the rest alone, averaged over several pictures.

    Writes directions.safetensors, directions.png and directions.html.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    region
        A name such as mouth, box:LEFT,TOP,RIGHT,BOTTOM, polygon:X,Y;X,Y;X,Y, brush:RADIUS:X,Y;X,Y, mask:FILE or
        labels:FILE:4,5, in fractions of width and height; several with + between, & for their common part, not:
        and feather:RADIUS: before one.
    seeds
        Pictures over which the directions are averaged, such as 0-7; 0-3 by default (0 with --compat official).
    space
        Space of the directions; w by default, z for generators that have no other.
    layers
        Layers that will be edited, such as 4-7, or all; those that the generator recommends by default.
    count
        How many directions.
    strength
        Strengths to show: start:stop:count or a list, as distances or, with s, in standard deviations; -6s:6s:7 by
        default.
    out
        Folder for the results; files of an earlier run there are replaced.
    finding
        How to search.
    codes
        Which pictures, and how they are truncated.
    common
        Options of every command.
    """
    start = time.perf_counter()
    strengths = parse_strengths(strength) if strength else ()
    generator = common.load(model)
    space = space or ("w" if "w" in generator.spaces else "z")
    name, area = region_of(generator, region)
    latent = _latent(generator, seeds, space, finding, codes)
    generator = latent.generator_for(generator)
    search = finding.search(space, layers_of(generator, space, layers), count, latent)
    plan = plan_search(generator, search)
    make_folder(out)
    with progress() as report:
        found = find_directions(
            generator,
            latent.codes_for(generator, space),
            area,
            method=finding.method,
            **{field: getattr(search, field) for field in Search.__dataclass_fields__},
            origin=_origin(generator, finding, latent, name),
            progress=report,
        )
        paths = [found.save(out / "directions.safetensors")]
        strengths = strengths or usual_strengths(found)
        edits = [Edit(one, strengths, f"direction {index}") for index, one in enumerate(found)]
        shown = compare_directions(generator, latent, edits[:ON_PAGE], found.mask, progress=report)
    paths.append(pixels.write_picture(out / "directions.png", shown.sheet(words(strengths))))
    at = {} if latent.seeds else {"found at": ", ".join(latent.captions)}
    shown_at = {"first picture": latent.captions[0], "memory": str(plan), "command": COMMAND_LINE.get()}
    paths.append(
        shown.write_page(out / "directions.html", f"Directions of {name[:60]}", describe(found) | at | shown_at)
    )
    common.show(
        [str(plan), *table(found), *wrote(paths), with_seconds(start)],
        {"command": "directions", "plan": str(plan), "files": paths, **summary(found)},
    )


def _latent(generator: Generator, seeds: str | None, space: str, finding: Finding, codes: Codes) -> Latent:
    """Return the pictures to search at: of the seeds, or as the published ReSeFa scripts draw them."""
    if finding.compat is None or codes.latent is not None:
        latent = codes.read(generator, seeds, USUAL_SEEDS, "z" if space == "z" else None)
        if latent.noise:
            raise LatentError(
                f"'{codes.latent}' has its own noise maps; directions are found with constant noise only."
            )
        return latent
    codes.refuse_beside("--compat official has", label=False)
    numbers, rows = parse_seeds("0" if seeds is None else seeds), parse_rows("0" if codes.rows is None else codes.rows)
    if len(numbers) != 1:
        raise LatentError(
            f"--compat official draws all pictures from one seed, but {len(numbers)} were given; give one, and --rows."
        )
    z = sample_normal_as_resefa(numbers[0], max(rows) + 1, generator.dimensions("z")[0])[rows]
    about = origin_of(generator, finding.method)
    latent = Latent(
        z,
        "z",
        names=tuple(f"row {row} of seed {numbers[0]}" for row in rows),
        label=codes.label_for(generator),
        generator=about.generator,
        generator_hash=about.generator_hash,
    )
    if space == "z" or generator.layers == 0:
        return latent
    return replace(latent, codes=latent.codes_for(generator, "w+"), space="w+")


def _origin(generator: Generator, finding: Finding, latent: Latent, name: str) -> Origin:
    about = origin_of(
        generator, finding.method, latent.seeds, latent.truncation, latent.truncation_layers, latent.label
    )
    return replace(about, region_name=name)


def table(found: Directions, most: int = ON_PAGE) -> list[str]:
    """Return the numbers of the strongest directions, one line each."""
    lines = ["direction  eigenvalue  predicted ratio  deviation (1s)"]
    for index, one in enumerate(list(found)[:most]):
        values = (number(one.eigenvalue), number(one.predicted_ratio), number(one.deviation))
        lines.append(f"{index:>9}  {values[0]:>10}  {values[1]:>15}  {values[2]:>14}")
    return lines


def summary(found: Directions) -> dict[str, object]:
    """Return the numbers of directions for ``--json``."""
    return {
        "region": found.origin.region_name,
        "space": found.space,
        "layers": found.layers,
        "seeds": found.origin.seeds,
        "ridge": found.origin.ridge,
        "eigenvalues": found.eigenvalues.tolist(),
        "predicted_ratios": found.predicted_ratios.tolist(),
        "deviations": found.deviations.tolist(),
    }
