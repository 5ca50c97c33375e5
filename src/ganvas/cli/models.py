"""``ganvas models``: list, describe, fetch and convert generators."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ganvas.checkpoints import zoo
from ganvas.checkpoints.load import BUNDLED, convert, info
from ganvas.cli.options import Output
from ganvas.cli.show import progress, show_result
from ganvas.cli.types import Flag, Model, Named
from ganvas.errors import GanvasError
from ganvas.io import cache
from ganvas.regions.part_files import load_parts
from ganvas.regions.text import parse_named_regions
from ganvas.reports.model_table import fact_lines, model_table

app = App(name="models", help="List, describe, fetch and convert generators.")


@app.command(name="list")
def list_models(*, all: Flag = False, output: Output = Output()) -> None:
    """List the generators that Ganvas knows by name: the bundled ones first, then those that can be fetched.

    Args:
        all: List the same generators in other files too.
    """
    bundled = [info(name) for name in BUNDLED]
    entries = [entry for entry in zoo.entries().values() if all or not entry.variant_of]
    here = sum(entry.here for entry in entries)
    hidden = len(zoo.entries()) - len(entries)
    lines = [
        *model_table(bundled, entries),
        f"{len(bundled)} bundled; {here} of {len(entries)} fetched, in {cache.models_folder()}",
        *([f"--all shows {hidden} more files of the same generators."] * bool(hidden)),
        "ganvas models fetch NAME gets one, ganvas models info NAME describes it.",
    ]
    generators = [*bundled, *(entry.facts() for entry in entries)]
    show_result(lines, {"command": "models list", "generators": generators}, output.json)


@app.command(name="info")
def describe_model(model: Model, /, *, output: Output = Output()) -> None:
    """Describe a generator: sizes, spaces, layers, named regions, where it comes from.

    For a name of the zoo that is not on this disk, only what is published is shown.
    """
    facts = info(model)
    show_result(fact_lines(facts), facts, output.json)


@app.command(name="fetch")
def fetch_model(
    name: str,
    /,
    *,
    from_: Annotated[list[Path] | None, Parameter(negative=())] = None,
    offline: Flag = False,
    output: Output = Output(),
) -> None:
    """Fetch a generator of the zoo to this disk: resumed where it broke off, checked, whole or not at all.

    Files that are there are checked and stay. $GANVAS_HOME chooses the folder, $GANVAS_OFFLINE=1 forbids downloads.

    Args:
        name: A name that ganvas models list shows.
        from_: A file that was fetched by hand: it is checked and copied to where it belongs. May be given several
            times.
        offline: Download nothing: only check what is there.
    """
    entry = zoo.find(name)
    if entry is None:
        raise GanvasError(f"The zoo has no '{name}'{zoo.close_to(name)}; see its names with: ganvas models list")
    with progress(in_bytes=True) as report:
        paths = zoo.place(entry, from_) if from_ else zoo.fetch(entry, offline=offline, report=report)
    missing = [entry.path(file) for file in entry.files if not entry.path(file).is_file()]
    lines = [
        *(line for path in paths for line in (f"ready {path}", f"sha256 {_checksum(path)}")),
        *(f"missing {path}" for path in missing),
        f"license: {entry.license}",
        f"data: {entry.data}",
    ]
    summary = {"command": "models fetch", "name": entry.name, "files": paths, "missing": missing}
    show_result(lines, summary, output.json)


@app.command(name="convert")
def convert_model(
    model: Model,
    out: Path,
    /,
    *,
    half: Flag = False,
    name: str | None = None,
    regions: str | None = None,
    region: Named = (),
    layers: str = "",
    region_layers: Named = (),
    face_finder: str = "",
    parts: Annotated[list[Path] | None, Parameter(negative=())] = None,
    fact: Named = (),
    output: Output = Output(),
) -> None:
    """Write a generator in Ganvas's format, which opens fast and holds no code; name its regions, record its source.

    What is not given stays as the file has it. Nothing in a pickle file is run.

    Args:
        out: The .safetensors file to write; an older file of that name is replaced.
        half: Keep 16 bits a weight: half the size, about three digits.
        name: What it is called.
        regions: A set of named regions: faces, cats, ffhq, afhq, afhq_cat, afhq_dog, afhq_wild, car, church, bedroom
            or biggan.
        region: A region to name, as NAME=REGION, such as lips=box:0.3,0.6,0.7,0.8. May be given several times, also
            with a set.
        layers: The layers that ganvas directions uses by default, such as 3-5.
        region_layers: Those for a named region that lives in others, as NAME=LAYERS, such as ears=0-3. May be given
            several times.
        face_finder: What finds faces in photos for it, people or cats; people where it has regions of eyes and nothing
            else is said.
        parts: A file of ganvas parts: what --region part:7 means from then on, and the names given there. A second one
            may be of the other kind, trained on labels.
        fact: Another fact to record, as NAME=TEXT, such as license=CC0. May be given several times.
    """
    named = parse_named_regions(regions, region)
    path = convert(
        model,
        out,
        half=half,
        name=name,
        regions=named,
        edit_layers=layers,
        region_layers=dict(region_layers),
        facts=dict(fact),
        face_finder=face_finder,
        parts=[load_parts(path) for path in parts or ()],
    )
    size = path.stat().st_size
    output.show("models convert", [f"{size / 1e6:.1f} MB"], [path], bytes=size)


def _checksum(path: Path) -> str:
    record = cache.recorded(path)
    return "unknown" if record is None else record.sha256
