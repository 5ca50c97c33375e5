"""What all formats of StyleGAN2 share: its architecture, read off the shapes of its tensors under our names.

Ours are ``mapping.embed``, ``mapping.fc.{i}``, ``mapping.w_avg``, ``synthesis.kernel`` and ``synthesis.blocks.b{r}.``
with ``const``, ``conv0``, ``conv1``, ``torgb``, ``skip``; each styled layer has ``affine``, ``weight``, ``bias``, and
convolutions ``noise``, ``noise_strength``.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.channels import channel_facts, select_channels, shown_channels
from ganvas.checkpoints.state_dict import mapping_sizes, shape_of, without_prefix
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError
from ganvas.generators.codes import sample_normal_as_resefa
from ganvas.generators.mapping import MappingNetwork
from ganvas.generators.stylegan2.architecture import Kind, StyleGAN2Architecture

CONVOLUTION = re.compile(r"synthesis\.blocks\.b(\d{1,5})\.conv1\.weight")
COLORS = re.compile(r"synthesis\.blocks\.b\d{1,5}\.torgb\.(weight|bias)")
STRENGTH = re.compile(r"synthesis\.blocks\.b(\d{1,5})\.conv[01]\.noise_strength")
LARGEST_KERNEL_ERROR = 1e-3
AVERAGED = 10_000
ROWS_AT_ONCE = 1_000


def stylegan2_unbuilt(
    tensors: Mapping[str, Tensor],
    format: str,
    *,
    clamp: float | None = None,
    mapping_rate: float = 0.01,
    verified: bool = True,
    facts: Mapping[str, Any] | None = None,
) -> UnbuiltGenerator:
    """Return the StyleGAN2 that these tensors under our names make; raises `CheckpointError` where they make none.

    Of other than three channels, those that can be shown are kept.
    """
    architecture = stylegan2_architecture(tensors, clamp, mapping_rate)
    kernel = shape_of(tensors, "synthesis.kernel", 2)
    if kernel != (4, 4) or abs(float(tensors["synthesis.kernel"].sum()) - 1) > LARGEST_KERNEL_ERROR:
        raise CheckpointError(
            f"this StyleGAN2 resamples with a filter of shape {list(kernel)}; a 4x4 filter of sum 1 was expected."
        )
    ours = {**tensors, "synthesis.kernel": tensors["synthesis.kernel"].float()}
    channels = shape_of(ours, f"synthesis.blocks.b{architecture.resolution}.torgb.weight", 4)[0]
    for name in [name for name in ours if COLORS.fullmatch(name)]:
        if ours[name].shape[:1] == (channels,):
            ours[name] = select_channels(ours[name])
    said = {**(facts or {}), **channel_facts(channels)}
    return UnbuiltGenerator("stylegan2", architecture, ours, format, verified, said)


def completed(tensors: Mapping[str, Tensor], mapping_rate: float = 0.01) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of formats that may lack the filter, the average w or the noise maps, and facts that say what
    was put in their place.
    """
    said, ours = dict[str, str](), dict(tensors)
    if "synthesis.kernel" not in ours:
        ours["synthesis.kernel"] = published_filter()
        said["filter"] = "the file has no resampling filter; it is the published one (1, 3, 3, 1)"
    lacking = [name.removesuffix("_strength") for name in ours if STRENGTH.fullmatch(name)]
    random = torch.Generator().manual_seed(0)
    for name in sorted(name for name in lacking if name not in ours):
        size = int(name.split(".")[2][1:])
        if size > 1 << 13:
            raise CheckpointError(f"this StyleGAN2 has a layer of {size} pixels, which is no size of images.")
        ours[name] = torch.randn(size, size, generator=random)
        said["noise"] = "the file has no noise maps; they were drawn from seed 0"
    if "mapping.w_avg" not in ours:
        architecture = stylegan2_architecture(ours, None, mapping_rate)
        ours["mapping.w_avg"] = average_w(ours, architecture)
        said["w_avg"] = f"the file has no average w; it is the mean w of {AVERAGED} codes drawn from seed 0"
    return ours, said


def published_filter() -> Float[Tensor, "4 4"]:
    """Return the filter that every published StyleGAN2 resamples with, of sum one."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / taps.sum() ** 2


def stylegan2_architecture(
    tensors: Mapping[str, Tensor], clamp: float | None, mapping_rate: float
) -> StyleGAN2Architecture:
    """Read a StyleGAN2's architecture off the shapes of its tensors; raises `CheckpointError` for those of none."""
    resolutions = sorted(int(match[1]) for name in tensors if (match := CONVOLUTION.fullmatch(name)))
    if not resolutions or resolutions != [4 * 2**i for i in range(len(resolutions))]:
        raise CheckpointError(
            f"this StyleGAN2 has blocks of {resolutions} pixels; 4, 8, 16, ... up to its resolution were expected."
        )
    shown_channels(shape_of(tensors, f"synthesis.blocks.b{resolutions[-1]}.torgb.weight", 4)[0])
    _, height, width = shape_of(tensors, "synthesis.blocks.b4.const", 3)
    if height != width:
        raise CheckpointError(
            f"this StyleGAN2 makes images that are not square: it begins with a map of {height} x {width} pixels. "
            "Ganvas edits square ones."
        )
    return StyleGAN2Architecture(
        resolution=resolutions[-1],
        channels=tuple(shape_of(tensors, f"synthesis.blocks.b{r}.conv1.weight", 4)[0] for r in resolutions),
        **mapping_sizes(tensors),
        kind=_kind(tensors, len(resolutions)),
        clamp=clamp,
        mapping_rate=mapping_rate,
        noise="synthesis.blocks.b4.conv1.noise" in tensors,
    )


def _kind(tensors: Mapping[str, Tensor], blocks: int) -> Kind:
    if "synthesis.blocks.b8.skip.weight" in tensors:
        return "resnet"
    return "skip" if blocks == 1 or "synthesis.blocks.b4.torgb.weight" in tensors else "orig"


@torch.no_grad()
def average_w(tensors: Mapping[str, Tensor], architecture: StyleGAN2Architecture) -> Float[Tensor, "w_dim"]:
    """Return the mean w of `AVERAGED` codes drawn from seed 0; with classes, of all classes in turn."""
    a = architecture
    with torch.device("meta"):
        mapping = MappingNetwork(a.z_dim, a.w_dim, a.hidden, a.label_dim, a.mapping_rate)
    own = {name: tensor.float() for name, tensor in without_prefix(tensors, "mapping.").items()}
    mapping.load_state_dict({**own, "w_avg": torch.zeros(a.w_dim)}, assign=True)
    total = torch.zeros(a.w_dim, dtype=torch.float64)
    classes = torch.arange(AVERAGED) % max(1, a.label_dim)
    for z, numbers in zip(
        sample_normal_as_resefa(0, AVERAGED, a.z_dim).split(ROWS_AT_ONCE), classes.split(ROWS_AT_ONCE), strict=True
    ):
        label = F.one_hot(numbers, a.label_dim).float() if a.label_dim else None
        total += mapping(z, label).double().sum(dim=0)
    return (total / AVERAGED).float()


def convolution_name(index: int) -> str:
    """Return our name of the convolution with this number in graph order: 0 is that of 4 pixels, then two a block."""
    return f"synthesis.blocks.b{4 << (index + 1) // 2}.conv{1 if index % 2 == 0 else 0}"


def colors_name(block: int) -> str:
    """Return our name of the colors of the block with this number, 0 being that of 4 pixels."""
    return f"synthesis.blocks.b{4 << block}.torgb"
