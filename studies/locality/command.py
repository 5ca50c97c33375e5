"""How local the directions of ReSeFa are."""

from pathlib import Path

from ganvas.checkpoints.load import load, named_regions
from ganvas.errors import GanvasError
from ganvas.generators.protocol import about_of
from ganvas.io.json_files import write_json
from studies.command import Out, Threads, show_line
from studies.files import provenance, write_text
from studies.locality import report
from studies.locality import study as locality

REGIONS = ("eyes", "brows", "nose", "mouth", "ears")
"""Those of them that the generator has are measured."""


def study(model: str = "faces", /, *, out: Out, threads: Threads = None) -> list[Path]:
    """Compare directions found for regions with random ones and those of other regions, in the recommended layers.

    Writes ``locality.json``, ``locality.md`` and ``locality.png``.

    Args:
        model: A generator with named regions: a bundled name, a name of the zoo, or a file.
    """
    generator = load(model)
    settings = locality.Settings(layers=about_of(generator).edit_layers or None)
    named = named_regions(generator)
    chosen = {name: named[name] for name in REGIONS if name in named}
    if not chosen:
        raise GanvasError(f"'{model}' has none of the regions {', '.join(REGIONS)}; name some: ganvas models convert.")
    trials, cells = locality.run(generator, chosen, settings, out, show_line)
    found = report.results(cells, settings)
    numbers, image = out / "locality.json", out / "locality.png"
    record = locality.study_record(generator, chosen, settings)
    write_json(numbers, {**record, **provenance(), "results": report.to_json(found)})
    tables = write_text(out / "locality.md", report.markdown(found))
    report.write_small_png(image, report.sheet(generator, trials, cells, chosen, settings))
    return [numbers, tables, image]
