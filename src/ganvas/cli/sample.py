"""``ganvas sample``: images from seeds, and mixed styles."""

import math
from pathlib import Path

import torch
from torch import Tensor

from ganvas.cli import numbers
from ganvas.cli.options import Loading, Source
from ganvas.cli.show import progress
from ganvas.cli.types import Model, Out, Seeds, Texts
from ganvas.edits.mix import layer_groups, mixed_layers
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.images import pixels
from ganvas.io.files import make_folder
from ganvas.latents.latent import Latent
from ganvas.latents.latent import sample as latent_of_seeds
from ganvas.reports.mixing_sheet import mixing_sheet
from ganvas.reports.region_report import captioned_sheet, on_sheet

FEWEST_COLUMNS = 4
DEFAULT_SEEDS, DEFAULT_CONTENT = range(16), range(4)
MOST_ON_SHEET = 1024


def sample(
    model: Model,
    /,
    *,
    seeds: Seeds | None = None,
    mix: Seeds | None = None,
    layers: Texts | None = None,
    columns: numbers.Count | None = None,
    out: Out = Path("sample"),
    source: Source = Source(),
    loading: Loading = Loading(),
) -> None:
    """Make images from seeds: one labeled sheet, and a latent file with their codes.

    Args:
        seeds: Which seeds, such as 0-3 or 1,5,8-11; 0-15 by default, 0-3 with --mix.
        mix: Mix styles: seeds whose layers go into every image. The sheet has these across, the images down.
        layers: Layers to take from the seeds of --mix: coarse, middle, fine, or such as 0-3. May be given several
            times, for a block each; coarse, middle and fine by default.
        columns: Images side by side; about as many as there are rows by default.
    """
    _check_options(mix, layers, columns)
    source.refuse_seeds(seeds)
    generator = loading.load(model)
    names = list(layers or layer_groups(generator)) if mix else []
    blocks = {name: mixed_layers(generator, name) for name in names}
    latent = source.read(generator, seeds or (DEFAULT_SEEDS if mix is None else DEFAULT_CONTENT))
    _check_size(len(latent), len(mix or ()), len(blocks))
    styles = _styles(generator, latent, mix) if mix else None
    make_folder(out)
    if styles is None:
        sheet = _sheet(generator, latent, columns)
    else:
        with progress() as report:
            sheet, latent = mixing_sheet(generator, latent, styles, blocks, report)
    paths = [pixels.write_image(out / "sample.png", sheet), latent.save(out / "latent.safetensors")]
    mixed = {"layers": blocks} if mix else {}
    loading.show("sample", [], paths, generator=latent.generator, seeds=latent.seeds, **mixed)


def _check_options(mix: object, layers: object, columns: int | None) -> None:
    if mix is None and layers:
        raise GanvasError("--layers says what is taken from the seeds of --mix; give --mix, or leave --layers out.")
    if mix is not None and columns is not None:
        raise GanvasError("A sheet of --mix has a column for each of its seeds; leave --columns out.")


def _check_size(count: int, styles: int, blocks: int) -> None:
    images = count if not styles else styles + count * (styles + 1) * blocks
    if images > MOST_ON_SHEET:
        raise GanvasError(f"{images} images are too many for one sheet; give fewer seeds, at most {MOST_ON_SHEET}.")


def _sheet(generator: Generator, latent: Latent, columns: int | None) -> Tensor:
    images: list[Tensor] = []
    with progress() as report:
        for some in latent.images(generator):
            images.append(on_sheet(some))
            report("Making images", sum(map(len, images)), len(latent))
    across = min(len(latent), columns or max(FEWEST_COLUMNS, math.ceil(math.sqrt(len(latent)))))
    return captioned_sheet(torch.cat(images), across, latent.captions)


def _styles(generator: Generator, latent: Latent, seeds: list[int]) -> Latent:
    """Return the latent of the seeds of --mix, of the same class and truncation as `latent`."""
    if isinstance(latent.label, tuple) and len(set(latent.label)) > 1:
        raise GanvasError("Images of several classes cannot be mixed with those of one seed each; give one --label.")
    label = latent.label[0] if isinstance(latent.label, tuple) else latent.label
    return latent_of_seeds(
        generator,
        seeds,
        label=label,
        truncation=latent.truncation,
        truncation_layers=latent.truncation_layers,
    )
