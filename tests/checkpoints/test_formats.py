"""Formats of StyleGAN2 beside NVIDIA's: told by content, read under our names, and what is said of them.

What published files prove is in test_conformance; here are round trips through files written from the descriptions.
"""

import itertools
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganvas.checkpoints.formats import READERS
from ganvas.checkpoints.formats.stylegan2 import colors_name, completed, convolution_name
from ganvas.checkpoints.load import build, convert, info, load, recognize_tree
from ganvas.checkpoints.unbuilt import UNVERIFIED
from ganvas.errors import CheckpointError
from ganvas.generators.codes import sample_normal_as_resefa
from ganvas.generators.stylegan2.generator import StyleGAN2
from tests.checkpoints import stylegan2_layouts as layouts
from tests.generators.small import small_stylegan2

pytestmark = pytest.mark.usefixtures("one_thread")

LAYOUTS = {
    "Hammer .pth": (layouts.hammer, True),
    "GenForce .pth, before Hammer": (layouts.genforce, False),
    "rosinality .pt": (layouts.rosinality, True),
    "OpenMMLab .pth": (layouts.openmmlab, False),
}


@pytest.fixture(scope="module")
def original() -> StyleGAN2:
    return small_stylegan2(16, width=8)


@pytest.fixture(scope="module")
def small() -> StyleGAN2:
    return small_stylegan2(8, width=8)


def same_images(one: StyleGAN2, other: StyleGAN2) -> None:
    """Compare images at psi 1 and the single tensors; the average w may be estimated."""
    z = one.sample([1, 2])
    label = 1 if one.architecture.label_dim else None
    torch.testing.assert_close(
        other.synthesize(z, "z", label=label), one.synthesize(z, "z", label=label), rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("format", LAYOUTS)
def test_a_stylegan2_survives_every_layout(original: StyleGAN2, tmp_path: Path, format: str, old: bool) -> None:
    layout, verified = LAYOUTS[format]
    path = layouts.write_torch(tmp_path / "network.bin", layout(original), old)
    read = load(path)
    same_images(original, read)
    facts = info(path)
    assert (facts["format"], facts["family"]) == (format, "stylegan2")
    assert facts["verified"] == ("yes" if verified else UNVERIFIED)
    assert (facts["source"].get("reader") == UNVERIFIED) is not verified
    again = load(convert(path, tmp_path / "ours.safetensors"))
    same_images(read, again)
    assert again.about.source["format"] == format
    assert again.about.source.get("reader") == facts["source"].get("reader")


@pytest.mark.parametrize("kind", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_stylegan2_survives_the_tensorflow_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, protocol: int
) -> None:
    original = small_stylegan2(16, kind, width=8, label_dim=3 if kind == "skip" else 0, clamp=256.0)
    networks = layouts.tensorflow(original, {"conv_clamp": 256, "resample_kernel": [1, 3, 3, 1]})
    path = layouts.write_tensorflow(tmp_path / "network.pkl", networks, monkeypatch, protocol)
    read = load(path)
    assert read.architecture == original.architecture
    same_images(original, read)
    torch.testing.assert_close(read.mapping.w_avg, original.mapping.w_avg)
    assert info(path)["verified"] == UNVERIFIED


def test_networks_of_tensorflow_that_are_no_stylegan2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = layouts.tensorflow(small_stylegan2(8))
    parts = networks[-1].components
    parts["mapping"].variables.append(("LabelConcat/weight", torch.zeros(3, 7).numpy()))
    with pytest.raises(CheckpointError, match="has classes, which it joins to z"):
        load(layouts.write_tensorflow(tmp_path / "g.pkl", networks, monkeypatch))
    parts["mapping"].variables.pop()
    parts["synthesis"].variables[1:] = [(n, v) for n, v in parts["synthesis"].variables[1:] if "mod_" not in n]
    with pytest.raises(CheckpointError, match="StyleGAN1"):
        load(layouts.write_tensorflow(tmp_path / "g.pkl", networks, monkeypatch))
    parts["synthesis"].variables.clear()
    with pytest.raises(CheckpointError, match="4x4/Const/const was looked for, found dlatent_avg, lod"):
        load(layouts.write_tensorflow(tmp_path / "g.pkl", networks, monkeypatch))
    networks[-1].variables = [("lod", "text")]
    with pytest.raises(CheckpointError, match="no name and array"):
        load(layouts.write_tensorflow(tmp_path / "g.pkl", networks, monkeypatch))


@pytest.mark.parametrize("classes", [0, 3])
def test_an_average_w_that_is_not_in_the_file_is_estimated(classes: int) -> None:
    original = small_stylegan2(8, width=8, label_dim=classes)
    for layer in original.mapping.fc:
        layer.bias.add_(30 * torch.randn_like(layer.bias))
    tensors = {name: tensor for name, tensor in original.state_dict().items() if name != "mapping.w_avg"}
    ours, facts = completed(tensors)
    labels = torch.arange(10_000) % 3 if classes else None
    ws = original.map(sample_normal_as_resefa(1, 10_000, 9), "w", label=labels)
    expected, error = ws.mean(dim=0), ws.std(dim=0) / 100
    assert ((ours["mapping.w_avg"] - expected).abs() < 6 * error).all()
    assert "mean w of 10000 codes" in facts["w_avg"]


def test_noise_maps_that_are_not_in_the_file_are_drawn(original: StyleGAN2, tmp_path: Path) -> None:
    tree = layouts.rosinality(original)
    tree["g_ema"] = {name: tensor for name, tensor in tree["g_ema"].items() if not name.startswith("noises.")}
    path = layouts.write_torch(tmp_path / "g.pt", tree)
    read, z = load(path), original.sample([3])
    torch.testing.assert_close(read.synthesize(z, "z", noise="none"), original.synthesize(z, "z", noise="none"))
    assert "drawn from seed 0" in read.about.source["noise"]
    assert torch.equal(read.synthesize(z, "z"), load(path).synthesize(z, "z"))


def test_a_bare_state_dict_in_safetensors_loads(original: StyleGAN2, tmp_path: Path) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in layouts.rosinality(original)["g_ema"].items()}
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, tmp_path / "g.safetensors")
    same_images(original, load(tmp_path / "g.safetensors"))


