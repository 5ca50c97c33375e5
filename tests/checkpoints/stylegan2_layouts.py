"""A StyleGAN2 of ours in the clothes of other implementations, written from their descriptions, not from our readers.

Where no published file is at hand, reading one of these again is a round trip, no proof: a misunderstanding of the
description would be made twice. The descriptions are section 4 of the project's reference and the projects' sources.
"""

import math
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from ganvas.generators.stylegan2.generator import StyleGAN2

FIR = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


def resolutions(generator: StyleGAN2) -> list[int]:
    return [2**i for i in range(2, int(math.log2(generator.resolution)) + 1)]


def hammer(generator: StyleGAN2) -> dict:
    ours, theirs = generator.state_dict(), OrderedDict()
    theirs["w_avg"] = ours["mapping.w_avg"]
    theirs["synthesis.filter"] = FIR
    for i in range(len(generator.mapping.fc)):
        for member in ("weight", "bias"):
            theirs[f"mapping.dense{i}.{member}"] = ours[f"mapping.fc.{i}.{member}"]
    theirs["synthesis.early_layer.const"] = ours["synthesis.blocks.b4.const"][None]
    for b, r in enumerate(resolutions(generator)):
        for number, layer in ((2 * b - 1, "conv0"), (2 * b, "conv1")):
            if number >= 0:
                theirs |= hammer_layer(ours, f"synthesis.blocks.b{r}.{layer}", f"synthesis.layer{number}")
                theirs[f"synthesis.layer{number}.noise_strength"] = ours[
                    f"synthesis.blocks.b{r}.{layer}.noise_strength"
                ]
                theirs[f"synthesis.layer{number}.noise"] = ours[f"synthesis.blocks.b{r}.{layer}.noise"][None, None]
                if layer == "conv0":
                    theirs[f"synthesis.layer{number}.filter"] = FIR
        theirs |= hammer_layer(ours, f"synthesis.blocks.b{r}.torgb", f"synthesis.output{b}")
    return {"models": {"generator_smooth": theirs}, "model_kwargs_init": {}}


def hammer_layer(ours: dict, source: str, target: str) -> dict:
    names = {"weight": "weight", "bias": "bias", "style.weight": "affine.weight", "style.bias": "affine.bias"}
    return {f"{target}.{their}": ours[f"{source}.{our}"] for their, our in names.items()}


def genforce(generator: StyleGAN2) -> dict:
    """Hammer's, with the differences that section 4.3 lists."""
    theirs = hammer(generator)["models"]["generator_smooth"]
    theirs["truncation.w_avg"] = theirs.pop("w_avg")
    del theirs["synthesis.filter"]
    theirs["synthesis.upsample.kernel"] = 4 * FIR[None, None]
    for name in list(theirs):
        if name.endswith(".filter"):
            theirs[f"{name}.kernel"] = 4 * theirs.pop(name)[None, None]
            weight = name.removesuffix(".filter") + ".weight"
            theirs[weight] = theirs[weight].rot90(2, (2, 3))
        elif name.endswith(".style.bias"):
            theirs[name] = theirs[name] - 1
    return {"generator": {}, "discriminator": {}, "generator_smooth": theirs}


def rosinality(generator: StyleGAN2, average: bool = True) -> dict:
    ours, theirs = generator.state_dict(), OrderedDict()
    for i in range(len(generator.mapping.fc)):
        for member in ("weight", "bias"):
            theirs[f"style.{i + 1}.{member}"] = ours[f"mapping.fc.{i}.{member}"]
    names = {
        "conv.modulation.weight": "affine.weight",
        "conv.modulation.bias": "affine.bias",
        "activate.bias": "bias",
        "conv.weight": "weight",
        "noise.weight": "noise_strength",
        "bias": "bias",
    }
    theirs["input.input"] = ours["synthesis.blocks.b4.const"][None]
    return {"g_ema": theirs | numbered(generator, names, "noises.noise_{}")} | (
        {"latent_avg": ours["mapping.w_avg"]} if average else {}
    )


def numbered(generator: StyleGAN2, names: dict[str, str], noise: str) -> dict:
    """Return what rosinality's and OpenMMLab's files have in common."""
    ours, theirs = generator.state_dict(), {}
    places = [("synthesis.blocks.b4.conv1", "conv1")]
    for i, r in enumerate(resolutions(generator)[1:]):
        places += [(f"synthesis.blocks.b{r}.conv{j}", f"convs.{2 * i + j}") for j in (0, 1)]
    for k, (source, target) in enumerate(places):
        theirs[noise.format(k)] = ours[f"{source}.noise"][None, None]
        for their, our in names.items():
            if their != "bias":
                tensor = ours[f"{source}.{our}"]
                theirs[f"{target}.{their}"] = tensor[None] if our in ("weight", "noise_strength") else tensor
        if k % 2:
            theirs[f"{target}.conv.blur.kernel"] = 4 * FIR
    for i, r in enumerate(resolutions(generator)):
        source, target = f"synthesis.blocks.b{r}.torgb", f"to_rgbs.{i - 1}" if i else "to_rgb1"
        for their, our in names.items():
            if our in ("affine.weight", "affine.bias", "weight"):
                tensor = ours[f"{source}.{our}"]
                theirs[f"{target}.{their}"] = tensor[None] if our == "weight" else tensor
        theirs[f"{target}.bias"] = ours[f"{source}.bias"][None, :, None, None]
        if i:
            theirs[f"{target}.upsample.kernel"] = 4 * FIR
    return theirs


