"""The benchmark and the named drags from start to end: what their folder lacks is measured, then all of it is shown."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ganvas.comparisons.drag import accuracy, pairs, report, sheets, trials
from ganvas.comparisons.drag import qualitative as poster
from ganvas.comparisons.drag import qualitative_report as poster_report
from ganvas.comparisons.drag import yaw as turns
from ganvas.comparisons.drag.trials import Bench, Say
from ganvas.comparisons.records import claim_folder, plain, write_json
from ganvas.drag.session import Order, prepare
from ganvas.drag.state import Task
from ganvas.generators.protocol import about_of
from ganvas.io.files import atomic_path
from ganvas.regions import Region

COUNTS = ("drags", "pairs", "tracked", "resamples", "near", "learned")
RULES = 3  # raised with every change of what a drag does or of how it is measured, which no setting shows
ANY_DRAG = Task(((0.5, 0.5),), ((0.6, 0.5),))


def run(bench: Bench, name: str, say: Say) -> tuple[str, list[Path]]:
    """Return the benchmark's tables and the paths of what was written.

    A folder with fewer drags of the same kind goes on; raises `GanvasError` for one of another benchmark.
    """
    claim_folder(bench.folder, record(bench))
    found = report.Results(
        tuple(trials.trials(bench, say)),
        tuple(pairs.pairs(bench, say)),
        tuple(accuracy.tracker_accuracy(bench, say)),
        bench.generator.resolution,
        bench.look.name,
    )
    text = report.markdown(found, bench.settings, name)
    numbers = bench.folder / "benchmark.json"
    write_json(numbers, {**record(bench), **_machine(), "results": plain(asdict(found))})
    return text, [
        _written(bench.folder / "benchmark.md", text),
        numbers,
        *sheets.write_sheets(bench, found.trials, found.pairs),
    ]


def run_poster(bench: Bench, name: str, regions: Mapping[str, Region], count: int, say: Say) -> tuple[str, list[Path]]:
    """Return the tables of the two named drags on `count` faces, and the paths of what was written."""
    claim_folder(bench.folder, record(bench))
    found = poster.faces(bench, regions, count, say)
    turned = turns.turns_of(bench, found, regions, say)
    text = poster_report.poster_markdown(found, turned, bench.settings, name)
    numbers = bench.folder / "named.json"
    faces = plain([asdict(face) for face in found])
    write_json(numbers, {**record(bench), **_machine(), "faces": faces, "turns, degrees": turned})
    return text, [_written(bench.folder / "named.md", text), numbers, *poster_report.write_poster(bench, found)]


def record(bench: Bench) -> dict[str, Any]:
    """Return what makes two benchmarks the same: rules, generator, the settings that are used on the first image, and
    where it is computed; not how many drags there are.
    """
    settings = {name: value for name, value in asdict(bench.settings).items() if name not in COUNTS}
    generator = {"hash": about_of(bench.generator).hash, "resolution": bench.generator.resolution, "label": bench.label}
    return plain(
        {
            "rules": RULES,
            "settings": settings,
            "methods": {method: _used(bench, method) for method in bench.settings.methods},
            "generator": generator,
            "look": bench.look.name,
            "device": str(bench.generator.device),
            "threads": torch.get_num_threads(),
        }
    )


def _used(bench: Bench, method: str) -> dict[str, Any]:
    """Return the settings of a drag of the first image, to four digits: the last ones differ between machines."""
    session = bench.open(bench.settings.first_seed)
    drag, _ = prepare(session.subject, session.codes, Order(ANY_DRAG, method))
    return {name: float(f"{value:.4g}") for name, value in asdict(drag.settings).items()}


def _machine() -> dict[str, Any]:
    return {"machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}"}


def _written(path: Path, text: str) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path
