"""Fake images of a StyleGAN2 while it trains: w+ codes with style mixing, and their images with fresh noise."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.training.randomness import Randomness


def sample_ws(generator: StyleGAN2, draws: Randomness, total: int, mixing: float) -> Float[Tensor, "n layers w_dim"]:
    """Return w+ codes of fresh z with style mixing: with probability `mixing`, a second w replaces the first from a
    random layer on (Karras et al. 2019, section 3.1).
    """
    layers, width = generator.layers, generator.architecture.z_dim
    first, second = draws.normal(total, width), draws.normal(total, width)
    cut = draws.integers(layers - 1, total) + 1
    cut = torch.where(draws.bernoulli(mixing, total), cut, layers)
    w, other = generator.mapping(torch.cat([first, second]), None).chunk(2)
    takes_other = torch.arange(layers, device=cut.device) >= cut[:, None]  # [n, layers]
    return torch.where(takes_other[:, :, None], other[:, None], w[:, None])


def synthesize(
    generator: StyleGAN2, ws: Float[Tensor, "n layers d"], draws: Randomness, total: int, precision: torch.dtype
) -> Float[Tensor, "n 3 r r"]:
    """Return the images of w+ codes with fresh noise, in float32."""
    synthesis = generator.synthesis
    noises = [
        draws.normal(total, 1, layer.resolution, layer.resolution) if layer.has_noise else None
        for _, layer in synthesis.convolutions()
    ]
    styles = synthesis.styles(ws)
    with torch.autocast(ws.device.type, precision, enabled=precision != torch.float32):
        image, _ = synthesis(styles, noises)
    return image.float()
