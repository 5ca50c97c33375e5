"""R3GAN's networks: pickles of plain modules of which ``G_ema`` is the generator, and state dicts.

Every size comes from the shapes, but for the groups of the 3x3 convolutions, which are the outputs over the inputs of
one group. The filter that doubles the size is a buffer; only the published one can be read.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.channels import channel_facts, select_channels
from ganvas.checkpoints.search import find_weights
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError
from ganvas.generators.r3gan.generator import R3GANArchitecture

FORMAT = "R3GAN"
LOOKED_FOR = "R3GAN (.pkl, state dicts): 'MainLayers.0.Layers.0.Basis' with 'AggregationLayer.Layer.weight'"
BASIS, COLORS, EMBEDDING = "MainLayers.0.Layers.0.Basis", "AggregationLayer.Layer.weight", "EmbeddingLayer.weight"
CODE = "MainLayers.0.Layers.0.LinearLayer.weight"
KERNEL = re.compile(r"MainLayers\.\d+\.Layers\.0\.Resampler\.Kernel")
STAGE = re.compile(r"MainLayers\.(\d{1,2})\.Layers\.(\d{1,2})\.(.+)")
BLOCK = {
    "LinearLayer1.Layer.weight": "conv0.weight",
    "NonLinearity1.Bias": "act0.bias",
    "LinearLayer2.Layer.weight": "conv1.weight",
    "NonLinearity2.Bias": "act1.bias",
    "LinearLayer3.Layer.weight": "conv2.weight",
}
TRANSITION = {"Basis": "basis", "LinearLayer.weight": "weight", "LinearLayer.Layer.weight": "conv.weight"}


def read_r3gan(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read an R3GAN generator, with or without classes; raises `CheckpointError` for another filter, or where sizes do
    not fit each other.
    """
    found = find_weights(tree, BASIS, COLORS, CODE)
    if found is None:
        return None
    named = found.tensors
    _check_filters(named)
    stages: dict[int, dict[int, dict[str, Tensor]]] = {}
    for name, tensor in named.items():
        if (match := STAGE.fullmatch(name)) and not KERNEL.fullmatch(name):
            stages.setdefault(int(match[1]), {}).setdefault(int(match[2]), {})[match[3]] = tensor
    channels = named[COLORS].shape[0]
    facts = {**found.facts(), **channel_facts(channels)}
    architecture = _architecture(stages, named.get(EMBEDDING), named[CODE])
    tensors = {"colors.conv.weight": select_channels(named[COLORS])}
    if EMBEDDING in named:
        tensors["embedding"] = named[EMBEDDING]
    for stage, size in zip(sorted(stages), architecture.resolutions, strict=True):
        for layer, members in stages[stage].items():
            place, ours = ("transition", TRANSITION) if layer == 0 else (f"residuals.{layer - 1}", BLOCK)
            tensors |= {f"blocks.b{size}.{place}.{ours.get(name, name)}": one for name, one in members.items()}
    return UnbuiltGenerator("r3gan", architecture, tensors, FORMAT, verified=False, facts=facts)


def _architecture(
    stages: Mapping[int, Mapping[int, Mapping[str, Tensor]]], embedding: Tensor | None, code: Tensor
) -> R3GANArchitecture:
    """Return the sizes that the shapes say."""
    channels, groups, blocks, expansions = [], [], [], set()
    for number in sorted(stages):
        residuals = [layer for place, layer in stages[number].items() if place > 0]
        if not residuals or any("LinearLayer2.Layer.weight" not in layer for layer in residuals):
            raise CheckpointError(f"Stage {number} of this R3GAN has no residual block: it is damaged.")
        inner, of_group = residuals[0]["LinearLayer2.Layer.weight"].shape[:2]
        width = residuals[0]["LinearLayer1.Layer.weight"].shape[1]
        channels.append(width)
        groups.append(inner // of_group)
        blocks.append(len(residuals))
        expansions.add(inner / width)
    if len(expansions) != 1:
        raise CheckpointError(f"The blocks of this R3GAN have expansions {sorted(expansions)}; one was expected.")
    embed_dim, label_dim = (0, 0) if embedding is None else embedding.shape
    return R3GANArchitecture(
        4 * 2 ** (len(channels) - 1),
        tuple(channels),
        tuple(groups),
        tuple(blocks),
        code.shape[1] - embed_dim,
        int(expansions.pop()),
        label_dim,
        embed_dim,
    )


def _check_filters(named: Mapping[str, Tensor]) -> None:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    published = torch.outer(taps, taps)
    for name, kernel in named.items():
        if KERNEL.fullmatch(name):
            same = kernel.shape[-2:] == (4, 4) and torch.allclose(kernel.float().reshape(4, 4), published, atol=1e-4)
            if not same:
                raise CheckpointError(f"'{name}' is another filter than R3GAN's (1, 3, 3, 1): it cannot be read.")
