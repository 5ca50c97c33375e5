"""Which directions regions give, and what they depend on."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from ganvas.checkpoints.load import load, named_regions
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError
from ganvas.generators.codes import parse_layers
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.json_files import plain, write_json
from ganvas.io.shared_folder import claim_folder
from studies.command import Flag, Names, Out, Threads, show_line
from studies.files import provenance, write_text
from studies.regions import parts, sheets
from studies.regions.bench import Bench
from studies.regions.boxes import subject_of
from studies.regions.failures import failures, wide_spaces
from studies.regions.grams import find_grams
from studies.regions.plan import Plan, few_names, make_plan
from studies.regions.report import Results, markdown
from studies.regions.settings import Settings, short, thirds


def study(
    model: str,
    /,
    *,
    out: Out,
    quick: Flag = False,
    ranges: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, metavar="LAYERS", negative=())] = None,
    layers: Annotated[str | None, Parameter(metavar="LAYERS")] = None,
    regions: Names | None = None,
    subject: Literal["face", "cat"] | None = None,
    threads: Threads = None,
) -> list[Path]:
    """Measure the directions that regions give, and what they depend on: region, layers, number of images, ridge.

    Writes ``regions.md`` (tables with 95 % intervals), ``regions.json`` and a sheet of images for each part.

    Args:
        model: A generator with w+ and named regions: a bundled name, a name of the zoo, or a file.
        quick: The short study on 4 and 16 seeds and three regions, which takes ten minutes.
        ranges: Layer ranges to compare, such as 0-3 4-7 8-11; by default thirds of all layers.
        layers: Layers of all other parts; by default those that the generator recommends.
        regions: Named regions to study; by default all of the generator's.
        subject: Whose small parts to try; by default guessed from the generator's name.
    """
    generator, start = load(model), time.monotonic()
    named = named_regions(generator)
    settings = settings_for(generator, ranges, layers, quick)
    name = about_of(generator).name
    names = regions or (few_names(named) if quick else tuple(named))
    plan = make_plan(named, names, subject or subject_of(name), generator.resolution, settings)
    record = study_record(generator, plan, settings)
    claim_folder(out, record)
    found, bench = run(generator, plan, settings, out, show_line)
    facts = {**provenance(), "seconds_of_this_call": f"{time.monotonic() - start:.0f}"}
    numbers = out / "regions.json"
    write_json(numbers, {**record, **facts, "left_out": plan.reasons, "results": plain(asdict(found), str)})
    tables = write_text(out / "regions.md", markdown(found, settings, name, plan.reasons, quick))
    return [numbers, tables, *sheets.write_sheets(bench, plan, out)]


def settings_for(generator: Generator, ranges: Sequence[str] | None, layers: str | None, quick: bool) -> Settings:
    """Return the settings for a generator; raises `GanvasError`s for one without w+ and for layers that it lacks."""
    if "w+" not in generator.spaces:
        raise GanvasError(
            f"The study compares layers, and this generator has only {', '.join(generator.spaces)}; give one with w+."
        )
    chosen = tuple(ranges or thirds(generator.layers))
    recommended = layers or about_of(generator).edit_layers or chosen[len(chosen) // 2]
    for text in (*chosen, recommended):
        parse_layers(text, generator.layers)
    settings = Settings(chosen, recommended)
    return short(settings) if quick else settings


def study_record(generator: Generator, plan: Plan, settings: Settings) -> dict[str, Any]:
    """Return what makes two studies the same: settings, regions, generator."""
    described = {name: region.describe() for name, region in plan.regions.items()}
    return plain({"settings": asdict(settings), "regions": described, "generator": about_of(generator).hash}, str)


def run(generator: Generator, plan: Plan, settings: Settings, folder: Path, say: Any) -> tuple[Results, Bench]:
    """Measure all parts, whatever `folder` does not hold yet."""
    size = ReSeFa().measure(generator).resolution
    masks = {name: region.mask(size, size) for name, region in plan.regions.items()}
    grams = {}
    for space in ("w", *(wide_spaces(generator) if plan.parts else ())):
        seeds = settings.found_on if space == "w" else settings.found_on[: settings.few]
        wanted = plan.wanted(space, settings)
        place = folder / "grams"
        grams[space] = find_grams(generator, space, masks, wanted, seeds, settings.truncation, place, say)
    bench = Bench(generator, plan.regions, grams, settings, folder, say)
    names = plan.names
    found = Results(
        parts.directions_of_regions(bench, names),
        parts.layer_ranges(bench, names),
        parts.robustness(bench, names),
        parts.averages(bench, names),
        parts.ridges(bench, names),
        failures(bench, plan),
    )
    return found, bench
