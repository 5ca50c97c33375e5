"""Small StyleGAN2 generators with random weights for tests."""

import torch

from ganvas.generators.stylegan2.architecture import Kind, StyleGAN2Architecture
from ganvas.generators.stylegan2.generator import StyleGAN2


def small_stylegan2(
    resolution: int = 16,
    kind: Kind = "skip",
    *,
    width: int = 6,
    z_dim: int | None = None,
    channels: int = 5,
    label_dim: int = 0,
    clamp: float | None = None,
    noise: bool = True,
    dtype: torch.dtype = torch.float32,
) -> StyleGAN2:
    """Return a generator whose noise strengths and biases are not zero, so that nothing passes unseen."""
    blocks = resolution.bit_length() - 2
    torch.manual_seed(resolution)
    architecture = StyleGAN2Architecture(
        resolution, (channels,) * blocks, z_dim or width + 1, width, (width,) * 2, label_dim, kind, clamp, noise=noise
    )
    generator = StyleGAN2(architecture).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
        elif name.endswith("bias"):
            parameter.add_(0.2 * torch.randn_like(parameter))
    generator.mapping.w_avg.normal_()
    return generator.to(dtype)
