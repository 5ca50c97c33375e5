"""What all formats of StyleGAN2 share: its architecture, read off the shapes of its tensors under our names.

Ours are ``mapping.embed``, ``mapping.fc.{i}``, ``mapping.w_avg``, ``synthesis.kernel`` and ``synthesis.blocks.b{r}.``
with ``const``, ``conv0``, ``conv1``, ``torgb``, ``skip``; each styled layer has ``affine``, ``weight``, ``bias``, and
convolutions ``noise``, ``noise_strength``.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.recognised import Recognised
from ganvas.errors import CheckpointError
from ganvas.generators.stylegan2_synthesis import Architecture, Kind

CONVOLUTION = re.compile(r"synthesis\.blocks\.b(\d{1,5})\.conv1\.weight")


def stylegan2_recognised(
    tensors: Mapping[str, Tensor],
    format: str,
    *,
    clamp: float | None = None,
    mapping_rate: float = 0.01,
    verified: bool = True,
    facts: Mapping[str, Any] | None = None,
) -> Recognised:
    """Return the StyleGAN2 that these tensors under our names make; raises `CheckpointError` where they make none."""
    architecture = stylegan2_architecture(tensors, clamp, mapping_rate)
    ours = {**tensors, "synthesis.kernel": _checked_kernel(tensors["synthesis.kernel"])}
    return Recognised("stylegan2", architecture, ours, format, verified, facts or {})


def stylegan2_architecture(tensors: Mapping[str, Tensor], clamp: float | None, mapping_rate: float) -> Architecture:
    """Read a StyleGAN2's architecture off the shapes of its tensors; raises `CheckpointError` for those of none."""
    resolutions = sorted(int(match[1]) for name in tensors if (match := CONVOLUTION.fullmatch(name)))
    if not resolutions or resolutions != [4 * 2**i for i in range(len(resolutions))]:
        raise CheckpointError(
            f"This StyleGAN2 has blocks of {resolutions} pixels; 4, 8, 16, ... up to its resolution were expected."
        )
    colours = size(tensors, f"synthesis.blocks.b{resolutions[-1]}.torgb.weight", 4)[0]
    if colours != 3:
        raise CheckpointError(
            f"This generator makes pictures of {colours} channels; Ganvas edits pictures of 3 (red, green, blue)."
        )
    hidden = []
    while f"mapping.fc.{len(hidden)}.weight" in tensors:
        hidden.append(size(tensors, f"mapping.fc.{len(hidden)}.weight", 2)[0])
    label_dim = size(tensors, "mapping.embed.weight", 2)[1] if "mapping.embed.weight" in tensors else 0
    w_dim = size(tensors, "mapping.w_avg", 1)[0]
    return Architecture(
        resolution=resolutions[-1],
        channels=tuple(size(tensors, f"synthesis.blocks.b{r}.conv1.weight", 4)[0] for r in resolutions),
        z_dim=size(tensors, "mapping.fc.0.weight", 2)[1] - (w_dim if label_dim else 0),
        w_dim=w_dim,
        hidden=tuple(hidden),
        label_dim=label_dim,
        kind=_kind(tensors, len(resolutions)),
        clamp=clamp,
        mapping_rate=mapping_rate,
        noise="synthesis.blocks.b4.conv1.noise" in tensors,
    )


def size(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> torch.Size:
    """Return the shape of a tensor that must be there and have so many dimensions; else raises `CheckpointError`."""
    if name not in tensors:
        found = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise CheckpointError(f"The weights lack {name}; found are {found} and others. The file is damaged.")
    if tensors[name].ndim != dimensions:
        raise CheckpointError(f"{name} has shape {list(tensors[name].shape)}; {dimensions} dimensions were expected.")
    return tensors[name].shape


def _kind(tensors: Mapping[str, Tensor], blocks: int) -> Kind:
    if "synthesis.blocks.b8.skip.weight" in tensors:
        return "resnet"
    return "skip" if blocks == 1 or "synthesis.blocks.b4.torgb.weight" in tensors else "orig"


def _checked_kernel(tensor: Tensor) -> Tensor:
    if tensor.shape != (4, 4) or abs(float(tensor.sum()) - 1) > 1e-3:
        raise CheckpointError(
            f"This StyleGAN2 resamples with a filter of shape {list(tensor.shape)}; a 4x4 filter of sum 1 was expected."
        )
    return tensor.float()
