"""Generators of gray, of alpha and of more channels, DCGANs with a last bias, and images that are not square."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganvas
from ganvas.errors import CheckpointError
from ganvas.generators.stylegan2.architecture import Kind
from tests.checkpoints import nvidia_layouts as nvidia
from tests.checkpoints import stylegan2_layouts as layouts
from tests.checkpoints.nvidia_layouts import write
from tests.fuzz.sources import small_dcgan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3

pytestmark = pytest.mark.usefixtures("one_thread")


def resized(tensor: Tensor, channels: int, dimension: int = 0) -> Tensor:
    """Return a tensor of the last layer for other channels: fewer of its own, or random ones behind them."""
    more = list(tensor.shape)
    more[dimension] = max(0, channels - tensor.shape[dimension])
    return torch.cat([tensor.narrow(dimension, 0, min(channels, 3)), torch.randn(more)], dimension)


def expected(image: Tensor, channels: int) -> Tensor:
    return image if channels >= 3 else image[:, :1].expand(-1, 3, -1, -1)


def check(path: Path, original: Any, channels: int) -> None:
    """Check the images of a file and of its conversion, and what is said of channels."""
    z = original.sample([0, 1])
    if channels in (1, 3):
        read = ganvas.load(path)
    else:
        with pytest.warns(
            UserWarning, match=f"{channels - (3 if channels > 3 else 1)} of {channels} channels are left"
        ):
            read = ganvas.load(path)
    images = read.synthesize(z, "z").detach()
    torch.testing.assert_close(images, expected(original.synthesize(z, "z").detach(), channels), rtol=0, atol=1e-5)
    said = ganvas.info(path)["source"].get("channels", "3")
    assert said.startswith(str(channels))
    again = ganvas.load(ganvas.convert(path, path.with_name("converted.safetensors")))
    torch.testing.assert_close(again.synthesize(z, "z").detach(), images, rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
@pytest.mark.parametrize("kind", ["skip", "resnet", "orig"])
def test_channels_of_stylegan2(tmp_path: Path, kind: Kind, channels: int) -> None:
    original = small_stylegan2(8, kind)
    tensors = nvidia.stylegan2(original)
    for name in [name for name in tensors if name.endswith(("torgb.weight", "torgb.bias"))]:
        tensors[name] = resized(tensors[name], channels)
    check(write(tmp_path / "g.pt", {"G_ema": tensors}), original, channels)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_of_stylegan3(tmp_path: Path, channels: int) -> None:
    original = small_stylegan3(32, kernel=1, radial=True, margin=10)
    tensors = nvidia.stylegan3(original)
    *_, last = [name.removesuffix(".bias") for name in tensors if name.endswith(".bias") and "affine" not in name]
    for name in (f"{last}.weight", f"{last}.bias"):
        tensors[name.replace("_3.", f"_{channels}.")] = resized(tensors.pop(name), channels)
    for name in (f"{last}.affine.weight", f"{last}.affine.bias", f"{last}.magnitude_ema"):
        tensors[name.replace("_3.", f"_{channels}.")] = tensors.pop(name)
    check(write(tmp_path / "g.pt", {"G_ema": tensors}), original, channels)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("layout", [layouts.hammer, layouts.rosinality, layouts.openmmlab])
def test_channels_of_other_formats(tmp_path: Path, layout: Any, channels: int) -> None:
    original = small_stylegan2(8)
    tree = layout(original)
    tensors = layouts.holder(tree)
    for name, tensor in tensors.items():
        if name.endswith((".bias", "weight", "weight_orig")) and ("rgb" in name or "output" in name):
            if "modulation" in name or "style" in name:
                continue
            dimension = 0 if layout is layouts.hammer else 1
            if layout is layouts.openmmlab:  # blue first, alpha behind
                tensor = tensor.flip(dimension)
                changed = resized(tensor, channels, dimension)
                changed = torch.cat([changed[:, :3].flip(1), changed[:, 3:]], 1) if channels > 3 else changed
            else:
                changed = resized(tensor, channels, dimension)
            tensors[name] = changed
    check(write(tmp_path / "g.pt", tree), original, channels)


def small_network(channels: int, biased: bool) -> nn.Sequential:
    """Return the module of PyTorch's example, with biases or without."""
    torch.manual_seed(1)
    network = nn.Sequential(
        *(nn.ConvTranspose2d(6, 5, 4, bias=biased), nn.BatchNorm2d(5), nn.ReLU()),
        *(nn.ConvTranspose2d(5, 4, 4, 2, 1, bias=biased), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.ConvTranspose2d(4, channels, 4, 2, 1, bias=biased), nn.Tanh()),
    )
    network(torch.randn(9, 6, 1, 1))
    return network.eval().requires_grad_(False)


