"""The ``.pt`` files of rosinality/stylegan2-pytorch with its many descendants (GANSpace, pixel2style2pixel, StyleCLIP),
and OpenMMLab's (MMGeneration, MMEditing, MMagic), which grew out of it.

Both number their layers alike: ``conv1``, ``convs.{i}`` in graph order, ``to_rgb1``, ``to_rgbs.{i}``. Weights of
convolutions are [1, o, i, k, k]; filters are stored with the gain of doubling, 4. Of OpenMMLab's names and channel
order (blue first: its measurements turn them before they count) we know from its public source.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.formats.stylegan2 import colors_name, completed, convolution_name, stylegan2_unbuilt
from ganvas.checkpoints.search import find_weights
from ganvas.checkpoints.state_dict import need
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError

ROSINALITY = "rosinality .pt"
OPENMMLAB = "OpenMMLab .pth"
ROSINALITY_LOOKED_FOR = "StyleGAN2 of rosinality or GANSpace (.pt): 'g_ema' with 'style.1.weight' and 'input.input'"
OPENMMLAB_LOOKED_FOR = "StyleGAN2 of OpenMMLab (.pth): 'state_dict' with 'generator_ema.constant_input.input'"
GAIN_OF_DOUBLING = 4
MAPPING = ("style.", "style_mapping.", "embed.", "w_avg")
LAYER = re.compile(r"(conv1|to_rgb1|convs\.\d{1,2}|to_rgbs\.\d{1,2})\.(.+)")
NOISE = re.compile(r"(?:noises\.|injected_)noise_(\d{1,2})")
MEMBERS = {
    "conv.weight": "weight",
    "conv.weight_orig": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "conv.style_modulation.linear.weight_orig": "affine.weight",
    "conv.style_modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "noise_injector.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}


def read_rosinality(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a StyleGAN2; its average w is ``latent_avg``, estimated where the file has none."""
    found = find_weights(tree, "input.input", "style.1.weight")
    if found is None:
        return None
    theirs = {name: tensor for name, tensor in found.tensors.items() if name != "latent_avg"}
    ours = dict(_renamed(theirs))
    for name, tensor in theirs.items():
        if match := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
            ours[f"mapping.fc.{int(match[1]) - 1}.{match[2]}"] = tensor
    facts = found.facts()
    averages = [part["latent_avg"] for part in (found.tensors, *found.above) if "latent_avg" in part]
    if averages and isinstance(averages[0], Tensor):
        ours["mapping.w_avg"] = _average(averages[0], facts)
    ours, said = completed(ours)
    return stylegan2_unbuilt(ours, ROSINALITY, facts={**facts, **said})


def _average(latent_avg: Tensor, facts: dict[str, str]) -> Tensor:
    """Return the average w [d] from ``latent_avg``, [d] or the same once for each layer, [layers, d]."""
    if latent_avg.ndim < 1 or not latent_avg.numel():
        raise CheckpointError(f"latent_avg has shape {list(latent_avg.shape)}; [w_dim] or [layers, w_dim] is expected.")
    rows = latent_avg.reshape(-1, latent_avg.shape[-1])
    if bool((rows == rows[0]).all()):
        return rows[0].clone()
    facts["w_avg"] = f"latent_avg differs between its {len(rows)} layers; truncation goes to their mean"
    return rows.float().mean(dim=0)


def read_openmmlab(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a StyleGAN2 from the flat state dict of OpenMMLab, the averaged generator where it has one."""
    found = find_weights(tree, "constant_input.input", "style_mapping.1.bias")
    if found is None:
        return None
    ours, said = completed(_from_openmmlab(found.tensors))
    return stylegan2_unbuilt(ours, OPENMMLAB, verified=False, facts={**found.facts(), **said})


def _from_openmmlab(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours = dict(_renamed(theirs))
    for name in [name for name in ours if name.endswith((".torgb.weight", ".torgb.bias"))]:
        ours[name] = torch.cat([ours[name][:3].flip(0), ours[name][3:]]) if len(ours[name]) >= 3 else ours[name]
    mapping = {int(match[1]) for name in theirs if (match := re.match(r"style_mapping\.(\d{1,2})\.", name))}
    for place, number in enumerate(sorted(mapping)):
        for member, member_of_theirs in (("weight", "linear.weight_orig"), ("bias", "bias")):
            ours[f"mapping.fc.{place}.{member}"] = need(theirs, f"style_mapping.{number}.{member_of_theirs}")
    if "embed.bias" in theirs:
        ours |= {"mapping.embed.weight": need(theirs, "embed.linear.weight_orig")}
        ours |= {"mapping.embed.bias": theirs["embed.bias"]}
    if "w_avg" in theirs:
        ours["mapping.w_avg"] = theirs["w_avg"]
    return ours


def _renamed(theirs: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the synthesis under our names and in our shapes, and one filter for all."""
    kernel = next((theirs[name] for name in theirs if name.endswith(("upsample.kernel", "blur.kernel"))), None)
    if kernel is not None:
        yield "synthesis.kernel", kernel / GAIN_OF_DOUBLING
    for name, tensor in theirs.items():
        if name in ("input.input", "constant_input.input"):
            yield "synthesis.blocks.b4.const", tensor[0]
        elif match := NOISE.fullmatch(name):
            yield f"{convolution_name(int(match[1]))}.noise", tensor.reshape(tensor.shape[-2:])
        elif (match := LAYER.fullmatch(name)) and not name.endswith(".kernel"):
            member = MEMBERS.get(match[2], match[2])
            yield f"{_layer_name(match[1])}.{member}", _plain_shape(member, tensor)
        elif not name.endswith(".kernel") and not name.startswith(MAPPING):
            yield name, tensor  # of a variant of StyleGAN2: building it raises for the unknown name


def _layer_name(theirs: str) -> str:
    """Return our name of ``conv1``, ``convs.{i}``, ``to_rgb1`` or ``to_rgbs.{i}``."""
    kind, _, number = theirs.partition(".")
    index = int(number) + 1 if number else 0
    return colors_name(index) if kind.startswith("to_rgb") else convolution_name(index)


def _plain_shape(member: str, tensor: Tensor) -> Tensor:
    """Drop the axes of length one: weights are [1, o, i, k, k] there, strengths [1], biases of colors [1, 3, 1, 1]."""
    if member == "weight" and tensor.ndim == 5:
        return tensor[0]
    if member == "noise_strength":
        return tensor.reshape(())
    return tensor.flatten() if member == "bias" else tensor
