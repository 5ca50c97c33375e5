"""``ganvas region``: a region shown on an image, with a ruler."""

from pathlib import Path

from ganvas.checkpoints.load import named_regions
from ganvas.cli import numbers
from ganvas.cli.options import Loading, Source
from ganvas.cli.preview import known_image
from ganvas.cli.types import Model, Overwrite, RegionText
from ganvas.directions.find import region_of
from ganvas.generators.protocol import about_of
from ganvas.images.pixels import write_image
from ganvas.io.result_folder import check_new_file
from ganvas.parts.located import settled
from ganvas.reports.region_preview import box_text, region_lines, region_preview


def region(
    model: Model,
    /,
    *,
    region: RegionText | None = None,
    seed: numbers.Seed = 4,
    out: Path = Path("region.png"),
    overwrite: Overwrite = False,
    source: Source = Source(),
    loading: Loading = Loading(),
) -> None:
    """Show a region on an image with a ruler in fractions, and list the regions that have names.

    Args:
        region: The region to draw, as for ganvas directions; none shows the ruler alone.
        seed: The image, without --latent.
        out: The image file to write.
    """
    check_new_file(out, overwrite)
    generator = loading.load(model)
    area = None if region is None else region_of(generator, region)[1]
    latent = source.read(generator, [seed]).rows([0])
    drawn = None if area is None else settled(generator, latent, area)
    image = known_image(generator, latent)
    named = named_regions(generator)
    layers = {name: about_of(generator).layers_for(name) for name in named}
    lies = [f"drawn: {region} lies in {box_text(drawn)}"] if region and drawn else []
    lines = [*region_lines(named, layers), *lies]
    files = [write_image(out, region_preview(image, drawn))]
    loading.show("region", lines, files, regions={name: box_text(one) for name, one in named.items()})
