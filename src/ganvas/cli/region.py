"""``ganvas region``: a region shown on an image, with a ruler."""

from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import named_regions
from ganvas.cli import numbers
from ganvas.cli.options import Results, Source
from ganvas.cli.preview import known_image
from ganvas.cli.types import Model, RegionText
from ganvas.directions.find import region_of
from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images.decoding import is_image
from ganvas.images.pixels import write_image
from ganvas.inversion.photos import align_photo
from ganvas.io.result_folder import check_new_file, free_name
from ganvas.parts.located import located, settled
from ganvas.parts.text import named_parts
from ganvas.regions import Region
from ganvas.regions.part import Part
from ganvas.reports.region_preview import box_text, region_lines, region_preview


def region(
    model: Model,
    photo: Path | None = None,
    /,
    *,
    region: RegionText | None = None,
    seed: numbers.Seed = 4,
    out: Path | None = None,
    source: Source = Source(),
    results: Results = Results(),
) -> None:
    """Show a region, or the parts that have names, on an image with a ruler in fractions, and list what has a name.

    Args:
        photo: The image: a photo or a latent file, as by --latent.
        region: The region to draw, as for ganvas directions; none draws the parts.
        seed: The image, without a photo.
        out: The image file to write; by default region.png, or region-2.png and so on where that exists.
    """
    if out is not None:
        check_new_file(out, results.overwrite)
    if photo is not None and source.latent is not None:
        raise LatentError(f"'{photo}' and --latent '{source.latent}' are two images; give one.")
    generator = results.load(model)
    area = None if region is None else region_of(generator, region)[1]
    image, drawn, parts = _looked_at(generator, replace(source, latent=source.latent or photo), seed, area)
    found = {name: one for name, one in parts.items() if one is not None}
    named = named_regions(generator)
    layers = {name: about_of(generator).layers_for(name) for name in named}
    lies = [f"drawn: {region} lies in {box_text(drawn)}"] if region and drawn else []
    lines = [*region_lines(named, layers), *region_lines(found), *lies]
    lines += [f"{name}  not in this image" for name, one in parts.items() if one is None]
    shown = region_preview(image, drawn, parts={} if drawn else found)
    path = out or free_name(Path("region.png"), results.overwrite)
    boxes = {name: box_text(one) for name, one in {**named, **found}.items()}
    results.show("region", lines, [write_image(path, shown)], regions=boxes)


def _looked_at(
    generator: Generator, source: Source, seed: int, area: Region | Part | None
) -> tuple[Float[Tensor, "1 3 h w"], Region | None, dict[str, Region | None]]:
    """Return the image, the region in it, and the named parts in it, None for one that is not there. A photo is not
    inverted where a region is asked for that lies in the same place of every image; the parts are then not looked for.
    """
    if source.latent is not None and is_image(source.latent) and isinstance(area, Region):
        return align_photo(source.latent, generator, source.photo.settings()).image, area, {}
    latent = source.read(generator, [seed]).rows([0])
    drawn = None if area is None else settled(generator, latent, area)
    parts = {str(one): located(generator, latent, one)[0] for one in named_parts(generator).values()}
    return known_image(generator, latent), drawn, parts
