"""A ruler along the sides of an image, in fractions of its width and height."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from ganvas.images.pixels import from_bytes, to_bytes

MARGIN, TEXT = 36, 13  # pixels
TENTHS, STEPS = 10, 50
LONG, SHORT = 10, 4  # pixels of a tick at tenths and at fiftieths


def with_ruler(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 height width"]:
    """Return the image with ticks and numbers above it and on its left, and thin dashed lines over it at every tenth.

    Ticks stand at fiftieths; numbers at tenths, from 0 at the top left.
    """
    height, width = image.shape[-2:]
    lined = _with_lines(image)
    page = functional.pad(lined, (MARGIN, MARGIN // 2, MARGIN, MARGIN // 2), value=1.0)
    canvas = Image.fromarray(to_bytes(page)[0].numpy())
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(TEXT)
    for step in range(STEPS + 1):
        fraction, tenth = step / STEPS, step % (STEPS // TENTHS) == 0
        tick = LONG if tenth else SHORT
        x, y = MARGIN + fraction * (width - 1), MARGIN + fraction * (height - 1)
        pen.line([(x, MARGIN - 2), (x, MARGIN - 2 - tick)], fill="black")
        pen.line([(MARGIN - 2, y), (MARGIN - 2 - tick, y)], fill="black")
        if tenth:
            pen.text((x, MARGIN - 4 - LONG), f"{fraction:.1f}", fill="black", font=font, anchor="mb")
            pen.text((MARGIN - 4 - LONG, y), f"{fraction:.1f}", fill="black", font=font, anchor="rm")
    return from_bytes(torch.from_numpy(np.array(canvas))[None])


def _with_lines(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """Return the image with dashed lines at every tenth, half white and half black so that they show on anything."""
    lined, (height, width) = image.clone(), image.shape[-2:]
    for tenth in range(1, TENTHS):
        column, row = round(tenth / TENTHS * (width - 1)), round(tenth / TENTHS * (height - 1))
        down, across = torch.arange(height) // 3 % 4, torch.arange(width) // 3 % 4
        for part, color in ((0, 1.0), (1, -1.0)):
            lined[..., down == part, column] = lined[..., down == part, column].lerp(torch.tensor(color), 0.5)
            lined[..., row, across == part] = lined[..., row, across == part].lerp(torch.tensor(color), 0.5)
    return lined
