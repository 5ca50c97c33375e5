"""The generators that benchmarks run on: `faces` at 128 px, StyleGAN2 of other sizes with random weights (speed does
not depend on them).
"""

import torch

from ganvas.checkpoints.load import load
from ganvas.generators.stylegan2.architecture import StyleGAN2Architecture
from ganvas.generators.stylegan2.generator import StyleGAN2

SIZES = (64, 256, 1024)
ALL_SIZES = (64, 128, 256, 512, 1024)
CHANNEL_BASES = {256: 16384, 512: 32768, 1024: 32768}
SMALL = StyleGAN2Architecture(64, (256, 256, 256, 128, 64), 256, 256, (256,) * 4)
"""4.5 million parameters, as NVIDIA's code makes it with channel_base 4096 and channel_max 256."""


def subject(resolution: int, dtype: torch.dtype = torch.float32) -> StyleGAN2:
    """Return `faces` at 128 px, SMALL at 64 px; else w_dim 512, with channel_base 16384 at 256 px and 32768 above
    (config-f).
    """
    if resolution == 128:
        generator = load("faces", dtype=dtype)
        assert isinstance(generator, StyleGAN2)
        return generator
    if resolution == SMALL.resolution:
        architecture = SMALL
    else:
        sizes = [4 * 2**i for i in range(resolution.bit_length() - 2)]
        channels = tuple(min(CHANNEL_BASES[resolution] // size, 512) for size in sizes)
        architecture = StyleGAN2Architecture(resolution, channels, 512, 512, (512,) * 8)
    torch.manual_seed(0)
    generator = StyleGAN2(architecture).eval().requires_grad_(False)
    for _, layer in generator.synthesis.convolutions():
        layer.noise_strength.fill_(0.1)
    return generator.set_precision(dtype)
