"""A discriminator for a handful of images: small heads on the maps of the frozen feature network.

A new discriminator would memorize eight images before it has learned to see. One on pretrained features needs few
weights and scores patches, of which a handful of images has many (Projected GANs, Sauer et al. 2021, section 3; patches
for few images: Ojha et al. 2021, section 3.2).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.metrics.features import FeatureNetwork
from ganvas.training.gan.discriminators import EqualConvolution

WIDTH = 64
FIRST_MAP = 1  # map 0, of the size of the image, separates noise from no noise and little else


class FeatureDiscriminator(nn.Module):
    """Images [n, 3, h, w] to scores of their patches, one [n, patches] for every map of the feature network except the
    finest. The channels are standardized by the statistics of `known` images [k, 3, h, w].
    """

    def __init__(self, network: FeatureNetwork, known: Float[Tensor, "k 3 h w"]) -> None:
        super().__init__()
        self._network = (network,)  # in a tuple it is no submodule: neither trained nor saved
        with torch.no_grad():
            statistics = [_channel_statistics(feature) for feature in network.maps(known)[FIRST_MAP:]]
        self.heads = nn.ModuleList(Head(mean, std) for mean, std in statistics)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _patches"]]:
        """Return the scores of patches, logits of "real", from the finest map to the coarsest."""
        maps = self._network[0].maps(images)[FIRST_MAP:]
        return [head(feature) for head, feature in zip(self.heads, maps, strict=True)]


class Head(nn.Module):
    """A map to the scores of its patches, one for each pixel; the map's channels are standardized first."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Float[Tensor, "1 c 1 1"], std: Float[Tensor, "1 c 1 1"]) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.enter = EqualConvolution(mean.shape[1], WIDTH, 3)
        self.refine = EqualConvolution(WIDTH, WIDTH, 3)
        self.score = EqualConvolution(WIDTH, 1, 1, linear=True)

    def forward(self, feature: Float[Tensor, "n c h w"]) -> Float[Tensor, "n patches"]:
        """Return a score for every pixel of the map."""
        x = (feature - self.mean) / self.std
        return self.score(self.refine(self.enter(x))).flatten(1).float()


def _channel_statistics(feature: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "1 c 1 1"], Float[Tensor, "1 c 1 1"]]:
    """Return the mean and the standard deviation of every channel."""
    variance, mean = torch.var_mean(feature.float(), dim=(0, 2, 3), keepdim=True)
    return mean, variance.sqrt().clamp_min(1e-3)
