"""``ganvas sample``: images from seeds, and mixed styles."""

from pathlib import Path

from ganvas.cli import numbers
from ganvas.cli.inside import Inside
from ganvas.cli.options import ImageResults, Source
from ganvas.cli.show import progress
from ganvas.cli.types import ImageOut, Model, Seeds, Texts
from ganvas.edits.mix import layer_groups, mixed_layers
from ganvas.errors import GanvasError
from ganvas.io.result_folder import is_file_name
from ganvas.reports.image_files import write_single
from ganvas.reports.mixing_sheet import styles_like
from ganvas.reports.samples_report import check_mixed, write_mixed, write_samples

DEFAULT_SEEDS, DEFAULT_CONTENT = range(16), range(4)


def sample(
    model: Model,
    /,
    *,
    seeds: Seeds | None = None,
    mix: Seeds | None = None,
    layers: Texts | None = None,
    columns: numbers.Count | None = None,
    out: ImageOut = Path("sample"),
    inside: Inside = Inside(),
    source: Source = Source(),
    results: ImageResults = ImageResults(),
) -> None:
    """Make images from seeds, any number of them.

    Writes images/seed0004.png and so on, one file for each image, at the generator's size; sample.png, a labeled sheet
    of the first hundred; latent.safetensors with the codes of up to 4096. Ctrl-C keeps what is finished; the same
    command goes on from there. With --mix and --inside, mixed images are the unmixed ones beyond the rim of a region.

    Args:
        seeds: Which seeds, such as 0-3 or 1,5,8-11 or 0-99999; 0-15 by default, 0-3 with --mix.
        mix: Mix styles: seeds whose layers go into every image. The sheet has these across, the images down.
        layers: Layers to take from the seeds of --mix: coarse, middle, fine, or such as 0-3. May be given several
            times, for a block each; coarse, middle and fine by default.
        columns: Images of the sheet side by side; about as many as there are rows by default.
    """
    _check_options(mix, layers, columns, inside)
    source.refuse_seeds(seeds)
    generator = results.load(model)
    if mix is not None:
        blocks = {name: mixed_layers(generator, name) for name in layers or layer_groups(generator)}
        content = source.read(generator, seeds or DEFAULT_CONTENT)
        check_mixed(len(content), len(mix), len(blocks))
        styles, confinement = styles_like(generator, content, mix), inside.confinement(generator)
        with results.folder(out, generator) as folder, progress() as report:
            written = write_mixed(folder, generator, content, styles, blocks, results.files, report, confinement)
        results.show("sample", written.lines, written.files, **written.facts, layers=blocks)
        return
    latents, total = source.read_each(generator, seeds or DEFAULT_SEEDS)
    if is_file_name(out):
        results.show("sample", [], write_single(out, generator, latents, total, results.files, results.overwrite))
        return
    with results.folder(out, generator) as folder, progress() as report:
        written = write_samples(folder, generator, latents, total, results.files, columns, report)
    results.show("sample", written.lines, written.files, written.finished, **written.facts)


def _check_options(mix: object, layers: object, columns: int | None, inside: Inside) -> None:
    if mix is None and inside != Inside():
        raise GanvasError(
            "--inside confines what --mix changes; give --mix, or leave --inside, --rim and --within out."
        )
    if mix is None and layers:
        raise GanvasError("--layers says what is taken from the seeds of --mix; give --mix, or leave --layers out.")
    if mix is not None and columns is not None:
        raise GanvasError("A sheet of --mix has a column for each of its seeds; leave --columns out.")
