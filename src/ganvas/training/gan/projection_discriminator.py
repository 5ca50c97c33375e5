"""BigGAN-deep's discriminator (Brock et al. 2019, Fig. 16c) with projection (Miyato and Koyama 2018): the score of an
image x of class y is

    D(x, y) = w . h(x) + b + e_y . h(x),    h(x) = sum over places of relu(features of x)

with the classes' embedding e. All weights are spectrally normalized.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ganvas.generators.biggan.layers import KEY_REDUCTION, VALUE_REDUCTION, attend
from ganvas.training.gan.spectral import SpectralConvolution, SpectralWeight

MIDDLE_REDUCTION = 4


class Bottleneck(nn.Module):
    """Four times ReLU and convolve (1x1, 3x3, 3x3, 1x1), where `down` averaged to half the size before the last, and a
    shortcut that keeps its channels and adds new ones by a 1x1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, random: torch.Generator, *, down: bool) -> None:
        super().__init__()
        middle = outputs // MIDDLE_REDUCTION
        sizes = ((inputs, middle, 1), (middle, middle, 3), (middle, middle, 3), (middle, outputs, 1))
        self.convs = nn.ModuleList(SpectralConvolution(*size, random) for size in sizes)
        self.added = SpectralConvolution(inputs, outputs - inputs, 1, random) if outputs > inputs else None
        self.down = down

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Return the block's map."""
        *first, last = self.convs
        y = x
        for conv in first:
            y = conv(F.relu(y))
        y = F.relu(y)
        if self.down:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        kept = x if self.added is None else torch.cat([x, self.added(x)], dim=1)
        return last(y) + kept


class SpectralAttention(nn.Module):
    """Self-attention (Zhang et al. 2019), as the generator's `ganvas.generators.biggan.layers.Attention`."""

    def __init__(self, channels: int, random: torch.Generator) -> None:
        super().__init__()
        inner, values = channels // KEY_REDUCTION, channels // VALUE_REDUCTION
        self.query, self.key, self.value, self.out = (
            SpectralConvolution(inputs, outputs, 1, random, bias=False)
            for inputs, outputs in ((channels, inner), (channels, inner), (channels, values), (values, channels))
        )
        self.gain = nn.Parameter(torch.zeros([]))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the map with what each place gathered from all others added."""
        keys, values = (F.max_pool2d(part(x), 2).flatten(2) for part in (self.key, self.value))
        gathered = values @ attend(self.query(x).flatten(2), keys).transpose(1, 2)
        return x + self.gain * self.out(gathered.unflatten(2, tuple(x.shape[2:])))


class ProjectionDiscriminator(nn.Module):
    """Images [n, 3, r, r] and class numbers [n] to scores [n].

    ``channels`` are those of the maps of 4, 8, ..., r pixels; each is reached by `depth` blocks, of which the first
    halves the size. Attention follows at r / 2 pixels. Initial weights are drawn from `random`.
    """

    def __init__(self, channels: tuple[int, ...], classes: int, depth: int, random: torch.Generator) -> None:
        super().__init__()
        widths = tuple(reversed(channels))
        self.colors = SpectralConvolution(3, widths[0], 3, random)
        stages: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            stages += [Bottleneck(inputs if i == 0 else outputs, outputs, random, down=i == 0) for i in range(depth)]
            stages += [SpectralAttention(outputs, random)] if number == 0 else []
        self.stages = nn.ModuleList(stages)
        self.score = SpectralWeight((1, channels[0]), random)
        self.bias = nn.Parameter(torch.zeros(1))
        self.embedding = SpectralWeight((classes, channels[0]), random)

    def features(self, images: Float[Tensor, "n 3 r r"]) -> Float[Tensor, "n c"]:
        """Return h(x), float32."""
        x = self.colors(images.contiguous(memory_format=torch.channels_last))
        for stage in self.stages:
            x = stage(x)
        return F.relu(x).sum(dim=(2, 3), dtype=torch.float32)

    def forward(self, images: Float[Tensor, "n 3 r r"], classes: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Return scores: logits of "real, and of this class"."""
        weights = self.score() + self.embedding()[classes]
        return (self.features(images) * weights).sum(dim=1) + self.bias
