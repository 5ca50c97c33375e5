"""Images that the tests of images share."""

import torch

from ganvas.images import pixels


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def smooth(count: int, side: int, seed: int = 0) -> torch.Tensor:
    return pixels.resize(noise(count, 3, 6, 6, seed=seed), side, side)


def exact(image: torch.Tensor) -> torch.Tensor:
    return pixels.from_bytes(pixels.to_bytes(image))
