"""Feature maps of a latent's images, in the frame of the image: what lies in a generator's margins is cut off."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.generators.protocol import WHOLE, Extent, Generator, feature_extent
from ganvas.latents.latent import Latent

IMAGE = "image"


@torch.no_grad()
def maps_of(generator: Generator, latent: Latent, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the feature maps [n, c, h, w] of these names over the image, and the images under "image", float32."""
    painter = latent.generator_for(generator)
    found = painter.features(latent, names, with_image=True)
    maps = {name: on_image(found[name].float(), feature_extent(generator, name)) for name in names}
    return maps | {IMAGE: found[IMAGE].float()}


def on_image(values: Float[Tensor, "n c h w"], extent: Extent) -> Float[Tensor, "n c h2 w2"]:
    """Return what of a map lies over the image, with samples as far apart as before, by bilinear interpolation."""
    if extent == WHOLE:
        return values
    left, top, right, bottom = extent
    height, width = values.shape[-2:]
    rows, columns = round(height / (bottom - top)), round(width / (right - left))
    across, down = 2 / (right - left), 2 / (bottom - top)
    # Fractions u of the image lie at (u - left) / (right - left) of the map, which torch counts from -1 to 1.
    theta = values.new_tensor([[across / 2, 0, across * (0.5 - left) - 1], [0, down / 2, down * (0.5 - top) - 1]])
    places = F.affine_grid(
        theta[None].expand(len(values), -1, -1), [len(values), 1, rows, columns], align_corners=False
    )
    return F.grid_sample(values, places, mode="bilinear", padding_mode="border", align_corners=False)


def enlarged(values: Float[Tensor, "n c h w"], height: int, width: int) -> Float[Tensor, "n c height width"]:
    """Enlarge bilinearly."""
    return F.interpolate(values, (height, width), mode="bilinear", align_corners=False)
