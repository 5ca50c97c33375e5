"""Generators of ours under the names of NVIDIA's code, as state dicts, as modules, and in what people keep them in."""

import pickle
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.generators.stylegan3.generator import StyleGAN3
from ganvas.generators.stylegan3.synthesis import Layer


def stylegan2(generator: StyleGAN2) -> dict[str, Tensor]:
    """Return the state dict of stylegan2-ada-pytorch: a filter in every block and layer."""
    theirs = {}
    for name, tensor in generator.state_dict().items():
        name = re.sub(r"^mapping\.fc\.", "mapping.fc", name).replace("synthesis.blocks.", "synthesis.")
        theirs[name.replace(".noise", ".noise_const").replace(".noise_const_strength", ".noise_strength")] = tensor
    kernel = theirs.pop("synthesis.kernel")
    for block in generator.synthesis.blocks:
        theirs[f"synthesis.{block}.resample_filter"] = kernel.clone()
        theirs[f"synthesis.{block}.conv1.resample_filter"] = kernel.clone()
    return theirs


def stylegan3(generator: StyleGAN3) -> dict[str, Tensor]:
    """Return the state dict of NVIDIA's StyleGAN3: layers with their sizes in their names, filters, the transform."""
    layers = {str(i): name for i, (name, _) in enumerate(generator.synthesis.named_layers())}
    theirs = {"synthesis.input.transform": torch.eye(3)}
    for name, tensor in generator.state_dict().items():
        name = re.sub(r"^mapping\.fc\.", "mapping.fc", name).replace("input.frequencies", "input.freqs")
        name = re.sub(r"synthesis\.layers\.(\d+)\.", lambda match: f"synthesis.{layers[match[1]]}.", name)
        theirs[re.sub(r"\.magnitude$", ".magnitude_ema", name)] = tensor
    for name, layer in generator.synthesis.named_layers()[:-1]:
        assert isinstance(layer, Layer)
        theirs[f"synthesis.{name}.up_filter"] = layer.up_filter
        theirs[f"synthesis.{name}.down_filter"] = layer.down_filter
    return theirs


def prefixed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def spoilt(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return other weights of the same names: those that were not averaged."""
    return {name: tensor if "filter" in name else tensor + 1 for name, tensor in tensors.items()}


class EasyDict(dict):
    """As the packages easydict and addict have it: attributes are items."""

    def __init__(self, **items: object) -> None:
        super().__init__(items)
        self.__dict__.update(items)


class Net(nn.Module):
    """Any module of somebody's."""


def as_module(tensors: Mapping[str, Tensor], foreign: bool = True) -> nn.Module:
    """Return a module whose state dict is `tensors`: weights as parameters, the rest as buffers."""
    top = Net()
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        module: nn.Module = top
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, Net() if foreign else nn.Module())
            module = getattr(module, part)
        if last in ("weight", "bias"):
            module.register_parameter(last, nn.Parameter(tensor, requires_grad=False))
        else:
            module.register_buffer(last, tensor)
    return top


def somebodys(monkeypatch: pytest.MonkeyPatch, *classes: type, module: str = "somebody.networks") -> None:
    """Give classes the name of a module that nobody can import later."""
    for name in (module.split(".")[0], module):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for each in classes:
        monkeypatch.setattr(each, "__module__", module)
        monkeypatch.setattr(sys.modules[module], each.__name__, each, raising=False)


def write(path: Path, tree: object, form: str = "zip") -> Path:
    """Write a tree as torch.save does, in its zip format or the old one, or as a pickle."""
    if form == "pickle":
        path.write_bytes(pickle.dumps(tree, 4))
    else:
        torch.save(tree, path, _use_new_zipfile_serialization=form == "zip")
    return path