@pytest.mark.float32
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_and_biases_of_dcgan(tmp_path: Path, channels: int, biased: bool) -> None:
    network = small_network(channels, biased)
    path = write(tmp_path / "g.pth", network.state_dict())
    if channels in (1, 3):
        read = ganvas.load(path)
    else:
        with pytest.warns(UserWarning, match="are left out"):
            read = ganvas.load(path)
    z = torch.randn(3, 6)
    shown = expected(network(z[:, :, None, None]), channels)[:, :3]
    torch.testing.assert_close(read.synthesize(z, "z").detach(), shown, rtol=0, atol=1e-5)
    again = ganvas.load(ganvas.convert(path, tmp_path / "converted.safetensors"))
    torch.testing.assert_close(again.synthesize(z, "z").detach(), shown, rtol=0, atol=1e-5)
    whole = ganvas.load(write(tmp_path / "whole.pth", network)) if channels == 1 else again
    torch.testing.assert_close(whole.synthesize(z, "z").detach(), shown, rtol=0, atol=1e-5)


def test_a_dcgan_with_a_last_bias_has_its_derivative(tmp_path: Path) -> None:
    read = ganvas.load(write(tmp_path / "g.pth", small_network(3, True).state_dict())).double()
    z, tangent = torch.randn(1, 6).double(), torch.randn(1, 6).double()
    image, push = read.linearize(z, "z")
    pairs = torch.func.jvp(lambda code: read.synthesize(code, "z"), (z,), (tangent,))
    torch.testing.assert_close(image, pairs[0])
    torch.testing.assert_close(push(tangent), pairs[1])


@pytest.mark.float32
def test_files_of_users_are_shown_as_wrap_shows_them(shared: Path) -> None:
    for name in ("dcgan-grey.pth", "dcgan-last-bias.pth"):
        state = torch.load(shared / "cases/07-grey-generator" / name, weights_only=True)
        shapes = [tensor.shape for name, tensor in state.items() if tensor.ndim == 4]
        network = nn.Sequential()
        for i, (inputs, outputs, *_) in enumerate(shapes):
            strides = (1, 0) if i == 0 else (2, 1)
            network.append(nn.ConvTranspose2d(inputs, outputs, 4, *strides, bias=f"main.{3 * i}.bias" in state))
            if i < len(shapes) - 1:
                network.extend([nn.BatchNorm2d(outputs), nn.ReLU()])
        network.append(nn.Tanh())
        network.load_state_dict({name.removeprefix("main."): tensor for name, tensor in state.items()})
        wrapped = ganvas.wrap(network.eval().requires_grad_(False), z_dim=(shapes[0][0], 1, 1))
        read, z = ganvas.load(shared / "cases/07-grey-generator" / name), torch.randn(2, shapes[0][0])
        torch.testing.assert_close(read.synthesize(z, "z").detach(), wrapped.synthesize(z, "z"), rtol=0, atol=1e-5)
    gray = ganvas.load(shared / "cases/07-grey-generator/grey.pkl")
    image = gray.synthesize(gray.sample([0]), "z").detach()
    assert image.std() > 0
    assert (image - image[:, :1]).abs().max() < 1e-6


@pytest.mark.parametrize("shape", [(4, 8), (7, 4)])
def test_images_that_are_not_square_are_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    tensors = nvidia.stylegan2(small_stylegan2(8))
    tensors["synthesis.b4.const"] = torch.randn(5, *shape)
    with pytest.raises(CheckpointError, match=f"not square: it begins with a map of {shape[0]} x {shape[1]} pixels"):
        ganvas.load(write(tmp_path / "g.pt", tensors))
    tensors["synthesis.b4.const"] = torch.randn(5, 8, 8)
    with pytest.raises(CheckpointError, match="const has shape"):
        ganvas.load(write(tmp_path / "g.pt", tensors))


def test_a_network_that_makes_no_image_is_refused(tmp_path: Path) -> None:
    state = small_dcgan()
    state["main.9.weight"] = torch.randn(4, 40, 4, 4)
    with pytest.raises(CheckpointError, match="maps of 40 channels, which are no images"):
        ganvas.load(write(tmp_path / "g.pt", state))
