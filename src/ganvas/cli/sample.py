"""``ganvas sample``: pictures from seeds, and mixed styles."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from torch import Tensor

from ganvas.cli.progress import progress
from ganvas.cli.shared import Codes, Common, make_folder, with_seconds, wrote
from ganvas.edits.mix import GROUPS, layer_groups, mix_grid, mixed_layers
from ganvas.errors import GanvasError
from ganvas.generators.codes import parse_seeds
from ganvas.generators.protocol import Generator
from ganvas.images import pixels
from ganvas.latents.latent import Latent, sample_latent
from ganvas.reports.mixing_sheet import mixing_sheet
from ganvas.reports.region_report import captioned_sheet, on_sheet

FEWEST_COLUMNS = 4
USUAL_SEEDS, USUAL_TARGETS = "0-15", "0-3"
MOST_ON_SHEET = 1024


def sample(
    model: str,
    /,
    *,
    seeds: str | None = None,
    mix: str | None = None,
    layers: Annotated[list[str] | None, Parameter(negative=())] = None,
    out: Path = Path("sample"),
    columns: int | None = None,
    codes: Codes = Codes(),
    common: Common = Common(),
) -> None:
    """Make pictures from seeds: one labelled sheet, and a latent file with their codes.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    seeds
        Which seeds, such as 0-3 or 1,5,8-11; 0-15 by default, 0-3 with --mix.
    mix
        Mix styles: seeds whose layers go into every picture. The sheet has these across, the pictures down.
    layers
        Layers to take from the seeds of --mix: coarse, middle, fine, or such as 0-3. May be given several times, for a
        block each; coarse, middle and fine by default.
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
    _check_options(mix, layers, columns)
    generator = common.load(model)
    chosen = {} if mix is None else _blocks(generator, layers)
    latent = codes.read(generator, seeds, USUAL_SEEDS if mix is None else USUAL_TARGETS)
    sources = None if mix is None else _sources(generator, latent, mix)
    _check_size(len(latent), 0 if sources is None else len(sources), len(chosen))
    make_folder(out)
    if sources is None:
        sheet = _sheet(generator, latent, columns)
    else:
        sheet, latent = _mixed(generator, latent, sources, chosen)
    paths = [pixels.write_picture(out / "sample.png", sheet), latent.save(out / "latent.safetensors")]
    mixing = {} if mix is None else {"layers": {name: list(rows) for name, rows in chosen.items()}}
    common.show(
        [*wrote(paths), with_seconds(start)],
        {"command": "sample", "generator": latent.generator, "seeds": latent.seeds, **mixing, "files": paths},
    )


def _check_options(mix: str | None, layers: Sequence[str] | None, columns: int | None) -> None:
    if columns is not None and columns < 1:
        raise GanvasError(f"{columns} columns cannot hold a picture; give at least 1, or leave --columns out.")
    if mix is None and layers:
        raise GanvasError("--layers says what is taken from the seeds of --mix; give --mix, or leave --layers out.")
    if mix is not None and columns is not None:
        raise GanvasError("A sheet of --mix has a column for each of its seeds; leave --columns out.")


def _check_size(rows: int, sources: int, blocks: int) -> None:
    pictures = rows if not sources else sources + rows * (sources + 1) * blocks
    if pictures > MOST_ON_SHEET:
        raise GanvasError(f"{pictures} pictures are too many for one sheet; give fewer seeds, at most {MOST_ON_SHEET}.")


def _sheet(generator: Generator, latent: Latent, columns: int | None) -> Tensor:
    across = min(len(latent), columns or max(FEWEST_COLUMNS, math.ceil(math.sqrt(len(latent)))))
    return captioned_sheet(_pictures(generator, latent), across, latent.captions)


def _pictures(generator: Generator, latent: Latent) -> Tensor:
    """Return the pictures at the size of sheets."""
    pictures = []
    with progress() as report:
        for some in latent.pictures(generator):
            pictures.append(on_sheet(some))
            report("Making pictures", sum(map(len, pictures)), len(latent))
    return torch.cat(pictures)


def _blocks(generator: Generator, layers: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Return the sets of layers to mix, by the names they go by on the sheet."""
    given = list(layers) if layers else list(layer_groups(generator))
    return {_name(text, mixed_layers(generator, text)): mixed_layers(generator, text) for text in given}


def _name(text: str, layers: Sequence[int]) -> str:
    numbers = f"{layers[0]}-{layers[-1]}" if len(layers) > 1 else f"{layers[0]}"
    return f"{text} layers ({numbers}) from above" if text in GROUPS else f"layers {text} from above"


def _sources(generator: Generator, latent: Latent, mix: str) -> Latent:
    """Return the codes of the seeds of --mix, of the same class and truncated as those of `latent`."""
    if isinstance(latent.label, tuple) and len(set(latent.label)) > 1:
        raise GanvasError("Pictures of several classes cannot be mixed with those of one seed each; give one --label.")
    label = latent.label[0] if isinstance(latent.label, tuple) else latent.label
    return sample_latent(
        generator,
        parse_seeds(mix),
        label=label,
        truncation=latent.truncation,
        truncation_layers=latent.truncation_layers,
    )


def _mixed(
    generator: Generator, latent: Latent, sources: Latent, blocks: dict[str, tuple[int, ...]]
) -> tuple[Tensor, Latent]:
    """Return the sheet of every picture mixed with every source, and the mixed codes, block by block."""
    kept, taken = latent.codes_for(generator, "w+"), sources.codes_for(generator, "w+")
    grids = torch.stack([mix_grid(generator, kept, taken, layers) for layers in blocks.values()])
    names = [f"{one}, {name} of {other}" for name in blocks for one in latent.captions for other in sources.captions]
    many = [row for _ in blocks for row in range(len(latent)) for _ in range(len(sources))]
    result = replace(
        latent.rows(many),
        codes=grids.flatten(0, 2).cpu(),
        space="w+",
        names=tuple(name.replace(" from above", "") for name in names),
        label=None if latent.label is None else sources.label,
    )
    mixed = _pictures(generator, result).unflatten(0, grids.shape[:3])
    sheet = mixing_sheet(
        _pictures(generator, latent),
        _pictures(generator, sources),
        dict(zip(blocks, mixed, strict=True)),
        latent.captions,
        sources.captions,
    )
    return sheet, result
