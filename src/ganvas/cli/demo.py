"""``ganvas demo``: the main job on the bundled generator, and pages to look at."""

import time
from pathlib import Path

import torch

from ganvas.checkpoints.load import named_regions
from ganvas.cli.context import COMMAND_LINE
from ganvas.cli.directions import summary, table
from ganvas.cli.progress import progress
from ganvas.cli.shared import Common, layers_of, make_folder, with_seconds, wrote
from ganvas.cli.strengths import words
from ganvas.directions import resefa
from ganvas.directions.find import origin_of
from ganvas.directions.resefa import plan_search
from ganvas.directions.settings import Search
from ganvas.images import pixels, sheets
from ganvas.latents.latent import sample_latent
from ganvas.reports.html import IndexEntry, index_page, number
from ganvas.reports.region_report import Edit, RegionReport, compare_directions, describe, on_sheet, outlined

MODEL = "faces"
REGIONS = ("eyes", "brows", "nose", "mouth")
STRENGTHS = (-4.5, -3.0, -1.5, 0.0, 1.5, 3.0, 4.5)
FOUND_AT, SHOWN_AT, TRUNCATION, COUNT = (0, 1, 2, 3), (11, 9, 13, 28), 0.7, 5
INTRO = (
    "For each region, the directions of the latent space that change it most and the rest of the picture least. Each "
    "was found once, from four other pictures, and moves every picture. Here stand the original, with the region "
    "outlined, and left and right of it the strongest direction both ways."
)


def demo(*, out: Path = Path("demo"), common: Common = Common()) -> None:
    """Find directions for eyes, brows, nose and mouth of the bundled faces, and write pages that show them at work.

    Parameters
    ----------
    out
        Folder for the results; files of an earlier run there are replaced.
    common
        Options of every command.
    """
    start = time.perf_counter()
    generator = common.load(MODEL)
    search = Search(layers=layers_of(generator, "w", None), count=COUNT)
    plan = plan_search(generator, search)
    codes = sample_latent(generator, FOUND_AT, truncation=TRUNCATION).codes_for(generator, "w")
    subjects = sample_latent(generator, SHOWN_AT, truncation=TRUNCATION)
    named = {name: named_regions(generator)[name] for name in REGIONS}
    paths: list[Path] = []
    lines, entries, found = [str(plan)], [], {}
    make_folder(out)
    with progress() as report:
        origin = origin_of(generator, "resefa", FOUND_AT, TRUNCATION)
        for name, directions in resefa.find(generator, codes, named, search, origin, report).items():
            edits = [Edit(one, STRENGTHS, f"{name} {index}") for index, one in enumerate(directions)]
            shown = compare_directions(generator, subjects, edits, directions.mask, progress=report)
            facts = {**describe(directions), "memory": str(plan), "command": COMMAND_LINE.get()}
            others = {other: f"{other}.html" for other in REGIONS if other != name}
            page = shown.write_page(
                out / f"{name}.html", f"Directions of {name}", facts, {"all": "index.html", **others}
            )
            sheet = pixels.write_picture(out / f"{name}.png", shown.sheet(words(STRENGTHS)))
            paths += [directions.save(out / f"{name}.safetensors"), sheet, page]
            lines += [f"{name}:", *table(directions)]
            entries.append(_entry(name, shown))
            found[name] = summary(directions)
    title = "Ganvas: parts of a face, changed one by one"
    paths.append(index_page(out / "index.html", title=title, intro=INTRO, entries=entries))
    common.show(
        [*lines, *wrote(paths), with_seconds(start), f"Open {paths[-1]} in a browser."],
        {"command": "demo", "plan": str(plan), "files": paths, "regions": found},
    )


def _entry(name: str, shown: RegionReport) -> IndexEntry:
    """Return the index's card of a region: its strongest direction, both ways."""
    strip = shown.strips[0]
    ends = on_sheet(strip.pictures[[0, -1]])
    picture = sheets.strip(torch.cat([ends[:1], outlined(shown.originals[:1], shown.mask), ends[1:]]))
    text = f"Change inside to change outside, predicted: {number(strip.predicted_ratio)} (mean squares)."
    return IndexEntry(name, f"{name}.html", picture, text)
