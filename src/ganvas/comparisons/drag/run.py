"""The benchmark from start to end: what its folder lacks is measured, then all is written as tables and images."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ganvas.comparisons.drag import pairs, report, sheets, trials
from ganvas.comparisons.drag.settings import COMPARED
from ganvas.comparisons.drag.trials import DragBenchmark
from ganvas.drag.request import DragRequest
from ganvas.drag.run import prepare
from ganvas.generators.protocol import about_of
from ganvas.inversion.features import recorded_name
from ganvas.io.cache import exclusive
from ganvas.io.files import atomic_path
from ganvas.io.json_files import plain, write_json
from ganvas.io.progress import Progress
from ganvas.io.shared_folder import claim_folder, rank_and_count

COUNTS = ("drags", "pairs", "resamples", "near")
RULES = 5  # raised with every change of what a drag does or of how it is measured, which no setting shows
ANY_PAIR = ((0.5, 0.5), (0.6, 0.5))


def run_benchmark(bench: DragBenchmark, name: str, progress: Progress) -> tuple[str, list[Path]] | None:
    """Return the benchmark's tables and the paths of what was written.

    A folder with fewer drags of the same kind goes on; raises `GanvasError` for one of another benchmark. Several
    processes with the same folder (``torchrun``) each do a share; the first writes, the others return None.
    """
    with exclusive(bench.folder / "claim"):
        claim_folder(bench.folder, record(bench))
    dragged, paired = trials.trials(bench, progress), pairs.pairs(bench, progress)
    if rank_and_count()[0]:
        return None
    found = report.DragResults(
        tuple(dragged),
        tuple(paired),
        bench.generator.resolution,
        bench.features.name,
        "" if bench.likeness is None else bench.likeness.name,
    )
    text = report.markdown(found, bench.settings, name)
    numbers = bench.folder / "benchmark.json"
    write_json(numbers, {**record(bench), **_machine(), "results": plain(asdict(found), str)})
    return text, [
        _written(bench.folder / "benchmark.md", text),
        numbers,
        *sheets.write_sheets(bench, found.trials, found.pairs),
    ]


def record(bench: DragBenchmark) -> dict[str, Any]:
    """Return what makes two benchmarks the same: rules, generator, the settings that are used on the first image, and
    device and threads; not how many drags there are.
    """
    settings = {name: value for name, value in asdict(bench.settings).items() if name not in COUNTS}
    generator = {"hash": about_of(bench.generator).hash, "resolution": bench.generator.resolution, "label": bench.label}
    return plain(
        {
            "rules": RULES,
            "settings": settings,
            "methods": {method: _used(bench, method) for method in bench.settings.methods},
            "generator": generator,
            "features": recorded_name(bench.features),
            "likeness": None if bench.likeness is None else bench.likeness.name,
            "device": str(bench.generator.device),
            "threads": torch.get_num_threads(),
        },
        str,
    )


def _used(bench: DragBenchmark, method: str) -> dict[str, Any]:
    """Return the settings of a drag of the first image, to four digits: the last ones differ between machines."""
    session = bench.open(bench.settings.first_seed)
    drag, _ = prepare(session.context, session.codes, DragRequest((ANY_PAIR,), COMPARED[method]))
    used = asdict(drag.settings).items()
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in used}


def _machine() -> dict[str, Any]:
    return {"machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}"}


def _written(path: Path, text: str) -> Path:
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path