@pytest.mark.parametrize("format", LAYOUTS)
def test_a_file_without_one_of_its_tensors_is_refused(small: StyleGAN2, format: str) -> None:
    """A tree is refused that lacks any tensor (but noise maps, which can be drawn), or has one of another shape."""
    tree, path = LAYOUTS[format][0](small), Path("network.pth")
    holder = layouts.holder(tree)
    if format == "OpenMMLab .pth":
        holder["generator_ema.w_avg"] = torch.zeros(8)
    strange = itertools.cycle((torch.zeros(2, 2, 2, 2, 2, 2), torch.zeros(0), torch.zeros(7, 9)))
    for name in layouts.needed(tree):
        tensor = holder.pop(name)
        if not re.search(r"noises|noise_\d|w_avg", name) or format.startswith(("Hammer", "GenForce")):
            with pytest.raises(CheckpointError, match=r"^'network\.pth'"):
                build(recognize_tree(tree, path), path)
        holder[name] = next(strange)
        with pytest.raises(CheckpointError, match=r"^'network\.pth'"):
            build(recognize_tree(tree, path), path)
        holder[name] = tensor
    build(recognize_tree(tree, path), path)


def test_relatives_of_stylegan2_are_refused(original: StyleGAN2, tmp_path: Path) -> None:
    tree = layouts.hammer(original)
    tree["models"]["generator_smooth"]["synthesis.skip_layer1.weight"] = torch.zeros(5, 5, 1, 1)
    with pytest.raises(CheckpointError, match=r"unknown \['synthesis.skip_layer1.weight'\]"):
        load(layouts.write_torch(tmp_path / "g.pth", tree))
    tree = layouts.rosinality(original)
    tree["g_ema"]["iwt.ll"] = torch.zeros(2, 2)
    with pytest.raises(CheckpointError, match=r"unknown \['iwt.ll'\]"):
        load(layouts.write_torch(tmp_path / "g.pth", tree))


def test_an_unknown_file_is_described_in_the_error(tmp_path: Path) -> None:
    tree = {"epoch": 3, "netE": {"conv.weight": torch.zeros(1), "conv.bias": torch.zeros(1)}}
    with pytest.raises(CheckpointError) as caught:
        load(layouts.write_torch(tmp_path / "encoder.pth", tree))
    message = str(caught.value)
    assert "Found: netE (conv.weight, conv.bias). Looked for:" in message
    assert all(what in message for _, what in READERS)


def test_layer_numbers_become_our_names() -> None:
    assert [convolution_name(k).removeprefix("synthesis.blocks.") for k in range(5)] == [
        "b4.conv1",
        "b8.conv0",
        "b8.conv1",
        "b16.conv0",
        "b16.conv1",
    ]
    assert colors_name(3) == "synthesis.blocks.b32.torgb"
