"""``ganvas models``: list, describe, fetch and convert generators."""

import io
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich import box
from rich.console import Console
from rich.table import Table

from ganvas.checkpoints import zoo
from ganvas.checkpoints.load import BUNDLED, convert, info
from ganvas.checkpoints.unbuilt import UNVERIFIED
from ganvas.cli.progress import downloads
from ganvas.cli.shared import Common, Flag, with_seconds, wrote
from ganvas.errors import GanvasError, RegionError
from ganvas.io import cache
from ganvas.regions.named import SETS
from ganvas.regions.region import Region
from ganvas.regions.text import parse_region, region_name

app = App(name="models", help="List, describe, fetch and convert generators.")
WIDE = 110  # columns of a terminal from which on the table says more


@app.command(name="list")
def list_models(*, all: Flag = False, common: Common = Common()) -> None:
    """List the generators that Ganvas knows by name: those that come with it first, then those to fetch.

    Parameters
    ----------
    all
        Also the same generators in other files.
    common
        Options of every command.
    """
    bundled = [info(name) for name in BUNDLED]
    entries = [entry for entry in zoo.entries().values() if all or not entry.variant_of]
    here = sum(entry.here for entry in entries)
    hidden = len(zoo.entries()) - len(entries)
    lines = [
        *_rendered(_table(bundled, entries)),
        f"{len(bundled)} bundled; {here} of {len(entries)} fetched, in {cache.models_folder()}",
        *([f"--all shows {hidden} more files of the same generators."] * bool(hidden)),
        "ganvas models fetch NAME gets one, ganvas models info NAME says more of it.",
    ]
    common.show(lines, {"command": "models list", "generators": [*bundled, *map(_facts, entries)]})


@app.command(name="info")
def describe_model(model: str, /, *, common: Common = Common()) -> None:
    """Describe a generator: sizes, spaces, layers, named regions, where it comes from.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator. Of a name of the zoo that is not on
        this disk only what is published is told.
    common
        Options of every command.
    """
    entry = zoo.find(model)
    facts = info(model) if entry is None else _facts(entry) | (info(model) if entry.here else {})
    common.show(_columns(facts), facts)


@app.command(name="fetch")
def fetch_model(
    model: str,
    /,
    *,
    from_: Annotated[list[Path] | None, Parameter(negative=())] = None,
    offline: Flag = False,
    common: Common = Common(),
) -> None:
    """Fetch a generator of the zoo to this disk: resumed where it broke off, checked, whole or not at all.

    Files that are there are checked and stay. $GANVAS_HOME chooses the folder, $GANVAS_OFFLINE=1 forbids downloads.

    Parameters
    ----------
    model
        A name that ganvas models list shows.
    from_
        A file that was fetched by hand: it is checked and copied to where it belongs. May be given several times.
    offline
        Download nothing: only check what is there.
    common
        Options of every command.
    """
    start = time.perf_counter()
    entry = zoo.find(model)
    if entry is None:
        raise GanvasError(f"The zoo has no '{model}'{zoo.close_to(model)}; see its names with: ganvas models list")
    with downloads() as report:
        paths = zoo.place(entry, from_) if from_ else zoo.fetch(entry, offline=offline, report=report)
    missing = [str(entry.path(file)) for file in entry.files if not entry.path(file).is_file()]
    lines = [
        *(line for path in paths for line in (f"ready {path}", f"sha256 {_checksum(path)}")),
        *(f"missing {path}" for path in missing),
        f"license: {entry.license}",
        f"data: {entry.data}",
        with_seconds(start),
    ]
    common.show(lines, {"command": "models fetch", "name": entry.name, "files": paths, "missing": missing})


@app.command(name="convert")
def convert_model(
    model: str,
    out: Path,
    /,
    *,
    half: Flag = False,
    name: str | None = None,
    regions: str | None = None,
    region: Annotated[list[str] | None, Parameter(negative=())] = None,
    layers: str = "",
    fact: Annotated[list[str] | None, Parameter(negative=())] = None,
    common: Common = Common(),
) -> None:
    """Write a generator in Ganvas's format, which opens fast and holds no code; name its regions, say where it is from.

    What is not given stays as the file has it.

    Parameters
    ----------
    model
        A name of the zoo, or a file such as a .pkl of NVIDIA's; nothing in it is run.
    out
        The .safetensors file to write; an older file of that name is replaced.
    half
        Keep 16 bits a weight: half the size, about three digits.
    name
        What it is called.
    regions
        A set of named regions: faces, cats, ffhq, afhq, afhq_cat, afhq_dog, afhq_wild, car, church, bedroom or biggan.
    region
        A region to name, as NAME=REGION, such as lips=box:0.3,0.6,0.7,0.8. May be given several times, also beside a
        set.
    layers
        The layers that ganvas directions is to use by default, such as 3-5.
    fact
        What else is to be known of it, as NAME=TEXT, such as license=CC0. May be given several times.
    common
        Options of every command.
    """
    named = named_regions(regions, region or ())
    facts = _pairs("fact", fact or ())
    path = convert(model, out, half=half, name=name, regions=named, edit_layers=layers, facts=facts)
    common.show(
        [*wrote([path]), f"{path.stat().st_size / 1e6:.1f} MB"],
        {"command": "models convert", "files": [path], "bytes": path.stat().st_size},
    )


