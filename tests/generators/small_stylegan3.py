"""Small StyleGAN3 generators with random weights for tests."""

import torch

from ganvas.generators.stylegan3.architecture import StyleGAN3Architecture
from ganvas.generators.stylegan3.generator import StyleGAN3


def small_stylegan3(
    resolution: int = 32,
    *,
    kernel: int = 3,
    radial: bool = False,
    layers: int = 4,
    width: int = 5,
    margin: int = 3,
    label_dim: int = 0,
    clamp: float | None = 256.0,
    dtype: torch.dtype = torch.float32,
) -> StyleGAN3:
    """Return a generator whose biases, magnitudes and steering are not trivial, so that nothing passes unseen."""
    torch.manual_seed(resolution + kernel)
    channels = tuple(4 + i % 3 for i in range(layers))
    sizes = (width + 1, width, (width,) * 2)
    architecture = StyleGAN3Architecture(
        resolution, channels, kernel, radial, *sizes, label_dim, clamp=clamp, margin=margin
    )
    generator = StyleGAN3(architecture).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("bias"):
            parameter.add_(0.2 * torch.randn_like(parameter))
    generator.synthesis.input.affine.weight.normal_(std=0.3)
    generator.mapping.w_avg.normal_()
    for _, layer in generator.synthesis.named_layers():
        layer.magnitude.fill_(0.7)
    return generator.to(dtype)
