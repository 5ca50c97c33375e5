"""Energy of images in each octave of spatial frequency."""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError

SMALLEST = 4


def octave_energies(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n octaves"]:
    """Return the energy in each octave of spatial frequency, the finest first.

    An octave holds the waves whose higher frequency along the two axes lies in (1/4, 1/2] cycles per pixel, then
    (1/8, 1/4], and so on. Energies are squared amplitudes of the image under a Hann window (against the step between
    opposite borders), averaged over channels and per pixel. Upsampled images have almost none in the finest octave.

    Raises:
        ImageError: The images have fewer than 4 pixels a side.
    """
    height, width = images.shape[-2:]
    if min(height, width) < SMALLEST:
        raise ImageError(
            f"Images of {width} x {height} pixels have no octaves; give at least {SMALLEST} pixels a side."
        )
    x = images.float()
    window = torch.outer(torch.hann_window(height), torch.hann_window(width)).to(x)
    centered = x - (x * window).sum((-2, -1), keepdim=True) / window.sum()
    squares = torch.fft.fft2(centered * window, norm="ortho").abs().square().mean(1) / (height * width)  # [n, h, w]
    frequencies = [torch.fft.fftfreq(size, device=x.device).abs() for size in (height, width)]
    highest = torch.maximum(frequencies[0][:, None], frequencies[1])
    edges = [0.5 / 2**octave for octave in range(min(height, width).bit_length() - 1)]
    bands = [squares[:, (highest > edge / 2) & (highest <= edge)].sum(1) for edge in edges]
    return torch.stack(bands, dim=1)