def named_regions(known: str | None, drawn: Iterable[str]) -> dict[str, Region]:
    """Return a set of `region.named.SETS` (None for none of them) and what is written as NAME=REGION, by name."""
    if known is not None and known not in SETS:
        raise RegionError(f"There is no set of regions '{known}'; there are {', '.join(SETS)}.")
    named = dict(SETS[known]) if known else {}
    for name, text in _pairs("region", drawn).items():
        named[region_name(name)] = parse_region(text, named)
    return named


def _pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return what stands on both sides of the first = of each."""
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise GanvasError(f"--{option} '{text}' is not understood; write NAME=TEXT, as in the help.")
        pairs[name.strip()] = value.strip()
    return pairs


def _checksum(path: Path) -> str:
    record = cache.recorded(path)
    return "unknown" if record is None else record.sha256


def _facts(entry: zoo.Entry) -> dict[str, Any]:
    """Return what is known of a generator without its file."""
    return {
        "name": entry.name,
        "title": entry.title,
        "family": entry.label,
        "resolution": entry.resolution,
        "here": entry.here,
        "bytes": entry.bytes,
        "format": entry.format,
        "verified": "yes" if entry.verified else UNVERIFIED,
        "variant_of": entry.variant_of,
        "aliases": list(entry.aliases),
        "data": entry.data,
        "license": entry.license,
        "paper": entry.paper,
        "regions": list(entry.regions),
        "edit_layers": entry.edit_layers,
        "edit_layers_source": entry.edit_layers_source,
        "note": entry.note,
        "files": [
            {
                "path": str(entry.path(file)),
                "from": list(file.addresses),
                "bytes": file.bytes or "unknown",
                "sha256": file.sha256 or "unknown: recorded at the first fetch",
            }
            for file in entry.files
        ],
    }


def _table(bundled: list[dict[str, Any]], entries: list[zoo.Entry]) -> Table:
    """Return the list as a table that says more where there is room."""
    wide = Console().width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("name", no_wrap=True)
    table.add_column("px", no_wrap=True, justify="right")
    table.add_column("of", no_wrap=True)
    if wide:
        table.add_column("regions", no_wrap=True, max_width=33)
        table.add_column("license", no_wrap=True)
    table.add_column("MB", no_wrap=True, justify="right")
    table.add_column("here", no_wrap=True)

    def add(name: str, pixels: int, title: str, regions: list[str], license: str, size: int | None, here: str) -> None:
        whole = [region for region in regions if not region.startswith(("left_", "right_"))]
        middle = [", ".join(whole), license] if wide else []
        table.add_row(name, str(pixels), title, *middle, "" if size is None else f"{size / 1e6:.0f}", here)

    for own in bundled:
        add(own["name"], own["resolution"], own["family"], own["regions"], "research", own["bytes"], "bundled")
    table.add_section()
    for entry in entries:
        here = "yes" if entry.here else ""
        add(entry.name, entry.resolution, entry.title, list(entry.regions), entry.license_label, entry.bytes, here)
    return table


def _rendered(table: Table) -> list[str]:
    """Return the lines of a table, as wide as the terminal, without colors."""
    plain = Console(file=io.StringIO(), width=Console().width, color_system=None, markup=False, highlight=False)
    with plain.capture() as captured:
        plain.print(table)
    return [line.rstrip() for line in captured.get().strip("\n").splitlines()]


def _columns(facts: dict[str, Any]) -> list[str]:
    """Return facts in two columns; addresses, paths and checksums stay whole, so that they can be copied."""
    told = {name.replace("_", " "): value for name, value in facts.items() if value not in ("", [], None)}
    indent = max(map(len, told)) + 2
    wide = max(30, Console().width - indent)
    lines = []
    for name, value in told.items():
        for line in _words(value).splitlines():
            parts = textwrap.wrap(line, wide, break_long_words=False, break_on_hyphens=False) or [""]
            for part in parts:
                lines.append(f"{name:<{indent}}{part}")
                name = ""
    return lines


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name} {_words(item)}" for name, item in value.items()) or "unknown"
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, dict) for item in value):
            return "\n".join(map(_words, value))
        if value and all(isinstance(item, int) for item in value):
            return " x ".join(map(str, value))
        return ("\n" if any("://" in str(item) for item in value) else ", ").join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value) or "none"
