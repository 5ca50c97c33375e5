"""The region and the points of a command shown before its search begins."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas.drag.request import Point
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import write_image
from ganvas.io.result_folder import is_file_name
from ganvas.latents.latent import Latent
from ganvas.regions import Region
from ganvas.reports.region_preview import box_text, region_preview

ShowRegion = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Before the search, write region.png: the first image with the region and the points on it, and a ruler "
        "in fractions.",
    ),
]


def known_image(generator: Generator, latent: Latent) -> Float[Tensor, "1 3 h w"]:
    """Return the first image of a latent as its user knows it: the photo, where it was inverted from one."""
    first = latent.rows([0])
    return first.photo.images if first.photo else next(first.images(generator))


def show_region(
    out: Path, image: Float[Tensor, "1 3 h w"], region: Region | None, pairs: Sequence[tuple[Point, Point]] = ()
) -> Path:
    """Write the preview into the folder of the results, or beside the image file that they are, and say so on stderr;
    returns its path.
    """
    path = out.with_name(f"{out.stem}-region.png") if is_file_name(out) else out / "region.png"
    write_image(path, region_preview(image, region, pairs))
    lies = "" if region is None else f"; the region lies in {box_text(region)}"
    print(f"wrote {path}{lies}", file=sys.stderr)
    return path
