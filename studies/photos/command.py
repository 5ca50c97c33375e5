"""The command of the study of photos: see ``python -m studies.photos --help``."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.comparisons.inversion import table
from ganvas.comparisons.inversion.table import LOSSES, Row
from ganvas.comparisons.reconstruction import DIGITS, ReconstructionMetrics, reconstruction_metrics_for
from ganvas.comparisons.records import plain, write_json
from ganvas.comparisons.sheets import write_jpeg
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.images.datasets import open_images
from ganvas.inversion.tuning import TuningSettings
from ganvas.io.files import atomic_path
from ganvas.io.process import keep_freed_memory
from ganvas.latents.latent import Latent, load_latent
from ganvas.metrics.features import load_features
from studies.photos import report
from studies.photos.settings import Settings, quick
from studies.photos.survival import LocalEdit, edited, find_edits, generated, survived
from studies.photos.tuned import TunedPhoto, images_of_tuned, tune_all, tuned_folder
from studies.running import run_study, tell

COLUMN = "perceptual + L1 + L2"
SPACES = ("z", "w", "w+")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; returns the exit code."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    return run_study(
        lambda: write(options.model, options.photos, options.out, settings_of(options)), options.out, options.threads
    )


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m studies.photos",
        description="How near photos come by inversion and tuning, and whether edits survive it. Given again with the "
        "same --out it goes on.",
    )
    parser.add_argument("model", help="a generator with w+ and named regions: a bundled name, a zoo name or a file")
    parser.add_argument("photos", type=Path, help="a folder or a zip of photos; some from all over it are taken")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="four photos, few steps: minutes")
    parser.add_argument("--count", type=int, help=f"photos ({default.count})")
    parser.add_argument("--edited", type=int, help=f"of them edited ({default.edited})")
    parser.add_argument("--steps", type=int, help=f"steps of inversion ({default.steps})")
    parser.add_argument("--tune", type=int, help=f"steps of tuning ({default.tune})")
    parser.add_argument("--regions", nargs="+", metavar="NAME", help=f"regions to edit ({' '.join(default.regions)})")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings that were asked for."""
    default = quick(Settings()) if options.quick else Settings()
    given = {field.name: getattr(options, field.name, None) for field in fields(Settings)}
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if value is not None
    }
    if "count" in changes and "edited" not in changes:
        changes["edited"] = min(default.edited, changes["count"])
    return replace(default, **changes)


def write(model: str, source: Path, out: Path, settings: Settings) -> list[Path]:
    """Do what is left of the study and write its files; returns their paths."""
    generator = load(model)
    if not all(space in generator.spaces for space in SPACES):
        raise GanvasError(f"The study compares z, w and w+; this generator has {', '.join(generator.spaces)}.")
    held = open_images(source, generator.resolution, fewest=settings.count)
    photos = held.batch(held.spread(settings.count))
    metrics = reconstruction_metrics_for(generator, model)
    edits = find_edits(generator, settings)
    cells, pivots = _inverted(generator, model, photos, out / "inverted", settings, metrics)
    tuning = TuningSettings(settings.tune)
    weights = tuned_folder(out, tuning)
    tuned = tune_all(generator, photos, pivots, tuning, weights, metrics, tell)
    numbers = {space: table.numbers_of(cell) for space, cell in cells.items()} | {report.TUNED: _of_tuned(tuned)}
    shown = _edited(generator, edits, pivots, [one.load(weights) for one in tuned], settings)
    network = load_features()
    found = {
        edit.name: {kind: survived(network, [part], edit) for kind, part in shown[edit.name].items()} for edit in edits
    }
    words, kept = out / "photos.md", out / "photos.json"
    with atomic_path(words) as temporary:
        temporary.write_text(
            report.markdown(numbers, found, settings, Path(model).stem, metrics.features.name), "utf-8"
        )
    strengths = {edit.name: edit.strength for edit in edits}
    edits_found = {name: {kind: asdict(one) for kind, one in by_kind.items()} for name, by_kind in found.items()}
    everything = {"settings": asdict(settings), "strengths": strengths, "photos": numbers, "edits": edits_found}
    write_json(kept, plain(everything))
    few = range(min(report.SHOWN, settings.count))
    became = {space: torch.cat(list(latent.rows(few).images(generator))) for space, latent in _latents(cells, out)}
    became[report.TUNED] = images_of_tuned(tuned[: len(few)], generator, weights)
    sheets = {"photos.jpg": report.photo_sheet(photos, became, shown), "generated.jpg": report.generated_sheet(shown)}
    return [words, kept, *(write_jpeg(out / name, image) for name, image in sheets.items())]


def _inverted(
    generator: Generator, model: str, photos: Tensor, folder: Path, settings: Settings, metrics: ReconstructionMetrics
) -> tuple[dict[str, table.Cell], Latent]:
    """Return the cells of z, w and w+, and the w+ codes."""
    rows = [Row(Path(model).stem, generator, space) for space in SPACES]
    names = [f"photo {number}" for number in range(len(photos))]
    folder.mkdir(parents=True, exist_ok=True)
    cells = table.run_table(
        rows,
        {generator.resolution: photos},
        names,
        folder,
        table.TableSettings(settings.steps),
        losses={COLUMN: LOSSES[COLUMN]},
        metrics=metrics,
        progress=tell,
    )
    return dict(zip(SPACES, cells, strict=True)), load_latent(folder / cells[-1].latent)


def _latents(cells: Mapping[str, table.Cell], out: Path) -> list[tuple[str, Latent]]:
    return [(space, load_latent(out / "inverted" / cell.latent)) for space, cell in cells.items()]


def _of_tuned(tuned: Sequence[TunedPhoto]) -> dict[str, Sequence[float]]:
    names = [name for name in (*DIGITS, "seconds") if all(getattr(one, name) is not None for one in tuned)]
    return {name: [getattr(one, name) for one in tuned] for name in names}


def _edited(
    generator: Generator, edits: Sequence[LocalEdit], pivots: Latent, tuned: Sequence[Latent], settings: Settings
) -> dict[str, dict[str, Tensor]]:
    """Return the images of every edit, by kind."""
    some = range(settings.edited)
    shown: dict[str, dict[str, Any]] = {}
    for place, edit in enumerate(edits):
        shown[edit.name] = {
            report.GENERATED: edited(generator, generated(generator, settings), edit),
            report.INVERTED: edited(generator, pivots.rows(some), edit),
            report.TUNED: torch.cat([edited(generator, tuned[row], edit) for row in some]),
        }
        tell("Editing", place + 1, len(edits))
    return shown
