"""The parts of BigGAN-deep's generator (Brock et al. 2019, appendix B), each with its derivative beside its formula.

As in StyleGAN2's parts, ``linearize`` computes a part at one point and returns its output with a function that pushes
tangents of the map and of the condition through; all tangents share the one primal pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.generators import ops

Push = Callable[[Tensor, Tensor], Tensor]
"""Takes tangents of the map below [n, c, h, w] and of the condition's code [n, d]; may change the former in place."""
KEY_REDUCTION, VALUE_REDUCTION = 8, 2


@dataclass(frozen=True)
class Condition:
    """What every block is conditioned on: the code ``(z psi, embedding of the class)``, and weights of the statistics.

    `code` has one row, or one for each map; `table` are the weights of `statistics_weights`, the same for all rows.
    """

    code: Float[Tensor, "n d"]
    table: Float[Tensor, "statistics"]

    def rows(self, chosen: slice) -> "Condition":
        """Return the condition of some rows."""
        return Condition(self.code[chosen], self.table)


def statistics_weights(count: int, truncation: float, *, official: bool = False) -> Float[Tensor, "count"]:
    """Return the weights of a table's rows, taken at truncations 0, 1 / (count - 1), ..., 1, at one `truncation`.

    Linear interpolation. `official` repeats pytorch-pretrained-BigGAN, which gives the fraction to the lower row
    instead of the upper one, also where rounding alone makes it: 0.14, 0.28, 0.56, 0.58 and 0.94 of 51 rows.
    """
    weights = torch.zeros(count)
    if official:
        position = truncation / (1 / (count - 1))
        lower = int(position)
        upper_share = 1 - (position - lower) if position != lower else 0.0
    else:
        position = truncation * (count - 1)
        lower = min(int(position), count - 1)
        upper_share = position - lower
    weights[lower] = 1 - upper_share
    if upper_share:
        weights[lower + 1] = upper_share
    return weights