def openmmlab(generator: StyleGAN2) -> dict:
    """A flat state dict; layer 0 of the mapping normalizes; colors are blue, green, red; there is no average w."""
    ours = generator.state_dict()
    names = {
        "conv.style_modulation.linear.weight_orig": "affine.weight",
        "conv.style_modulation.bias": "affine.bias",
        "activate.bias": "bias",
        "conv.weight_orig": "weight",
        "noise_injector.weight": "noise_strength",
        "bias": "bias",
    }
    theirs = numbered(generator, names, "injected_noise_{}")
    for name in list(theirs):
        if name.startswith("to_rgb") and name.endswith(("conv.weight_orig", ".bias")) and "modulation" not in name:
            theirs[name] = torch.stack(list(theirs[name].unbind(1))[::-1], dim=1)
    theirs["constant_input.input"] = ours["synthesis.blocks.b4.const"][None]
    for i in range(len(generator.mapping.fc)):
        theirs[f"style_mapping.{i + 1}.linear.weight_orig"] = ours[f"mapping.fc.{i}.weight"]
        theirs[f"style_mapping.{i + 1}.bias"] = ours[f"mapping.fc.{i}.bias"]
    flat = {f"generator_ema.{name}": tensor for name, tensor in theirs.items()}
    other = {f"generator.{name}": torch.zeros_like(tensor) for name, tensor in theirs.items()}
    return {"meta": {"mmgen_version": "0.1.0", "iter": 10}, "state_dict": OrderedDict({**other, **flat})}


class Network:
    """Stands for ``dnnlib.tflib.network.Network``: pickles its ``__dict__``, as that does through ``__getstate__``."""

    def __init__(self, **state: object) -> None:
        self.__dict__.update(state)


def tensorflow(generator: StyleGAN2, settings: dict | None = None) -> tuple:
    """Return (G, D, Gs), from section 4.1: outputs last, upsampling turned in both axes, styles without their 1."""
    ours = {name: tensor.numpy() for name, tensor in generator.state_dict().items()}
    mapping, synthesis = [], [("4x4/Const/const", ours["synthesis.blocks.b4.const"][None])]
    for i in range(len(generator.mapping.fc)):
        mapping += [
            (f"Dense{i}/weight", ours[f"mapping.fc.{i}.weight"].T),
            (f"Dense{i}/bias", ours[f"mapping.fc.{i}.bias"]),
        ]
    if "mapping.embed.weight" in ours:
        mapping += [
            ("LabelEmbed/weight", ours["mapping.embed.weight"].T),
            ("LabelEmbed/bias", ours["mapping.embed.bias"]),
        ]
    for r in resolutions(generator):
        for layer in ("conv0", "conv1", "torgb", "skip"):
            source = f"synthesis.blocks.b{r}.{layer}"
            if f"{source}.weight" in ours:
                first = "Conv" if r == 4 else "Conv1"
                target = f"{r}x{r}/" + {"conv0": "Conv0_up", "conv1": first, "torgb": "ToRGB", "skip": "Skip"}[layer]
                weight = ours[f"{source}.weight"].transpose(2, 3, 1, 0)
                synthesis.append((f"{target}/weight", weight[::-1, ::-1] if layer in ("conv0", "skip") else weight))
                if layer != "skip":
                    synthesis += [
                        (f"{target}/mod_weight", ours[f"{source}.affine.weight"].T),
                        (f"{target}/mod_bias", ours[f"{source}.affine.bias"] - 1),
                        (f"{target}/bias", ours[f"{source}.bias"]),
                    ]
                if layer.startswith("conv"):
                    number = 2 * int(math.log2(r)) - (5 if layer == "conv0" else 4)
                    synthesis.append((f"{target}/noise_strength", ours[f"{source}.noise_strength"]))
                    synthesis.append((f"noise{number}", ours[f"{source}.noise"][None, None]))
    common = {"version": 4, "build_module_src": "raise SystemExit", "build_func_name": "build", "static_kwargs": {}}
    parts = {
        "mapping": Network(**common, name="G_mapping", variables=mapping, components={}),
        "synthesis": Network(**common, name="G_synthesis", variables=synthesis, components={}),
    }
    top = [("lod", np.float32(0)), ("dlatent_avg", ours["mapping.w_avg"])]
    average = Network(**(common | {"static_kwargs": settings or {}}), name="Gs", variables=top, components=parts)
    other = Network(**common, name="D", variables=[], components={})
    return other, other, average


def holder(tree: dict) -> dict:
    """Return the dictionary of tensors that a reader has to find."""
    for names in (("models", "generator_smooth"), ("generator_smooth",), ("g_ema",), ("state_dict",)):
        if names[0] in tree:
            return tree[names[0]] if len(names) == 1 else tree[names[0]][names[1]]
    raise AssertionError(list(tree))


def needed(tree: dict) -> list[str]:
    """Return the names of the tensors that nothing else can stand for: no copies of the filter, no noise maps."""
    names = [name for name in holder(tree) if "kernel" not in name and not name.startswith("generator.")]
    return [name for name in names if not name.endswith(".filter") or name == "synthesis.filter"]


def write_torch(path: Path, tree: object, old: bool = False) -> Path:
    torch.save(tree, path, _use_new_zipfile_serialization=not old)
    return path


def write_tensorflow(path: Path, networks: tuple, monkeypatch: pytest.MonkeyPatch, protocol: int = 4) -> Path:
    """Write a pickle whose networks have the name of NVIDIA's class."""
    for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["dnnlib.tflib.network"], "Network", Network, raising=False)
    monkeypatch.setattr(Network, "__module__", "dnnlib.tflib.network")
    path.write_bytes(pickle.dumps(networks, protocol))
    return path
