"""How much detail of which size pictures have: the energy of each octave of their spectrum. Knows no network."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import PictureError

SMALLEST = 4


def octave_energies(pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n octaves"]:
    """Return the energy of each octave of frequency, the finest first: the sum of squared amplitudes over all waves
    whose higher frequency, of the two along the axes, lies between 1/4 and 1/2 (then 1/8 and 1/4, ...) of the number of
    pixels, averaged over channels and per pixel.

    Pictures of half the size that were enlarged have next to nothing in the first. A Hann window comes before, so that
    the step from one border to the opposite one does not count as detail. Raises `PictureError` for pictures of less
    than 4 pixels.
    """
    height, width = pictures.shape[-2:]
    if min(height, width) < SMALLEST:
        raise PictureError(f"Pictures of {width} x {height} pixels have no octaves; give {SMALLEST} pixels and more.")
    x = pictures.float()
    window = torch.outer(torch.hann_window(height), torch.hann_window(width)).to(x)
    centred = x - (x * window).sum((-2, -1), keepdim=True) / window.sum()
    squares = torch.fft.fft2(centred * window, norm="ortho").abs().square().mean(1) / (height * width)  # [n, h, w]
    frequencies = [torch.fft.fftfreq(size, device=x.device).abs() for size in (height, width)]
    highest = torch.maximum(frequencies[0][:, None], frequencies[1])
    edges = [0.5 / 2**octave for octave in range(min(height, width).bit_length() - 1)]
    bands = [squares[:, (highest > edge / 2) & (highest <= edge)].sum(1) for edge in edges]
    return torch.stack(bands, dim=1)
