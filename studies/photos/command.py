"""How near photos come by inversion and tuning, and whether edits survive it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.comparisons.inversion import table
from ganvas.comparisons.inversion.table import LOSSES, Row
from ganvas.comparisons.reconstruction import DIGITS, ReconstructionMetrics, reconstruction_metrics_for
from ganvas.comparisons.sheets import write_jpeg
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.images.datasets import open_images
from ganvas.inversion.tuning import TuningSettings
from ganvas.io.json_files import plain, write_json
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent
from ganvas.metrics.features import load_features
from studies.command import Flag, Names, Out, Photos, Threads, show_progress
from studies.files import write_text
from studies.photos import report
from studies.photos.settings import Settings, short
from studies.photos.survival import LocalEdit, edited, find_edits, generated, survived
from studies.photos.tuned import TunedPhoto, images_of_tuned, tune_all, tuned_folder

COLUMN = "perceptual + L1 + L2"
SPACES = ("z", "w", "w+")


def study(
    model: str,
    photos: Photos,
    /,
    *,
    out: Out,
    quick: Flag = False,
    count: int | None = None,
    edited: int | None = None,
    steps: int | None = None,
    tune: int | None = None,
    regions: Names | None = None,
    threads: Threads = None,
) -> list[Path]:
    """Invert and tune photos, and edit them beside generated images.

    Writes ``photos.md``, ``photos.json``, ``photos.jpg`` and ``generated.jpg``.

    Args:
        model: A generator with z, w and w+ and with named regions: a bundled name, a name of the zoo, or a file.
        quick: Four photos and few steps, which takes minutes.
        count: Number of photos (50).
        edited: Number of them that are edited (20).
        steps: Steps of inversion (300).
        tune: Steps of tuning (100).
        regions: Named regions to edit (mouth eyes).
    """
    given = {"count": count, "edited": edited, "steps": steps, "tune": tune, "regions": regions}
    return write(model, photos, out, settings_of(quick, given))


def settings_of(quick: bool, given: Mapping[str, Any]) -> Settings:
    """Return the default settings, or those of the short study, with what was given (not None) in their place."""
    default = short(Settings()) if quick else Settings()
    changes = {name: value for name, value in given.items() if value is not None}
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
    tuned = tune_all(generator, photos, pivots, tuning, weights, metrics, show_progress)
    numbers = {space: table.numbers_of(cell) for space, cell in cells.items()} | {report.TUNED: _of_tuned(tuned)}
    shown = _edited(generator, edits, pivots, [one.load(weights) for one in tuned], settings)
    network = load_features()
    found = {
        edit.name: {kind: survived(network, [part], edit) for kind, part in shown[edit.name].items()} for edit in edits
    }
    text = report.markdown(numbers, found, settings, Path(model).stem, metrics.features.name)
    tables, kept = write_text(out / "photos.md", text), out / "photos.json"
    strengths = {edit.name: edit.strength for edit in edits}
    edits_found = {name: {kind: asdict(one) for kind, one in by_kind.items()} for name, by_kind in found.items()}
    everything = {"settings": asdict(settings), "strengths": strengths, "photos": numbers, "edits": edits_found}
    write_json(kept, plain(everything, str))
    few = range(min(report.SHOWN, settings.count))
    became = {space: torch.cat(list(latent.rows(few).images(generator))) for space, latent in _latents(cells, out)}
    became[report.TUNED] = images_of_tuned(tuned[: len(few)], generator, weights)
    sheets = {"photos.jpg": report.photo_sheet(photos, became, shown), "generated.jpg": report.generated_sheet(shown)}
    return [tables, kept, *(write_jpeg(out / name, image) for name, image in sheets.items())]


def _inverted(
    generator: Generator, model: str, photos: Tensor, folder: Path, settings: Settings, metrics: ReconstructionMetrics
) -> tuple[dict[str, table.TableCell], Latent]:
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
        progress=show_progress,
    )
    return dict(zip(SPACES, cells, strict=True)), load_latent(folder / cells[-1].latent)


def _latents(cells: Mapping[str, table.TableCell], out: Path) -> list[tuple[str, Latent]]:
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
        show_progress("Editing", place + 1, len(edits))
    return shown
