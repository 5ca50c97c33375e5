"""Weights of the shapes of FID's Inception network, drawn from a seed."""

import json
from pathlib import Path

import torch
from torch import Tensor

VECTORS = Path(__file__).parent / "vectors" / "inception.json"


def shapes() -> dict[str, list[int]]:
    return json.loads(VECTORS.read_text("utf-8"))["shapes"]


def random_weights(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """Return weights under which no map dies: kernels of He's scale, gains and variances near 1."""
    random, tensors = torch.Generator().manual_seed(7), {}
    for name, shape in sorted(shapes.items()):
        noise = torch.randn(shape, generator=random)
        if name.endswith("conv.weight"):
            tensors[name] = noise * (2 / noise[0].numel()) ** 0.5
        elif name.endswith(("running_var", "bn.weight")):
            tensors[name] = 1 + 0.1 * noise.clamp(-3, 3)
        else:
            tensors[name] = 0.1 * noise
    return tensors


def images() -> Tensor:
    """Return two images [2, 3, 64, 48] in [-1, 1]."""
    return torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(8)) * 2 - 1
