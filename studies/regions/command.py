"""``python -m studies.regions MODEL --out DIR``: which directions regions give and what they depend on.

Writes ``regions.md`` (tables with 95 % intervals), ``regions.json`` (all numbers) and a sheet of images for each
part. What is finished is not computed again when the command is given again with the same folder.
"""

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ganvas.checkpoints.load import load, named_regions
from ganvas.comparisons.records import claim_folder, plain, write_json
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError
from ganvas.generators.codes import parse_layers
from ganvas.generators.protocol import Generator, about_of
from ganvas.io.files import atomic_path
from ganvas.io.process import keep_freed_memory
from studies.regions import parts, sheets
from studies.regions.bench import Bench
from studies.regions.boxes import SMALL_PARTS, subject_of
from studies.regions.failures import failures, wide_spaces
from studies.regions.grams import find_grams
from studies.regions.plan import Plan, few_names, make_plan
from studies.regions.report import Results, markdown
from studies.regions.settings import Settings, quick, thirds
from studies.running import run_study


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; returns the exit code."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    return run_study(lambda: write(options), options.out, options.threads)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.regions", description=__doc__)
    parser.add_argument("model", help="a generator with w+ and named regions: a bundled name, a zoo name or a file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results; give it again to go on")
    parser.add_argument("--quick", action="store_true", help="4 and 16 seeds, three regions: ten minutes")
    parser.add_argument("--ranges", nargs="+", metavar="LAYERS", help='layer ranges to compare, "0-3 4-7 8-11"; thirds')
    parser.add_argument("--layers", help="layers of all other parts; those that the generator recommends")
    parser.add_argument("--regions", nargs="+", metavar="NAME", help="named regions to study; all of the generator's")
    parser.add_argument("--subject", choices=sorted(SMALL_PARTS), help="whose small parts to try; by the name of MODEL")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    return parser


def write(options: argparse.Namespace) -> list[Path]:
    """Run what is left of the study and write its files; returns their paths."""
    generator, start = load(options.model), time.monotonic()
    named = named_regions(generator)
    settings = settings_for(generator, options.ranges, options.layers, options.quick)
    name = about_of(generator).name
    names = options.regions or (few_names(named) if options.quick else tuple(named))
    plan = make_plan(named, names, options.subject or subject_of(name), generator.resolution, settings)
    record = study_record(generator, plan, settings)
    claim_folder(options.out, record)
    found, bench = run(generator, plan, settings, options.out, lambda line: print(line, file=sys.stderr, flush=True))
    machine = f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}"
    facts = {"machine": machine, "date": datetime.now(UTC).strftime("%Y-%m-%d")}
    facts["seconds_of_this_call"] = f"{time.monotonic() - start:.0f}"
    numbers, tables = options.out / "regions.json", options.out / "regions.md"
    write_json(numbers, {**record, **facts, "left_out": plan.reasons, "results": plain(asdict(found))})
    with atomic_path(tables) as temporary:
        temporary.write_text(markdown(found, settings, name, plan.reasons, options.quick), "utf-8")
    return [numbers, tables, *sheets.write_sheets(bench, plan, options.out)]


def settings_for(generator: Generator, ranges: Sequence[str] | None, layers: str | None, short: bool) -> Settings:
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
    return quick(settings) if short else settings


def study_record(generator: Generator, plan: Plan, settings: Settings) -> dict[str, Any]:
    """Return what makes two studies the same: settings, regions, generator."""
    described = {name: region.describe() for name, region in plan.regions.items()}
    return plain({"settings": asdict(settings), "regions": described, "generator": about_of(generator).hash})


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
