"""``ganvas sample``: pictures from seeds."""

import math
import time
from pathlib import Path

import torch

from ganvas import images
from ganvas.cli.progress import progress
from ganvas.cli.shared import Codes, Common, make_folder, with_seconds, wrote
from ganvas.errors import GanvasError
from ganvas.reports.region_report import captioned_sheet, on_sheet

FEWEST_COLUMNS = 4
USUAL_SEEDS = "0-15"

MOST_ON_SHEET = 1024


def sample(
    model: str,
    /,
    *,
    seeds: str | None = None,
    out: Path = Path("sample"),
    columns: int | None = None,
    codes: Codes = Codes(),
    common: Common = Common(),
) -> None:
    """Make pictures from seeds: one labelled sheet, and a latent file with their codes.

    Parameters
    ----------
    model
        A bundled name (faces) or a file of a generator.
    seeds
        Which seeds, such as 0-3 or 1,5,8-11; 0-15 by default.
    out
        Folder for the results; files of an earlier run there are replaced.
    columns
        Pictures side by side; about as many as rows by default.
    codes
        Which pictures, and how they are truncated.
    common
        Options of every command.
    """
    start = time.perf_counter()
    if columns is not None and columns < 1:
        raise GanvasError(f"{columns} columns cannot hold a picture; give at least 1, or leave --columns out.")
    generator = common.load(model)
    latent = codes.read(generator, seeds, USUAL_SEEDS)
    if len(latent) > MOST_ON_SHEET:
        raise GanvasError(
            f"{len(latent)} pictures are too many for one sheet; give at most {MOST_ON_SHEET} seeds at a time."
        )
    make_folder(out)
    pictures = []
    with progress() as report:
        for some in latent.pictures(generator):
            pictures.append(on_sheet(some))
            report("Making pictures", sum(map(len, pictures)), len(latent))
    across = min(len(latent), columns or max(FEWEST_COLUMNS, math.ceil(math.sqrt(len(latent)))))
    sheet = captioned_sheet(torch.cat(pictures), across, latent.captions)
    paths = [images.write_picture(out / "sample.png", sheet), latent.save(out / "latent.safetensors")]
    common.show(
        [*wrote(paths), with_seconds(start)],
        {"command": "sample", "generator": latent.generator, "seeds": latent.seeds, "files": paths},
    )
