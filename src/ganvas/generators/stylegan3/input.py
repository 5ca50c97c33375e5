"""Where a StyleGAN3's image begins: a map of sinusoids, which is a continuous signal that can be moved and turned.

Written from Karras et al. 2021, section 3.2 "Fourier features" and appendix F. Positions are in fractions of the
image's width from its center, x to the right and y down.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import LatentError
from ganvas.generators import ops
from ganvas.generators.styles import Affine


def placement(rotate: float = 0.0, translate: tuple[float, float] = (0.0, 0.0)) -> Float[Tensor, "3 3"]:
    """Return the matrix that turns an image about its center by `rotate` degrees counter-clockwise as seen, then moves
    it by `translate` = (x, y) in fractions of its width, right and down; float64.

    It takes a point of the unmoved image to where it is afterwards.
    """
    angle = math.radians(rotate)
    cosine, sine = math.cos(angle), math.sin(angle)
    rows = [[cosine, sine, translate[0]], [-sine, cosine, translate[1]], [0.0, 0.0, 1.0]]
    # On the CPU, even where a module is built on the meta device.
    return torch.tensor(rows, dtype=torch.float64, device="cpu")


def check_placement(matrix: Tensor) -> None:
    """Raise `LatentError` unless `matrix` is an invertible affine map of the plane."""
    if tuple(matrix.shape) != (3, 3) or not matrix.is_floating_point() or not matrix.isfinite().all():
        raise LatentError(f"A transform is a 3x3 matrix of finite numbers; this has shape {list(matrix.shape)}.")
    if not torch.equal(matrix[2].cpu(), matrix.new_tensor([0, 0, 1]).cpu()) or abs(float(matrix.det())) < 1e-6:
        raise LatentError("A transform has the last row 0, 0, 1 and can be undone: use placement(rotate, translate).")


def moved_waves(
    steering: Float[Tensor, "n 4"],
    frequencies: Float[Tensor, "c 2"],
    phases: Float[Tensor, "c"],
    inverse: Float[Tensor, "3 3"],
) -> tuple[Float[Tensor, "n c 2"], Float[Tensor, "n c"]]:
    """Return frequencies and phases of the waves ``sin 2 pi (f . p + phase)`` once moved, one set per row.

    `steering` (cos, sin, x, y), of any length of its first two, is the turn and the move that the network itself
    chooses by w (appendix F); `inverse` undoes the user's: p' = R (inverse p - t), and f . p' is linear in p.
    """
    steering = steering / steering[:, :2].norm(dim=1, keepdim=True)
    cosine, sine, *shift = steering.unbind(1)
    fx, fy = frequencies.T
    # f^T R, as rows of the matrix product.
    turned = torch.stack([cosine[:, None] * fx + sine[:, None] * fy, cosine[:, None] * fy - sine[:, None] * fx], dim=2)
    inverse = inverse.to(frequencies)
    offset = inverse[:2, 2] - torch.stack(shift, dim=1)  # [n, 2]
    return turned @ inverse[:2, :2], phases + (turned @ offset[:, :, None])[:, :, 0]


def _over_disc(draw: Float[Tensor, "c 2"]) -> Float[Tensor, "c 2"]:
    """Return points uniform over the unit disc, by a normal draw's direction and the distribution of its length."""
    radii = draw.norm(dim=1, keepdim=True)
    return draw / radii * (1 - (-radii.square() / 2).exp()).sqrt()


class FourierInput(nn.Module):
    """Sinusoids on a grid with a margin, mixed by a matrix. Frequencies beyond what the grid holds fade away."""

    frequencies: Tensor
    phases: Tensor

    def __init__(self, channels: int, w_dim: int, size: int, rate: int, bandwidth: float) -> None:
        super().__init__()
        self.affine = Affine(w_dim, 4)
        self.weight = nn.Parameter(ops.normal(channels, channels))
        waves = ops.with_memory(ops.normal(channels, 2), lambda draw: _over_disc(draw) * bandwidth)
        self.register_buffer("frequencies", waves)
        self.register_buffer("phases", ops.with_memory(torch.empty(channels), lambda empty: empty.uniform_() - 0.5))
        self.affine.weight = nn.Parameter(torch.zeros(4, w_dim))
        self.affine.bias = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.size, self.rate, self.bandwidth = size, rate, bandwidth
        self.gain = 1 / math.sqrt(channels)

    def forward(self, steering: Float[Tensor, "n 4"], inverse: Float[Tensor, "3 3"]) -> Float[Tensor, "n c h w"]:
        """Return the map for each row, `inverse` being the inverse of the user's transform."""
        frequencies, phases = moved_waves(steering, self.frequencies, self.phases, inverse)
        fade = (1 - (frequencies.norm(dim=2) - self.bandwidth) / (self.rate / 2 - self.bandwidth)).clamp(0, 1)
        position = (torch.arange(self.size, device=phases.device, dtype=phases.dtype) + 0.5 - self.size / 2) / self.rate
        across = frequencies[:, None, :, 0] * position[:, None]  # [n, w, c]
        down = frequencies[:, None, :, 1] * position[:, None] + phases[:, None]  # [n, h, c]
        waves = (2 * math.pi * (across[:, None] + down[:, :, None])).sin()  # [n, h, w, c]
        mixing = self.weight.T * self.gain * fade[:, :, None]  # [n, c, c]
        mixed = waves.flatten(1, 2) @ mixing
        return mixed.unflatten(1, (self.size, self.size)).permute(0, 3, 1, 2)

    def linearize(
        self, steering: Float[Tensor, "1 4"], inverse: Float[Tensor, "3 3"]
    ) -> tuple[Float[Tensor, "1 c h w"], Float[Tensor, "4 c h w"]]:
        """Return the map, and its derivative in each of the four numbers that steer it."""
        rows = steering.new_zeros(4, 4).fill_diagonal_(1)

        def along(row: Tensor) -> Tensor:
            return torch.func.jvp(lambda s: self.forward(s, inverse), (steering.contiguous(),), (row[None],))[1][0]

        columns = torch.stack([along(row) for row in rows])
        return self.forward(steering, inverse), columns.contiguous(memory_format=torch.channels_last)
