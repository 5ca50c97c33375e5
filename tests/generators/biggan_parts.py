"""A small BigGAN-deep with random weights for tests."""

import torch

from ganvas.generators.biggan.generator import BigGAN
from ganvas.generators.biggan.synthesis import BigGANArchitecture

SMALL = BigGANArchitecture(16, (32, 32, 16, 16, 8), (False, True, False, True), 2, 6, 5, 4, 5, 1e-4)


def small_biggan(
    architecture: BigGANArchitecture = SMALL, *, dtype: torch.dtype = torch.float32, seed: int = 0
) -> BigGAN:
    """Return a generator in which everything matters: attention, all offsets, statistics that differ by truncation."""
    generator = BigGAN(architecture).eval().requires_grad_(False)
    random = torch.Generator().manual_seed(seed)
    for name, tensor in generator.state_dict().items():
        drawn = torch.randn(tensor.shape, generator=random)
        if name.endswith("variances"):
            tensor.copy_(0.5 + drawn.square())
        elif tensor.ndim >= 2 and not name.endswith("means"):
            tensor.copy_(drawn / tensor[0].numel() ** 0.5)
        else:
            tensor.copy_(0.3 * drawn)
    generator.synthesis.colors.norm.scale.data += 1
    if architecture.attention is not None:
        generator.synthesis.attention.gain.fill_(0.7)
    return generator.to(dtype)
