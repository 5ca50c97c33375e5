"""LPIPS: against a second writing from PyTorch's own layers, its properties, and wrong files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganvas.errors import CheckpointError, ImageError
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.terms import feature_distance
from ganvas.metrics.lpips import load_published

VGG_PLAN = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
VGG_TAPS, ALEX_TAPS = (3, 8, 15, 22, 29), (1, 4, 7, 9, 11)


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


def lpips(layers: nn.Sequential, taps: tuple[int, ...], heads: list[Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Zhang et al. 2018, Eq. 1: sum over layers of the mean over pixels of |w * (a - b)|^2 of unit vectors."""
    total = torch.zeros(len(a))
    maps = []
    for images in (a, b):
        shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        x = (images - shift[:, None, None]) / scale[:, None, None]
        seen = []
        for number, layer in enumerate(layers):
            x = layer(x)
            if number in taps:
                seen.append(x / x.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10))
        maps.append(seen)
    for x, y, head in zip(*maps, heads, strict=True):
        total += nn.functional.conv2d((x - y).square(), head).mean((1, 2, 3))
    return total


@pytest.mark.parametrize(
    ("make", "taps", "name"), [(vgg, VGG_TAPS, "LPIPS-VGG"), (alexnet, ALEX_TAPS, "LPIPS-Alex")], ids=["vgg", "alex"]
)
def test_agrees_with_a_second_implementation(tmp_path: Path, make: Callable[[], nn.Sequential], taps: tuple, name: str):
    torch.manual_seed(0)
    layers = make()
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()}, tmp_path / "trunk.pth")
    widths = [layers[tap - 1].weight.shape[0] for tap in taps]
    heads = [torch.rand(1, width, 1, 1) for width in widths]
    torch.save({f"lin{number}.model.1.weight": head for number, head in enumerate(heads)}, tmp_path / "heads.pth")
    features = load_published(tmp_path / "trunk.pth", tmp_path / "heads.pth")
    assert features.name == name
    assert isinstance(features, FeatureExtractor)
    a, b = torch.rand(2, 2, 3, 40, 48) * 2 - 1
    with torch.no_grad():
        ours, theirs = feature_distance(features(a), features(b)), lpips(layers, taps, heads, a, b)
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-7)
    assert not any(parameter.requires_grad for parameter in features.parameters())
    small = torch.zeros(1, 3, 15, 15)
    with pytest.raises(ImageError, match="too small for LPIPS"):
        features(small)


def test_distance_without_heads_weights_channels_equally(tmp_path: Path):
    """All channels count the same, and the name does not say LPIPS."""
    torch.manual_seed(0)
    layers = alexnet()
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()}, tmp_path / "trunk.pth")
    features = load_published(tmp_path / "trunk.pth")
    assert features.name == "Alex feature distance"
    a, b = torch.rand(2, 1, 3, 40, 40) * 2 - 1
    ones = [torch.ones(1, layers[tap - 1].weight.shape[0], 1, 1) for tap in ALEX_TAPS]
    assert torch.allclose(feature_distance(features(a), features(b)), lpips(layers, ALEX_TAPS, ones, a, b), rtol=1e-4)


def test_files_that_are_no_trunk_or_heads_are_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="There is no file"):
        load_published(tmp_path / "nowhere.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_published(tmp_path / "list.pth")
    torch.save({"features.0.weight": torch.zeros(64, 3, 5, 5)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="neither VGG-16 nor AlexNet"):
        load_published(tmp_path / "other.pth")
    trunk = {f"features.{key}": value for key, value in alexnet().state_dict().items()}
    lacking = {name: value for name, value in trunk.items() if name != "features.8.bias"}
    torch.save(lacking, tmp_path / "lacking.pth")
    with pytest.raises(CheckpointError, match=r"lack features\.8\.bias"):
        load_published(tmp_path / "lacking.pth")
    torch.save(trunk | {"features.8.bias": torch.full((256,), torch.nan)}, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match="not finite"):
        load_published(tmp_path / "nan.pth")
    torch.save(trunk, tmp_path / "trunk.pth")
    heads = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate((64, 192, 384, 256, 256))}
    torch.save(heads | {"lin1.model.1.weight": -torch.ones(1, 192, 1, 1)}, tmp_path / "negative.pth")
    with pytest.raises(CheckpointError, match="negative"):
        load_published(tmp_path / "trunk.pth", tmp_path / "negative.pth")
