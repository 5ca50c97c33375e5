"""Parts drawn on images: a color and a number for each."""

import colorsys
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from ganvas.generators.protocol import Generator
from ganvas.images.pixels import from_bytes, resize, to_pillow
from ganvas.images.sheets import grid
from ganvas.latents.latent import Latent
from ganvas.parts.model_part import label_maps
from ganvas.regions.coverage import deepest
from ganvas.regions.part_model import PartModel

COLUMNS = 4
SIDE = 256  # pixels of an image on the sheet
VEIL = 0.55  # share of the color over the image
GOLDEN = 0.618034  # of the circle of hues, between one number and the next
SMALLEST = 12  # pixels of the sheet that a piece needs across to get its number


def parts_sheet(generator: Generator, latent: Latent, parts: PartModel) -> tuple[Float[Tensor, "1 3 h w"], list[float]]:
    """Return a sheet of images over the same images in the parts' colors with their numbers, and each part's share of
    all pixels.
    """
    labels = label_maps(generator, latent, parts)
    images = resize(torch.cat(list(latent.images(generator))), SIDE, SIDE)
    drawn = torch.cat([numbered(image[None], one, parts) for image, one in zip(images, labels, strict=True)])
    shares = torch.bincount(labels.flatten(), minlength=len(parts)) / labels.numel()
    columns = min(len(images), COLUMNS)
    rows = []
    for first in range(0, len(images), columns):
        rows += [grid(which[first : first + columns], columns) for which in (images, drawn)]
    spaced = [functional.pad(row, (0, 0, 0, 2), value=1.0) for row in rows]
    return torch.cat(spaced, dim=2), [round(float(one), 4) for one in shares]


def numbered(
    image: Float[Tensor, "1 3 h w"], labels: Int[Tensor, "map_h map_w"], parts: PartModel
) -> Float[Tensor, "1 3 h w"]:
    """Return an image under the colors of its parts, each with its number in the middle of its largest piece."""
    colors = palette(len(parts))[labels].permute(2, 0, 1)[None]
    height, width = image.shape[-2:]
    veiled = torch.lerp(image, functional.interpolate(colors, (height, width), mode="nearest"), VEIL)
    scale, texts = height / labels.shape[0], []
    for number in labels.unique().tolist():
        row, column, depth = deepest((labels == number).numpy())
        if 2 * scale * depth >= SMALLEST:
            texts.append((str(number), (row + 0.5) * scale, (column + 0.5) * scale))
    return with_texts(veiled, texts)


def with_texts(image: Float[Tensor, "1 3 h w"], texts: Sequence[tuple[str, float, float]]) -> Float[Tensor, "1 3 h w"]:
    """Return an image with white texts around a row and a column each."""
    drawing = to_pillow(image)
    write, font = ImageDraw.Draw(drawing), ImageFont.load_default(13)
    for text, row, column in texts:
        write.text((column, row), text, fill="white", font=font, anchor="mm", stroke_width=2, stroke_fill="black")
    return from_bytes(torch.from_numpy(np.array(drawing))[None])


def palette(count: int) -> Float[Tensor, "k 3"]:
    """Return colors of which those of near numbers differ much, in [-1, 1]."""
    hues = [number * GOLDEN % 1 for number in range(count)]
    tones = [(0.55 + 0.4 * (number % 2), 1 - 0.3 * (number % 3 == 2)) for number in range(count)]
    return (
        torch.tensor([colorsys.hsv_to_rgb(hue, *tone) for hue, tone in zip(hues, tones, strict=True)]).reshape(count, 3)
        * 2
        - 1
    )


def part_lines(parts: PartModel, shares: Sequence[float]) -> list[str]:
    """Return a line for each part: its number, its share of the images, its names."""
    lines = []
    for number, share in enumerate(shares):
        names = ", ".join(name for name, which in parts.names.items() if number in which)
        lines.append(f"part {number:2}  {100 * share:4.1f} %  {names}".rstrip())
    return lines
