"""A generator whose code is a shift: image and feature map are a smooth pattern moved by (x, y), so that the codes
that a drag has to find are known in closed form.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganvas.drag.session import DragSession, open_drag
from ganvas.generators.base import IMAGE, Conditions, GeneratorBase, Painted, Request
from ganvas.generators.codes import check_space, sample_normal
from ganvas.latents.latent import Latent

WAVES = 12


class SlidingGenerator(GeneratorBase):
    """z = (x, y, unused) moves the pattern by ``10 (x, y)`` percent of the width. The map "f" has half the size of the
    image; with a `margin`, it also shows so much (a fraction of the width) beyond each edge. A `broken` one gives
    nan.
    """

    spaces: tuple[str, ...] = ("z",)
    layers = 0
    feature_names: tuple[str, ...] = ("f", "late")
    device = torch.device("cpu")

    def __init__(self, resolution: int = 64, margin: float = 0.0, broken: bool = False) -> None:
        self.resolution, self.margin, self.broken = resolution, margin, broken
        random = torch.Generator().manual_seed(0)
        self.frequencies = torch.randint(1, 5, (WAVES, 2), generator=random).double() * 2 * torch.pi
        self.phases = torch.rand(WAVES, generator=random).double() * 2 * torch.pi

    def extent(self, name: str) -> tuple[float, float, float, float]:
        return (-self.margin, -self.margin, 1 + self.margin, 1 + self.margin)

    def dimensions(self, space: str) -> tuple[int, ...]:
        check_space(space, self.spaces)
        return (3,)

    def sample(self, seeds: Sequence[int]) -> Tensor:
        return sample_normal(seeds, 3)

    def pattern(self, codes: Tensor, pixels: int, margin: float) -> Tensor:
        """Return [n, waves, pixels, pixels]: waves across the plane, moved by the codes."""
        places = ((torch.arange(pixels) + 0.5) / pixels * (1 + 2 * margin) - margin).double()
        shift = 0.1 * codes.double()
        x, y = places - shift[:, :1], places - shift[:, 1:2]  # [n, pixels]
        waves = self.frequencies[:, 0, None] * x[:, None], self.frequencies[:, 1, None] * y[:, None]
        moved = torch.sin(waves[0][:, :, None, :] + waves[1][:, :, :, None] + self.phases[:, None, None])
        return (moved + (torch.nan if self.broken else 0)).to(codes.dtype)

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        size, margin = {"f": self.resolution // 2, "late": self.resolution}, self.margin
        maps = {name: self.pattern(codes, round(size[name] * (1 + 2 * margin)), margin) for name in request.wanted}
        return self.pattern(codes, self.resolution, 0.0)[:, :3], maps


def sliding_session(generator: SlidingGenerator | None = None) -> DragSession:
    """Return the session of the pattern that nothing has moved yet."""
    return open_drag(generator or SlidingGenerator(), Latent(torch.zeros(1, 3), "z"))
