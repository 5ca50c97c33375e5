"""StyleGAN2 of NVIDIA's TensorFlow code (stylegan2, stylegan2-ada): a pickle of three networks, (G, D, Gs), or of one.

Gs is the averaged generator. Variables of a network have names such as ``8x8/Conv0_up/weight``; those of its parts,
``mapping`` and ``synthesis``, lie in records of their own. Weights come with their outputs last; upsampling
convolutions are turned by half a turn, and 1 is added to styles at run time. No TensorFlow is needed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.checkpoints.formats.stylegan2 import convolution_name, stylegan2_unbuilt
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.safe_pickle.plain_trees import NetworkRecord
from ganvas.checkpoints.search import searched
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError

FORMAT = "NVIDIA TensorFlow pickle"
LOOKED_FOR = "StyleGAN2 of NVIDIA for TensorFlow (.pkl): 'Gs', alone or as the last, with 'synthesis/4x4/Const/const'"
CONST = "synthesis/4x4/Const/const"
LAYER = re.compile(r"synthesis/(\d{1,4})x\1/(\w+)/(\w+)")
LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}
DEEPEST = 4
DEFAULT_TAPS = (1, 3, 3, 1)


def read_stylegan2(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read the averaged generator Gs; raises `CheckpointError` for a network of TensorFlow that is no StyleGAN2."""
    networks = searched(tree).networks
    if not networks:
        return None
    place, network = next((pair for pair in networks if _is_averaged(*pair)), networks[-1])
    theirs = dict(_variables(network, "", DEEPEST))
    if CONST not in theirs:
        found = ", ".join(shown(name, 60) for name in sorted(theirs)[:3]) or "no variables"
        raise CheckpointError(f"this TensorFlow network is no StyleGAN2: {CONST} was looked for, found {found}.")
    if "mapping/LabelConcat/weight" in theirs:
        raise CheckpointError(
            "this StyleGAN2 of TensorFlow has classes, which it joins to z in a way of its own; give one without "
            "classes, or one of stylegan2-ada."
        )
    if not any(name.endswith("/Conv/mod_weight") for name in theirs):
        raise CheckpointError("this is StyleGAN1 or a configuration A-D of StyleGAN2; E, F and later ones can be read.")
    settings = network.state.get("static_kwargs")
    settings = settings if isinstance(settings, dict) else {}
    bound = settings.get("conv_clamp")
    ours = {**dict(_renamed(theirs)), "synthesis.kernel": _kernel(settings.get("resample_kernel") or DEFAULT_TAPS)}
    return stylegan2_unbuilt(
        ours,
        FORMAT,
        clamp=None if bound is None else float(bound),
        mapping_rate=float(settings.get("mapping_lrmul", 0.01)),
        verified=False,
        facts={"place": shown(place)} if place else {},
    )


def _is_averaged(place: str, network: NetworkRecord) -> bool:
    return network.state.get("name") == "Gs" or place.rpartition(".")[2] == "Gs"


def _variables(network: NetworkRecord, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the variables of a network and of its parts, by names with slashes."""
    variables, parts = network.state.get("variables", ()), network.state.get("components", {})
    if depth == 0 or not isinstance(variables, list | tuple) or not isinstance(parts, dict):
        raise CheckpointError("a TensorFlow network whose variables or parts are no list and dictionary: damaged.")
    for variable in variables:
        match variable:
            case (str() as name, np.ndarray() | float() | int() as value):
                yield prefix + name, torch.from_numpy(np.array(value))
            case _:
                raise CheckpointError("a variable of a TensorFlow network that is no name and array: damaged.")
    for name, part in parts.items():
        if isinstance(part, NetworkRecord):
            yield from _variables(part, f"{prefix}{name}/", depth - 1)


def _renamed(theirs: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in theirs.items():
        if name == CONST:
            yield "synthesis.blocks.b4.const", tensor[0]
        elif name == "dlatent_avg":
            yield "mapping.w_avg", tensor
        elif match := re.fullmatch(r"mapping/(?:Dense(\d{1,2})|(LabelEmbed))/(weight|bias)", name):
            layer = "embed" if match[2] else f"fc.{match[1]}"
            yield f"mapping.{layer}.{match[3]}", tensor.T if match[3] == "weight" else tensor
        elif match := re.fullmatch(r"synthesis/noise(\d{1,2})", name):
            yield f"{convolution_name(int(match[1]))}.noise", tensor.reshape(tensor.shape[-2:])
        elif (match := LAYER.fullmatch(name)) and match[2] in LAYERS:
            member, own = _member(match[2], match[3], tensor)
            yield f"synthesis.blocks.b{match[1]}.{LAYERS[match[2]]}.{member}", own


def _member(layer: str, member: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Return the name and the tensor of a layer's member as ours: outputs first, upsampling turned, styles with 1."""
    if member == "weight":
        outputs_first = tensor.permute(3, 2, 0, 1)
        return "weight", outputs_first.flip([2, 3]) if layer in ("Conv0_up", "Skip") else outputs_first
    if member == "mod_weight":
        return "affine.weight", tensor.T
    return ("affine.bias", tensor + 1) if member == "mod_bias" else (member, tensor)


def _kernel(taps: Any) -> Tensor:
    """Return the filter of these taps, with sum one."""
    row = torch.tensor([float(tap) for tap in taps])
    if len(row) != len(DEFAULT_TAPS):
        raise CheckpointError(f"this StyleGAN2 resamples with {len(row)} taps; {len(DEFAULT_TAPS)} were expected.")
    return torch.outer(row, row) / row.sum() ** 2
