"""LPIPS: against a second writing from PyTorch's own layers, its properties, its map, and wrong files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganvas.errors import CheckpointError, ImageError
from ganvas.inversion.features import FeatureExtractor, bundled_features, recorded_name
from ganvas.inversion.terms import feature_distance
from ganvas.metrics.locality import mask_mean
from ganvas.metrics.lpips import PublishedFeatures, load_published
from ganvas.regions import Region
from tests.metrics.lpips_weights import (
    ALEX_TAPS,
    ALEX_WIDTHS,
    VGG_TAPS,
    VGG_WIDTHS,
    alex_files,
    alexnet,
    head_weights,
    network_weights,
    saved,
    vgg,
)

NETWORKS = pytest.mark.parametrize(
    ("make", "taps", "widths", "name"),
    [(vgg, VGG_TAPS, VGG_WIDTHS, "LPIPS-VGG"), (alexnet, ALEX_TAPS, ALEX_WIDTHS, "LPIPS-Alex")],
    ids=["vgg", "alex"],
)


def squares(layers: nn.Sequential, taps: tuple[int, ...], heads: Sequence[Tensor], a: Tensor, b: Tensor) -> list:
    """Return |w * (a - b)|^2 of unit vectors for every layer, [n, 1, h, w] (Zhang et al. 2018, Eq. 1)."""
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
    return [nn.functional.conv2d((x - y).square(), head) for x, y, head in zip(*maps, heads, strict=True)]


def lpips(layers: nn.Sequential, taps: tuple[int, ...], heads: Sequence[Tensor], a: Tensor, b: Tensor) -> Tensor:
    return torch.stack([one.mean((1, 2, 3)) for one in squares(layers, taps, heads, a, b)]).sum(0)


def enlarging(size: int, wanted: int) -> np.ndarray:
    """Return the matrix [wanted, size] of bilinear enlarging between the centers of pixels, borders repeated."""
    matrix = np.zeros((wanted, size))
    for row in range(wanted):
        place = min(max((row + 0.5) * size / wanted - 0.5, 0), size - 1)
        low = int(place)
        matrix[row, low] += 1 - (place - low)
        matrix[row, min(low + 1, size - 1)] += place - low
    return matrix


@NETWORKS
@torch.no_grad()
def test_agrees_with_a_second_implementation(
    tmp_path: Path, make: Callable[[], nn.Sequential], taps: tuple[int, ...], widths: tuple[int, ...], name: str
):
    """The number and the map; symmetric, and 0 for equal images."""
    torch.manual_seed(0)
    layers, heads = make(), head_weights(widths)
    features = load_published(*saved(tmp_path, network_weights(layers), heads))
    assert features.name == name
    assert isinstance(features, FeatureExtractor)
    a, b = torch.rand(2, 2, 3, 40, 48) * 2 - 1
    ours, theirs = feature_distance(features(a), features(b)), lpips(layers, taps, list(heads.values()), a, b)
    assert torch.allclose(ours, theirs, rtol=1e-5)
    assert torch.equal(feature_distance(features(b), features(a)), ours)
    assert not feature_distance(features(a), features(a)).any()
    wanted = np.zeros((2, 40, 48))
    for one in squares(layers, taps, list(heads.values()), a, b):
        rows, columns = enlarging(one.shape[2], 40), enlarging(one.shape[3], 48)
        wanted += np.stack([rows @ image.double().numpy() @ columns.T for image in one[:, 0]])
    assert np.allclose(features.distance_map(a, b)[:, 0].numpy(), wanted, rtol=1e-5)
    assert not any(parameter.requires_grad for parameter in features.parameters())
    with pytest.raises(ImageError, match="15x40 pixels are too small for LPIPS"):
        features(torch.zeros(1, 3, 40, 15))


@torch.no_grad()
def test_the_means_of_the_map_inside_and_outside_add_up_to_the_distance(tmp_path: Path):
    """Of sizes that the maps of VGG divide; a change of one corner is seen there more than elsewhere."""
    torch.manual_seed(1)
    features = load_published(*saved(tmp_path, network_weights(vgg()), head_weights(VGG_WIDTHS)))
    a = torch.rand(1, 3, 32, 64) * 2 - 1
    b = a.clone()
    b[..., :16, :16] *= -1
    found = features.distance_map(a, b)
    assert float(found.mean()) == pytest.approx(float(feature_distance(features(a), features(b))), rel=1e-5)
    corner, rest = Region.box(0, 0, 0.25, 0.5).split(32, 64)
    inside, outside = mask_mean(found, corner), mask_mean(found, rest)
    assert float(inside) > 2 * float(outside)
    whole = (inside * corner.sum() + outside * rest.sum()) / (32 * 64)
    assert float(whole) == pytest.approx(float(found.mean()), rel=1e-5)


def test_distance_without_heads_weights_channels_equally(tmp_path: Path):
    """All channels count the same, and the name does not say LPIPS."""
    torch.manual_seed(0)
    layers = alexnet()
    torch.save(network_weights(layers), tmp_path / "trunk.pth")
    features = load_published(tmp_path / "trunk.pth")
    assert features.name == "Alex feature distance"
    a, b = torch.rand(2, 1, 3, 40, 40) * 2 - 1
    ones = [torch.ones(1, width, 1, 1) for width in ALEX_WIDTHS]
    assert torch.allclose(feature_distance(features(a), features(b)), lpips(layers, ALEX_TAPS, ones, a, b), rtol=1e-4)


def test_records_tell_weights_of_one_name_apart(tmp_path: Path):
    one, same, other = (load_published(*alex_files(tmp_path / str(seed), seed % 2)) for seed in (0, 2, 1))
    assert one.name == other.name
    assert recorded_name(one) == recorded_name(same) != recorded_name(other)
    assert recorded_name(bundled_features()) == "Ganvas perceptual distance"


def test_files_that_are_no_network_are_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="There is no file"):
        load_published(tmp_path / "nowhere.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_published(tmp_path / "list.pth")
    torch.save({"features.0.weight": torch.zeros(64, 3, 5, 5)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="neither VGG-16 nor AlexNet"):
        load_published(tmp_path / "other.pth")
    trunk = network_weights(alexnet())
    lacking = {name: value for name, value in trunk.items() if name != "features.8.bias"}
    torch.save(lacking, tmp_path / "lacking.pth")
    with pytest.raises(CheckpointError, match=r"lack features\.8\.bias.*give torchvision's alexnet"):
        load_published(tmp_path / "lacking.pth")
    torch.save(trunk | {"features.8.bias": torch.full((256,), torch.nan)}, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match=r"features\.8\.bias is not finite; give torchvision's alexnet"):
        load_published(tmp_path / "nan.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda heads: head_weights(VGG_WIDTHS), r"shape \[1, 128, 1, 1\], not \[1, 192, 1, 1\]; .*heads of Alex"),
        (lambda heads: heads | {"lin1.model.1.weight": -heads["lin1.model.1.weight"]}, "negative"),
        (lambda heads: heads | {"lin4.model.1.weight": torch.full((1, 256, 1, 1), torch.inf)}, "lin4.* is not finite"),
        (lambda heads: dict(list(heads.items())[:4]), r"lack lin4\.model.*give the heads of Alex, alex.pth"),
        (lambda heads: {name: value.flatten() for name, value in heads.items()}, r"shape \[64\], not"),
        (lambda heads: network_weights(alexnet()), r"lack lin0\.model"),
    ],
    ids=["of another network", "negative", "infinite", "too few", "flat", "a network"],
)
def test_heads_that_do_not_fit_are_refused(tmp_path: Path, change: Callable[[dict], dict], message: str):
    torch.manual_seed(0)
    paths = saved(tmp_path, network_weights(alexnet()), change(head_weights(ALEX_WIDTHS)))
    with pytest.raises(CheckpointError, match=message):
        load_published(*paths)


def test_nothing_in_the_files_is_run(tmp_path: Path):
    trace = tmp_path / "trace"

    class Hostile:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {trace}",)

    network, heads = alex_files(tmp_path)
    torch.save({"features.0.weight": Hostile()}, tmp_path / "hostile.pth")
    for paths in ((tmp_path / "hostile.pth", heads), (network, tmp_path / "hostile.pth")):
        with pytest.raises(CheckpointError):
            load_published(*paths)
    (tmp_path / "cut.pth").write_bytes(network.read_bytes()[:1000])
    (tmp_path / "text.pth").write_text("weights", "utf-8")
    for name in ("cut.pth", "text.pth"):
        with pytest.raises(CheckpointError, match=name):
            load_published(tmp_path / name)
    assert not trace.exists()
    assert isinstance(load_published(network, heads), PublishedFeatures)
