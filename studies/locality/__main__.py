"""``python -m studies.locality MODEL --out out/locality``: runs the study, writes numbers, tables, image.

What is finished is not computed again when the command is given again with the same folder.
"""

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from ganvas.checkpoints.load import load, named_regions
from ganvas.comparisons.records import write_json
from ganvas.errors import GanvasError
from ganvas.generators.protocol import about_of
from ganvas.io.files import atomic_path
from studies.locality import report, study
from studies.running import run_study

REGIONS = ("eyes", "brows", "nose", "mouth", "ears")
"""Of these, the ones that a generator has."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m studies.locality", description=__doc__)
    parser.add_argument("model", nargs="?", default="faces", help="a bundled name or a file; with named regions")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results; give it again to go on")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    options = parser.parse_args(arguments)
    return run_study(lambda: write(options.model, options.out), options.out, options.threads)


def write(model: str, folder: Path) -> list[Path]:
    """Run what is left of the study, in the layers that the generator recommends; write its three files into `folder`
    and return their paths.
    """
    generator = load(model)
    settings = study.Settings(layers=about_of(generator).edit_layers or None)
    named = named_regions(generator)
    chosen = {name: named[name] for name in REGIONS if name in named}
    if not chosen:
        raise GanvasError(f"'{model}' has none of the regions {', '.join(REGIONS)}; name some: ganvas models convert.")
    trials, cells = study.run(generator, chosen, settings, folder, lambda text: print(text, file=sys.stderr))
    found = report.results(cells, settings)
    numbers, tables, image = (folder / f"locality.{suffix}" for suffix in ("json", "md", "png"))
    machine = f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}"
    record = study.study_record(generator, chosen, settings)
    finished = datetime.now(UTC).strftime("%Y-%m-%d")
    write_json(numbers, {**record, "machine": machine, "date": finished, "results": report.to_json(found)})
    with atomic_path(tables) as temporary:
        temporary.write_text(report.markdown(found), "utf-8")
    report.write_small_png(image, report.sheet(generator, trials, cells, chosen, settings))
    return [numbers, tables, image]


if __name__ == "__main__":
    sys.exit(main())
