"""The networks and heads of LPIPS with random weights, as the files that people have."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

VGG_PLAN = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
VGG_TAPS, ALEX_TAPS = (3, 8, 15, 22, 29), (1, 4, 7, 9, 11)
VGG_WIDTHS, ALEX_WIDTHS = (64, 128, 256, 512, 512), (64, 192, 384, 256, 256)


def vgg() -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 3
    for step in VGG_PLAN:
        if step == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(inputs, int(step), 3, padding=1), nn.ReLU()]
            inputs = int(step)
    return nn.Sequential(*layers)


def alexnet() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


def network_weights(layers: nn.Sequential) -> dict[str, Tensor]:
    """Return a state dict with the names of torchvision."""
    return {f"features.{key}": value for key, value in layers.state_dict().items()}


def head_weights(widths: tuple[int, ...]) -> dict[str, Tensor]:
    """Return a state dict with the names of the package lpips, of weights from 0 to 1."""
    return {f"lin{number}.model.1.weight": torch.rand(1, width, 1, 1) for number, width in enumerate(widths)}


def saved(folder: Path, network: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> tuple[Path, Path]:
    """Return the paths of both files."""
    paths = folder / "network.pth", folder / "heads.pth"
    for path, tensors in zip(paths, (network, heads), strict=True):
        torch.save(dict(tensors), path)
    return paths


def alex_files(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Return the paths of an AlexNet and its heads, drawn from a seed."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    return saved(folder, network_weights(alexnet()), head_weights(ALEX_WIDTHS))
