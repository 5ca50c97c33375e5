"""Linear generators that satisfy the protocol and have closed forms: image = reshape(M code)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganvas.generators.base import IMAGE, Conditions, GeneratorBase, Painted, Request
from ganvas.generators.codes import broadcast_layers, check_space, sample_normal, truncate
from ganvas.latents.spaces import to_space


class LinearGenerator(GeneratorBase):
    """A generator with z only. M holds small whole numbers, so that float32 sums of its products are exact."""

    spaces: tuple[str, ...] = ("z",)
    layers = 0
    feature_names: tuple[str, ...] = ("paint",)
    device = torch.device("cpu")

    def __init__(self, width: int = 6, resolution: int = 8, dtype: torch.dtype = torch.float32) -> None:
        self.resolution, self.width = resolution, width
        random = torch.Generator().manual_seed(0)
        inputs = width * max(1, self.layers)
        self.matrix = torch.randint(-3, 4, (3 * resolution**2, inputs), generator=random).to(dtype)

    @property
    def code_dtype(self) -> torch.dtype:
        return self.matrix.dtype

    def dimensions(self, space: str) -> tuple[int, ...]:
        check_space(space, self.spaces)
        return (self.layers, self.width) if space == "w+" else (self.width,)

    def sample(self, seeds: Sequence[int]) -> Tensor:
        return sample_normal(seeds, self.width).to(self.matrix)

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        codes = to_space(self, codes, space, "w+" if "w+" in self.spaces else "z")
        images = (codes.flatten(1) @ self.matrix.T).unflatten(1, (3, self.resolution, self.resolution))
        return request.start[1] if request.start else images, dict.fromkeys(request.wanted, images)


class LayeredGenerator(LinearGenerator):
    """A generator with z, w and w+: w = 2 z + average, and one block of M for each of three layers."""

    spaces: tuple[str, ...] = ("z", "w", "w+")
    layers = 3

    def __init__(self, width: int = 6, resolution: int = 8, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(width, resolution, dtype)
        self.average = torch.arange(width).to(dtype)

    def map_z(self, z: Tensor, to: str, given: Conditions) -> Tensor:
        ws = broadcast_layers(2 * z + self.average, "w", self.layers, self.width)
        ws = truncate(ws, self.average, given.truncation, given.truncation_layers)
        return ws[:, 0] if to == "w" else ws

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        if space == "z":
            codes, space = self.map_z(codes, "w+", given), "w+"
        return super().paint(codes, space, given, request)


def gram(generator: LinearGenerator, mask: Tensor) -> Tensor:
    """Return the closed form M^T diag(m) M for a mask [1, h, w], the same for all channels; float64."""
    matrix = generator.matrix.double()
    return matrix.T @ (mask.double().flatten().repeat(3)[:, None] * matrix)
