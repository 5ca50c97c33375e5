"""Qualitative drags of faces, and the tracker's error."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from ganvas.checkpoints.load import load, named_regions
from ganvas.comparisons.drag.run import record
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.trials import DragBenchmark
from ganvas.generators.protocol import about_of
from ganvas.inversion.features import bundled_features
from ganvas.io.json_files import plain, write_json
from ganvas.io.progress import Progress
from ganvas.io.shared_folder import claim_folder
from ganvas.regions import Region
from studies.command import Flag, Out, Threads, show_progress
from studies.drag import accuracy, qualitative, qualitative_report, yaw
from studies.drag.settings import QUICK, DragStudySettings
from studies.files import provenance, write_text


def study(
    model: str,
    /,
    *,
    out: Out,
    quick: Flag = False,
    faces: int | None = None,
    truncation: float = 0.7,
    threads: Threads = None,
) -> list[Path]:
    """Turn faces and make them smile by DragGAN and FreeDrag: does the head turn, and what moves besides the mouth?

    Writes ``qualitative.md``, ``qualitative.json``, images and videos, and ``tracker.md``: how far the tracker that
    measures drags errs where the truth is known.

    Args:
        model: A generator of faces with named regions: a bundled name, a name of the zoo, or a file.
        quick: Four faces, which takes minutes.
        faces: Number of faces (32).
        truncation: Truncation psi of the images.
    """
    settings = QUICK if quick else DragStudySettings()
    settings = settings if faces is None else replace(settings, faces=faces)
    generator = load(model)
    drags = DragBenchmarkSettings(truncation=truncation)
    bench = DragBenchmark(generator, bundled_features(), drags, out, None)
    name = about_of(generator).name or Path(model).stem
    written = run_qualitative(bench, name, named_regions(generator), settings, show_progress)
    return [*written, write_tracker(bench, settings, show_progress)]


def run_qualitative(
    bench: DragBenchmark, name: str, regions: Mapping[str, Region], settings: DragStudySettings, progress: Progress
) -> list[Path]:
    """Do the drags that the folder lacks and write their tables, numbers and images; returns the paths."""
    claim_folder(bench.folder, record(bench))
    found = qualitative.faces(bench, regions, settings.faces, progress)
    angles = yaw.yaw_angles(bench, found, regions, settings.learned, progress)
    text = qualitative_report.markdown(found, angles, bench.settings, name)
    numbers = bench.folder / "qualitative.json"
    faces = plain([asdict(face) for face in found], str)
    write_json(numbers, {**record(bench), **provenance(), "faces": faces, "yaw, degrees": angles})
    images = qualitative_report.write_images(bench, found)
    return [write_text(bench.folder / "qualitative.md", text), numbers, *images]


def write_tracker(bench: DragBenchmark, settings: DragStudySettings, progress: Progress) -> Path:
    """Measure the tracker on images that are moved by known amounts, and write the table."""
    found = accuracy.tracker_accuracy(bench, settings.tracked, progress)
    table = accuracy.accuracy_table(found, bench.generator.resolution)
    return write_text(bench.folder / "tracker.md", f"# The tracker, where the truth is known\n\n{table}")
