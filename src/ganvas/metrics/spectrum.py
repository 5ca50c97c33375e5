"""How much detail of which size images have: the energy of each octave of their spectrum. Knows no network."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError

SMALLEST = 4


def octave_energies(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n octaves"]:
    """Return the energy of each octave of frequency, the finest first: the sum of squared amplitudes over all waves
    whose higher frequency, of the two along the axes, lies between 1/4 and 1/2 (then 1/8 and 1/4, ...) of the number of
    pixels, averaged over channels and per pixel.

    Images of half the size that were enlarged have next to nothing in the first. A Hann window comes before, so that
    the step from one border to the opposite one does not count as detail. Raises `ImageError` for images of less
    than 4 pixels.
    """
    height, width = images.shape[-2:]
    if min(height, width) < SMALLEST:
        raise ImageError(f"Images of {width} x {height} pixels have no octaves; give {SMALLEST} pixels and more.")
    x = images.float()
    window = torch.outer(torch.hann_window(height), torch.hann_window(width)).to(x)
    centered = x - (x * window).sum((-2, -1), keepdim=True) / window.sum()
    squares = torch.fft.fft2(centered * window, norm="ortho").abs().square().mean(1) / (height * width)  # [n, h, w]
    frequencies = [torch.fft.fftfreq(size, device=x.device).abs() for size in (height, width)]
    highest = torch.maximum(frequencies[0][:, None], frequencies[1])
    edges = [0.5 / 2**octave for octave in range(min(height, width).bit_length() - 1)]
    bands = [squares[:, (highest > edge / 2) & (highest <= edge)].sum(1) for edge in edges]
    return torch.stack(bands, dim=1)
