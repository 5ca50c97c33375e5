"""The generators that benchmarks run on: `faces`, and StyleGAN2 at 256 and 1024 px with random weights (speed does not
depend on them).
"""

import torch

from ganvas.checkpoints.files import load
from ganvas.generators.stylegan2 import StyleGAN2
from ganvas.generators.stylegan2_synthesis import Architecture

SIZES = (64, 256, 1024)
ALL_SIZES = (64, 128, 256, 512, 1024)
CHANNEL_BASES = {128: 16384, 256: 16384, 512: 32768, 1024: 32768}


def subject(resolution: int, dtype: torch.dtype = torch.float32) -> StyleGAN2:
    """Return `faces` at 64 px; else w_dim 512, with channel_base 16384 up to 256 px and 32768 above (config-f)."""
    if resolution == 64:
        generator = load("faces", dtype=dtype)
        assert isinstance(generator, StyleGAN2)
        return generator
    sizes = [4 * 2**i for i in range(resolution.bit_length() - 2)]
    channels = tuple(min(CHANNEL_BASES[resolution] // size, 512) for size in sizes)
    torch.manual_seed(0)
    generator = StyleGAN2(Architecture(resolution, channels, 512, 512, (512,) * 8)).eval().requires_grad_(False)
    for _, layer in generator.synthesis.convolutions():
        layer.noise_strength.fill_(0.1)
    return generator.set_precision(dtype)