class Norm(nn.Module):
    """Batch normalization by the statistics of one truncation, then ReLU: ``relu(a x + b)`` with a and b per channel.

    ``means``, ``variances`` [statistics, channels] are the running statistics at each truncation. In training mode the
    batch's own statistics count instead, and the kept ones stay as they are.
    """

    means: Tensor
    variances: Tensor

    def __init__(self, channels: int, statistics: int, epsilon: float) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(statistics, channels))
        self.register_buffer("variances", torch.ones(statistics, channels))
        self.epsilon = epsilon

    def statistics(self, table: Float[Tensor, "statistics"]) -> tuple[Float[Tensor, "c"], Float[Tensor, "c"]]:
        """Return the mean and one over the std."""
        return table @ self.means, (table @ self.variances + self.epsilon).rsqrt()

    def affine(self, condition: Condition) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
        """Return a and b."""
        mean, inverse = self.statistics(condition.table)
        scale, offset = self.gains(condition)
        a = scale * inverse
        return a, offset - mean * a

    def gains(self, condition: Condition) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
        """Return scale and offset of the normalized map."""
        raise NotImplementedError

    def push_affine(self, condition: Condition, dcode: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the tangents of a and b, None where they do not depend on the code."""
        return None

    def forward(self, x: Float[Tensor, "n c h w"], condition: Condition) -> Float[Tensor, "n c h w"]:
        """Return the normalized map, not below zero."""
        if self.training:
            x = F.batch_norm(x, None, None, training=True, eps=self.epsilon)
        a, b = self.gains(condition) if self.training else self.affine(condition)
        return torch.addcmul(ops.per_channel(b, x), x, ops.per_channel(a, x)).relu_()

    def linearize(self, x: Float[Tensor, "1 c h w"], condition: Condition) -> tuple[Tensor, Push]:
        """Return the output at one point and its derivative ``a dx + x da + db`` where the output is above zero."""
        a, _ = self.affine(condition)
        y = self.forward(x, condition)
        kept = (y > 0).to(y.dtype)
        slopes, x_kept = ops.per_channel(a, x) * kept, x * kept

        def push(dx: Tensor, dcode: Tensor) -> Tensor:
            moved = self.push_affine(condition, dcode)
            if moved is None:
                return dx.mul_(slopes)
            da, db = (ops.per_channel(part, x) for part in moved)
            return torch.addcmul(kept * db, x_kept, da).addcmul_(dx, slopes)

        return y, push


class ConditionalNorm(Norm):
    """``(x - mean) / std (1 + W_a c) + W_b c`` with the condition's code c."""

    def __init__(self, channels: int, code: int, statistics: int, epsilon: float) -> None:
        super().__init__(channels, statistics, epsilon)
        self.scale = nn.Parameter(torch.zeros(channels, code))
        self.offset = nn.Parameter(torch.zeros(channels, code))

    def gains(self, condition: Condition) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
        """Return ``1 + W_a c`` and ``W_b c``."""
        return 1 + F.linear(condition.code, self.scale), F.linear(condition.code, self.offset)

    def push_affine(self, condition: Condition, dcode: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tangents of a and b; both are affine in the code."""
        mean, inverse = self.statistics(condition.table)
        da = F.linear(dcode, self.scale) * inverse
        return da, F.linear(dcode, self.offset) - mean * da


class PlainNorm(Norm):
    """``(x - mean) / std scale + offset``, the same for every code: the last one, before the colors."""

    def __init__(self, channels: int, statistics: int, epsilon: float) -> None:
        super().__init__(channels, statistics, epsilon)
        self.scale = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def gains(self, condition: Condition) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
        """Return scale and offset, one row."""
        return self.scale[None], self.offset[None]


class Convolution(nn.Module):
    """A convolution with bias; where `up`, each pixel is first repeated twice in both directions."""

    def __init__(self, inputs: int, outputs: int, size: int, *, up: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.up = up

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Return the convolved map."""
        bias = None if self.bias is None else self.bias.to(self.weight.dtype)
        return self.prepared(bias)(x)

    def prepared(self, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Return the linear part, which is its own derivative, with what can be computed beforehand; plus a `bias`."""
        if self.weight.shape[-1] == 1:  # a product of matrices, faster as such than as a convolution
            mix = self.weight[:, :, 0, 0]
            return lambda x: F.linear(x.permute(0, 2, 3, 1), mix, bias).permute(0, 3, 1, 2)
        if not self.up:
            return lambda x: F.conv2d(x, self.weight, bias, padding=self.weight.shape[-1] // 2)
        taps = ops.doubled_taps(self.weight)
        return lambda x: ops.convolve_doubled(x, taps, bias)


class Block(nn.Module):
    """A bottleneck (Fig. 16): four times normalize, ReLU and convolve (1x1, 3x3, 3x3, 1x1), and a shortcut.

    The shortcut drops channels from the end instead of mixing them, and repeats pixels where the block doubles the
    size.
    """

    def __init__(self, inputs: int, outputs: int, middle: int, code: int, statistics: int, epsilon: float, up: bool):
        super().__init__()
        widths = (inputs, middle, middle, middle)
        self.norms = nn.ModuleList(ConditionalNorm(width, code, statistics, epsilon) for width in widths)
        self.convs = nn.ModuleList(
            (
                Convolution(inputs, middle, 1),
                Convolution(middle, middle, 3, up=up),
                Convolution(middle, middle, 3),
                Convolution(middle, outputs, 1),
            )
        )
        self.up, self.outputs = up, outputs

    def layers(self) -> list[tuple[ConditionalNorm, Convolution]]:
        """Return normalizations and the convolutions that follow them, in order."""
        pairs = zip(self.norms, self.convs, strict=True)
        return [(cast(ConditionalNorm, norm), cast(Convolution, conv)) for norm, conv in pairs]

    def forward(self, x: Float[Tensor, "n i h w"], condition: Condition) -> Float[Tensor, "n o h2 w2"]:
        """Return the block's map from the one below."""
        y = x
        for norm, conv in self.layers():
            y = conv(norm(y, condition))
        return self.add_shortcut(y, x)

    def add_shortcut(self, y: Float[Tensor, "n o h2 w2"], x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Add the shortcut to `y`; without gradients in place, so that no doubled copy of x is made."""
        kept = x[:, : self.outputs]
        if torch.is_grad_enabled() and y.requires_grad:
            return y + (F.interpolate(kept, scale_factor=2, mode="nearest") if self.up else kept)
        if not self.up:
            return y.add_(kept)
        height, width = x.shape[2:]
        y.unflatten(3, (width, 2)).unflatten(2, (height, 2)).add_(kept[:, :, :, None, :, None])
        return y

    def linearize(self, x: Float[Tensor, "1 i h w"], condition: Condition) -> tuple[Tensor, Push]:
        """Return the map at one point and its derivative in (map below, code)."""
        y, pushes = x, list[tuple[Push, Callable[[Tensor], Tensor]]]()
        for norm, conv in self.layers():
            y, push_norm = norm.linearize(y, condition)
            pushes.append((push_norm, conv.prepared()))
            y = conv(y)

        def push(dx: Tensor, dcode: Tensor) -> Tensor:
            dy = dx
            for push_norm, convolve in pushes:
                dy = convolve(push_norm(dy, dcode))
            return self.add_shortcut(dy, dx)

        return self.add_shortcut(y, x), push


class Attention(nn.Module):
    """Self-attention over all places of a map (Zhang et al. 2019), keys and values taken from 2x2 maxima.

    ``y = x + gain W_o V softmax(Q^T K)^T`` with Q = W_q x, K = max(W_k x), V = max(W_v x).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner, values = channels // KEY_REDUCTION, channels // VALUE_REDUCTION
        self.query = Convolution(channels, inner, 1, bias=False)
        self.key = Convolution(channels, inner, 1, bias=False)
        self.value = Convolution(channels, values, 1, bias=False)
        self.out = Convolution(values, channels, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros([]))

    def forward(self, x: Float[Tensor, "n c h w"], condition: Condition) -> Float[Tensor, "n c h w"]:
        """Return the map with what each place gathered from all others added."""
        queries = self.query(x).flatten(2)  # [n, inner, places]
        keys = F.max_pool2d(self.key(x), 2).flatten(2)  # [n, inner, places / 4]
        values = F.max_pool2d(self.value(x), 2).flatten(2)
        return self._add(x, values @ attend(queries, keys).transpose(1, 2))

    def _add(self, x: Tensor, gathered: Float[Tensor, "n v p"]) -> Tensor:
        return x + self.gain.to(x.dtype) * self.out(gathered.unflatten(2, tuple(x.shape[2:])))

    def linearize(self, x: Float[Tensor, "1 c h w"], condition: Condition) -> tuple[Tensor, Push]:
        """Return the map at one point and its derivative.

        With A = softmax(S), S = Q^T K and O = V A^T:  dA = A (dS - <A, dS>), so that
        ``dO = dV A^T + V (A dS)^T - O <A, dS>^T``, where <A, dS> sums over the keys of each place.
        """
        queries = self.query(x).flatten(2)
        keys, key_places = (part.flatten(2) for part in F.max_pool2d(self.key(x), 2, return_indices=True))
        values, value_places = (part.flatten(2) for part in F.max_pool2d(self.value(x), 2, return_indices=True))
        attention = attend(queries, keys)  # [1, places, places / 4]
        gathered = values @ attention.transpose(1, 2)

        def push(dx: Tensor, dcode: Tensor) -> Tensor:
            dqueries = self.query(dx).flatten(2)
            dkeys, dvalues = _pick(self.key(dx), key_places), _pick(self.value(dx), value_places)
            moved = dqueries.transpose(1, 2) @ keys
            moved = moved.baddbmm_(queries.transpose(1, 2).expand(len(dx), -1, -1), dkeys).mul_(attention)  # A dS
            dgathered = dvalues @ attention.transpose(1, 2) + values @ moved.transpose(1, 2)
            dgathered -= gathered * moved.sum(dim=2)[:, None]
            return self._add(dx, dgathered)

        return self._add(x, gathered), push


def attend(queries: Float[Tensor, "n i p"], keys: Float[Tensor, "n i q"]) -> Float[Tensor, "n p q"]:
    """Return how much each place takes from each key, ``softmax(Q^T K)``: rows of sum one.

    In the precision of the maps, also under autocast: these are the largest tensors of all, and sums are taken in
    float32 either way.
    """
    products = queries.transpose(1, 2) @ keys
    with torch.autocast(products.device.type, enabled=False):
        return products.softmax(dim=2)


def _pick(maps: Float[Tensor, "n c h w"], places: Tensor) -> Float[Tensor, "n c q"]:
    """Return the values at the places of the maxima [1, c, q]: the derivative of maxima pooling."""
    return maps.flatten(2).gather(2, places.expand(len(maps), -1, -1))
