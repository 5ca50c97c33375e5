"""``ganvas parts``: what tells the parts of a generator's images apart, and a sheet of them."""

from collections.abc import Sequence
from pathlib import Path

from ganvas.cli import numbers
from ganvas.cli.options import Results
from ganvas.cli.show import progress
from ganvas.cli.types import Flag, Model, Named, Out, Seeds
from ganvas.images.pixels import write_image
from ganvas.inversion.labeled import read_labeled
from ganvas.parts.find import COUNT, SAMPLES, find_parts, typical
from ganvas.parts.labels import learn_parts
from ganvas.parts.stability import stability
from ganvas.parts.text import clusters_of
from ganvas.regions.part_files import load_parts
from ganvas.regions.part_model import CLUSTERS, PartModel
from ganvas.reports.parts_sheet import part_lines, parts_sheet

SHOWN = range(8)


def parts(
    model: Model,
    /,
    *,
    count: numbers.PartCount | None = None,
    samples: numbers.PartSamples = SAMPLES,
    feature: str | None = None,
    labels: Path | None = None,
    of: Path | None = None,
    name: Named = (),
    seeds: Seeds | None = None,
    stable: Flag = False,
    out: Out = Path("parts"),
    results: Results = Results(),
) -> None:
    """Find the parts of a generator's images, without labels or from a few, and draw them: colors and numbers.

    Writes parts.png and parts.safetensors, which ganvas models convert --parts puts into a generator's file. The parts
    are those that --region part:7 means, unless --count, --samples, --feature or --of asks for others.

    Args:
        count: How many parts; 24 by default. 8 to 24 are useful.
        samples: How many images are looked at.
        feature: The feature map that is looked at; one with about a quarter of the image's resolution by default.
        labels: A folder of label maps from which the parts are learned instead: PNG files of one number per pixel,
            seed-4.png drawn on the image of seed 4 of ganvas sample, or me.png beside the photo me.jpg.
        of: A parts.safetensors to draw and to name, instead of finding parts.
        name: Names for parts, as NAME=NUMBERS, such as eyes=3+7. May be given several times.
        seeds: The images to draw them on, such as 1,5,8-11; 0-7 by default.
        stable: Also find the parts on other samples, and print how alike the two are.
    """
    generator = results.load(model)
    with results.folder(out, generator) as folder, progress() as report:
        if of is not None:
            found = load_parts(of)
        elif labels is not None:
            found = learn_parts(generator, *read_labeled(labels, generator, report), progress=report)
        elif (count, samples, feature) == (None, SAMPLES, None):
            found = clusters_of(generator, report)
        else:
            found = find_parts(generator, count=count or COUNT, samples=samples, feature=feature, progress=report)
        found = found.named({word: _numbers(text, found) for word, text in name})
        sheet, shares = parts_sheet(generator, typical(generator, seeds or SHOWN), found)
        files = [write_image(folder / "parts.png", sheet), found.save(folder / "parts.safetensors")]
        alike = stability(generator, found, samples, report) if stable and found.kind == CLUSTERS else None
    lines = part_lines(found, shares)
    if alike is not None:
        lines += [f"found again on {samples} other samples: adjusted Rand index {alike:.2f} (1: the same parts)"]
    summary = {"parts": len(found), "shares": shares, "names": dict(found.names), "adjusted_rand_index": alike}
    results.show("parts", lines, files, **summary)


def _numbers(text: str, parts: PartModel) -> Sequence[int]:
    return [number for one in text.split("+") for number in parts.numbers(one.strip())]
