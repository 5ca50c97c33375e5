"""What parts are worth: how well they overlap what a person marks, the directions that they give, borrowed parts."""

import json
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from ganvas.checkpoints.load import load
from ganvas.comparisons.estimates import Estimate, mean_estimate, median_estimate
from ganvas.comparisons.tables import table, text
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import write_image
from ganvas.io.json_files import write_json
from ganvas.parts.labels import learn_parts
from studies.command import Out, Threads, show_line
from studies.files import provenance, write_text
from studies.parts.borrowed import borrowed_sheet
from studies.parts.drawn_cats import LABELS as CAT_LABELS
from studies.parts.drawn_cats import drawn_cats
from studies.parts.labeled import read_labeled
from studies.parts.local import JUDGES, REGIONS, directions_of, locality
from studies.parts.overlap import JUDGED, overlaps, shipped, split

Step = Annotated[Literal["overlap", "directions", "borrow", "learn"], Parameter(help="What is measured or made.")]
RESAMPLES = 2000


def study(
    step: Step,
    model: str = "faces",
    /,
    *,
    out: Out,
    labeled: Path | None = None,
    threads: Threads = None,
) -> list[Path]:
    """Measure parts: their overlap with labels, the locality of their directions, borrowed parts; or learn those that
    are bundled.

    Args:
        model: The generator: faces or cats.
        labeled: A zip of labeled faces, NNN.jpg with NNN.png.
    """
    generator = load(model)
    if step == "directions":
        return _directions(generator, model, out)
    if step == "learn" and model == "cats":
        latent, labels = drawn_cats(generator)
        names = {name: [number] for number, name in enumerate(CAT_LABELS)}
        return [learn_parts(generator, latent, labels, names).save(out / "cats-labels.safetensors")]
    faces = None if labeled is None else read_labeled(labeled, generator, out / "faces")
    if step == "borrow":
        sheet, facts = borrowed_sheet(generator, model, faces)
        numbers = write_json(out / f"borrow-{model}.json", {**provenance(), "pairs": facts})
        return [write_image(out / f"borrow-{model}.png", sheet), numbers]
    if faces is None:
        raise GanvasError(f"'{step}' of {model} needs labeled faces; give their zip by --labeled.")
    if step == "learn":
        return [learn_parts(generator, *shipped(faces)).save(out / "faces-labels.safetensors")]
    found = overlaps(generator, *split(faces))
    rows = [[way, *(_cell(values.get(name)) for name in JUDGED)] for way, values in found.items()]
    return [
        write_json(out / "overlap.json", {**provenance(), "overlaps": found}),
        write_text(out / "overlap.md", table([["way", *JUDGED], *rows])),
    ]


def _cell(values: list[float] | None) -> str:
    return "" if values is None else text(mean_estimate(values))


def _directions(generator: Generator, model: str, out: Path) -> list[Path]:
    paths, rows = [], []
    out.mkdir(parents=True, exist_ok=True)
    found = directions_of(generator, out)
    for judge, region in product(JUDGES, REGIONS):
        path = out / f"directions-{model}-{region}-{judge}.json"
        if not path.is_file():
            write_json(path, {**provenance(), "ratios": locality(generator, found[region], region, judge)})
            show_line(f"{model}, {region}, judged by {judge}: done")
        paths.append(path)
        ratios = json.loads(path.read_text("utf-8"))["ratios"]
        cells = [np.array(ratios[way], float) for way in ("box", "part")]
        medians = [text(median_estimate(one, RESAMPLES)) for one in cells]
        rows.append([region, judge, *medians, text(_quotient(*cells))])
    header = ["region", "judged by", "found by box", "found by part", "box / part"]
    return [*paths, write_text(out / f"directions-{model}.md", table([header, *rows]))]


def _quotient(by_box: np.ndarray, by_part: np.ndarray) -> Estimate:
    """Return the quotient of both medians, over all directions and images; the interval resamples images."""
    random = np.random.default_rng(0)
    draws = random.integers(by_box.shape[1], size=(RESAMPLES, by_box.shape[1]))
    resampled = [np.median(by_box[:, one]) / np.median(by_part[:, one]) for one in draws]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(np.median(by_box) / np.median(by_part)), float(low), float(high))
