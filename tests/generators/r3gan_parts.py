"""R3GAN a second time: small generators, and the published network by its own names, of torch's modules alone."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.generators.r3gan.generator import R3GAN, R3GANArchitecture, initialize

SMALL = R3GANArchitecture.of_maps((24, 16, 16, 8), z_dim=7)


def small_r3gan(architecture: R3GANArchitecture = SMALL, dtype: torch.dtype = torch.float32) -> R3GAN:
    """Return a generator in which no weight is zero, so that nothing passes unseen."""
    generator, random = R3GAN(architecture), torch.Generator().manual_seed(1)
    initialize(generator, random)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("conv2.weight", "bias", "embedding")):
                parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.2)
    return generator.eval().requires_grad_(False).to(dtype)


class Published(nn.Module):
    """The forward pass of Huang et al. 2024 on tensors of published names."""

    def __init__(self, named: dict[str, Tensor], stages: int, blocks: int) -> None:
        super().__init__()
        self.named, self.stages, self.blocks = named, stages, blocks

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return images."""
        named = self.named
        if label is not None:
            z = torch.cat([z, label @ named["EmbeddingLayer.weight"].T], dim=1)
        first = "MainLayers.0.Layers.0"
        x = named[f"{first}.Basis"][None] * (z @ named[f"{first}.LinearLayer.weight"].T)[:, :, None, None]
        for stage in range(self.stages):
            if stage:
                x = self._up(x, f"MainLayers.{stage}.Layers.0")
            for block in range(1, self.blocks + 1):
                x = x + self._residual(x, f"MainLayers.{stage}.Layers.{block}")
        return F.conv2d(x, named["AggregationLayer.Layer.weight"])

    def _up(self, x: Tensor, place: str) -> Tensor:
        """Insert zeros, then convolve with the stored kernel times four."""
        if f"{place}.LinearLayer.Layer.weight" in self.named:
            x = F.conv2d(x, self.named[f"{place}.LinearLayer.Layer.weight"])
        count, channels, height, width = x.shape
        spread = x.new_zeros(count, channels, 2 * height, 2 * width)
        spread[..., ::2, ::2] = x
        kernel = 4 * self.named[f"{place}.Resampler.Kernel"].flip(0, 1)
        return F.conv2d(F.pad(spread, (2, 1, 2, 1)), kernel.expand(channels, 1, 4, 4), groups=channels)

    def _residual(self, x: Tensor, place: str) -> Tensor:
        weights = [self.named[f"{place}.LinearLayer{number}.Layer.weight"] for number in (1, 2, 3)]
        y = F.conv2d(x, weights[0])
        y = F.leaky_relu(y + self.named[f"{place}.NonLinearity1.Bias"][:, None, None], 0.2)
        y = F.conv2d(y, weights[1], padding=1, groups=y.shape[1] // weights[1].shape[1])
        y = F.leaky_relu(y + self.named[f"{place}.NonLinearity2.Bias"][:, None, None], 0.2)
        return F.conv2d(y, weights[2])


def published_names(generator: R3GAN) -> dict[str, Tensor]:
    """Return the weights of a generator under the names that the published code gives them."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    named = {"AggregationLayer.Layer.weight": generator.colors.conv.weight}
    if generator.embedding is not None:
        named["EmbeddingLayer.weight"] = generator.embedding
    for number, stage in enumerate(generator.blocks.values()):
        place = f"MainLayers.{number}.Layers"
        if number == 0:
            named[f"{place}.0.Basis"] = stage.transition.basis
            named[f"{place}.0.LinearLayer.weight"] = stage.transition.weight
        else:
            named[f"{place}.0.Resampler.Kernel"] = torch.outer(taps, taps)
            if stage.transition.conv is not None:
                named[f"{place}.0.LinearLayer.Layer.weight"] = stage.transition.conv.weight
        for block, residual in enumerate(stage.residuals, start=1):
            for layer in (1, 2, 3):
                weight = residual.get_submodule(f"conv{layer - 1}").weight
                named[f"{place}.{block}.LinearLayer{layer}.Layer.weight"] = weight
            for layer in (1, 2):
                named[f"{place}.{block}.NonLinearity{layer}.Bias"] = residual.get_submodule(f"act{layer - 1}").bias
    return {name: tensor.detach().clone() for name, tensor in named.items()}
