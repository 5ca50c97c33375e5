"""``ganvas demo``: directions of the bundled faces, and pages that show them at work."""

from pathlib import Path

import torch

from ganvas.checkpoints.load import named_regions
from ganvas.cli.options import Results
from ganvas.cli.show import COMMAND_LINE, progress
from ganvas.cli.types import Out
from ganvas.directions.resefa import ReSeFa
from ganvas.generators.protocol import about_of
from ganvas.images import pixels, sheets
from ganvas.latents.latent import sample
from ganvas.reports.direction_text import describe, direction_lines, direction_summary
from ganvas.reports.html import IndexEntry, index_page, number
from ganvas.reports.region_report import Edit, RegionReport, captions, compare_directions, outlined
from ganvas.reports.sheet_size import on_sheet

MODEL = "faces"
REGIONS = ("eyes", "brows", "nose", "mouth")
STRENGTHS = (-4.5, -3.0, -1.5, 0.0, 1.5, 3.0, 4.5)
FOUND_AT, SHOWN_AT, TRUNCATION, COUNT = (0, 1, 2, 3), (11, 9, 13, 28), 0.7, 5
TITLE = "Ganvas: parts of a face, changed one by one"
INTRO = (
    "For each region, the directions of the latent space that change it most and the rest of the image least. Each "
    "was found once, from four other images, and moves every image. In the middle is the original, with the region "
    "outlined; on its left and right is the strongest direction, both ways."
)


def demo(*, out: Out = Path("demo"), results: Results = Results()) -> None:
    """Find directions for eyes, brows, nose and mouth of the bundled faces, and write pages that show them at work."""
    generator = results.load(MODEL)
    method, layers = ReSeFa(), about_of(generator).edit_layers or None
    plan = method.plan(generator, "w", layers)
    found_at = sample(generator, FOUND_AT, truncation=TRUNCATION)
    shown_at = sample(generator, SHOWN_AT, truncation=TRUNCATION)
    named = {name: named_regions(generator)[name] for name in REGIONS}
    paths: list[Path] = []
    lines, entries, found = [str(plan)], [], {}
    with results.folder(out, generator) as folder, progress() as report:
        all_found = method.find(generator, found_at, named, space="w", layers=layers, count=COUNT, progress=report)
        for name, directions in all_found.items():
            edits = [Edit(one, STRENGTHS, f"{name} {index}") for index, one in enumerate(directions)]
            shown = compare_directions(generator, shown_at, edits, directions.mask, progress=report)
            facts = {**describe(directions), "memory": str(plan), "command": COMMAND_LINE.get()}
            links = {"all": "index.html"} | {other: f"{other}.html" for other in REGIONS if other != name}
            paths += [
                directions.save(folder / f"{name}.safetensors"),
                pixels.write_image(folder / f"{name}.png", shown.sheet(captions(STRENGTHS))),
                shown.write_page(folder / f"{name}.html", f"Directions of {name}", facts, links),
            ]
            lines += [f"{name}:", *direction_lines(directions)]
            entries.append(_entry(name, shown))
            found[name] = direction_summary(directions)
        paths.append(index_page(folder / "index.html", title=TITLE, intro=INTRO, entries=entries))
    lines.append(f"Open {paths[-1]} in a browser.")
    results.show("demo", lines, paths, plan=str(plan), regions=found)


def _entry(name: str, shown: RegionReport) -> IndexEntry:
    """Return the index's card of a region: its strongest direction, both ways."""
    strip = shown.strips[0]
    ends = on_sheet(strip.images[[0, -1]])
    image = sheets.strip(torch.cat([ends[:1], outlined(shown.originals[:1], shown.mask), ends[1:]]))
    text = f"Change inside to change outside, predicted: {number(strip.predicted_ratio)} (mean squares)."
    return IndexEntry(name, f"{name}.html", image, text)
