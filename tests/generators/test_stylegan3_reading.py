"""StyleGAN3 files that are damaged or unusual; whole ones are read in test_stylegan3.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas.checkpoints.formats import stylegan3
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.errors import CheckpointError
from ganvas.generators.stylegan3.synthesis import Layer
from tests.generators.small_stylegan3 import small_stylegan3

Tensors = dict[str, torch.Tensor]


def hammer_file() -> Tensors:
    """Return the tensors of a small generator as Hammer names them."""
    generator = small_stylegan3(32, kernel=1, radial=True, margin=10)
    theirs: Tensors = {"synthesis.early_layer.transform": torch.eye(3)}
    for name, tensor in generator.state_dict().items():
        stem, _, member = name.rpartition(".")
        name = name.replace("mapping.fc.", "mapping.dense").replace("mapping.w_avg", "w_avg")
        name = name.replace("synthesis.input.frequencies", "synthesis.early_layer.frequency")
        name = name.replace("synthesis.input.phases", "synthesis.early_layer.phase")
        name = name.replace("synthesis.input.", "synthesis.early_layer.")
        if stem.startswith("synthesis.layers."):
            place = stem.split(".")[2]
            moved = {"bias": "filter.bias", "weight": "conv.weight", "magnitude": "magnitude_ema"}.get(member)
            name = f"synthesis.layer{place}." + (f"conv.style.{member}" if "affine" in stem else moved or member)
        theirs[name] = tensor
    for i, (_, layer) in enumerate(generator.synthesis.named_layers()[:-1]):
        assert isinstance(layer, Layer)
        theirs[f"synthesis.layer{i}.filter.up_filter"] = layer.up_filter
        theirs[f"synthesis.layer{i}.filter.down_filter"] = layer.down_filter
    return theirs


def read(theirs: Tensors) -> Any:
    return stylegan3.read_hammer({"models": {"generator_smooth": theirs}}, Path("file.pth"))


def test_a_file_under_hammers_names_is_read() -> None:
    generator = small_stylegan3(32, kernel=1, radial=True, margin=10)
    found = read(hammer_file())
    assert found.architecture == generator.architecture
    assert found.tensors.keys() == generator.state_dict().keys()
    assert not found.facts


def test_a_transform_in_the_file_is_told() -> None:
    theirs = hammer_file() | {"synthesis.early_layer.transform": 2 * torch.eye(3)}
    assert "transformed()" in read(theirs).facts["transform"]


def test_other_trees_are_none_of_its() -> None:
    for tree in (
        None,
        {},
        {"G_ema": 3},
        {"models": {"generator_smooth": {"synthesis.early_layer.const": torch.ones(1)}}},
    ):
        assert stylegan3.read_nvidia(tree, Path()) is None
        assert stylegan3.read_hammer(tree, Path()) is None


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda theirs: {key: value for key, value in theirs.items() if key != name}


def changed(name: str, value: torch.Tensor) -> Callable[[Tensors], Tensors]:
    return lambda theirs: theirs | {name: value}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("w_avg"), "lack mapping.w_avg"),
        (without("synthesis.layer0.filter.down_filter"), "lack synthesis.layers.0.down_filter"),
        (without("synthesis.layer2.filter.down_filter"), "downsampling filter of layer 2"),
        (changed("synthesis.layer1.filter.up_filter", torch.ones(12)), "upsampling filter of layer 1"),
        (changed("synthesis.layer1.filter.up_filter", torch.ones(12000000)), "pixels is not known|pixels"),
        (changed("synthesis.layer1.filter.up_filter", torch.ones(0)), "0 pixels"),
        (changed("synthesis.layer0.conv.weight", torch.ones(4)), "4 dimensions were expected"),
        (without("synthesis.layer2.conv.weight"), "has 2 layers"),
        (without("synthesis.layer4.conv.weight"), "makes the colors"),
        (without("mapping.dense1.weight"), "mapping layers|makes no w"),
    ],
)
def test_damaged_files_are_refused(damage: Callable[[Tensors], Tensors], message: str) -> None:
    theirs = hammer_file()
    # The last hidden width differs from w_dim once a layer is lost.
    theirs["mapping.dense0.weight"] = torch.ones(7, 6)
    with pytest.raises(CheckpointError, match=message):
        read(damage(theirs))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"conv_clamp": 128}, {"clamp": 128.0}),
        ({"conv_clamp": None, "num_critical": 3}, {"clamp": None, "critical": 3}),
        ({}, {}),
    ],
)
def test_settings_of_nvidias_record(settings: dict, found: dict) -> None:
    assert stylegan3._settings(PersistentRecord("Generator", (), settings, {})) == found
    nested = PersistentRecord("Generator", (), {"synthesis_kwargs": settings}, {})
    assert stylegan3._settings(nested) == found


def test_settings_that_are_no_numbers_are_refused() -> None:
    for value in ("x", True, [1], float):
        with pytest.raises(CheckpointError, match="a number was expected"):
            stylegan3._settings(PersistentRecord("Generator", (), {"margin_size": value}, {}))
