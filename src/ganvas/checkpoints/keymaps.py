"""Foreign names to ours: what a checkpoint's records and tensors say of its architecture, and where each tensor goes.

Ours for StyleGAN2: ``mapping.embed``, ``mapping.fc.{i}``, ``mapping.w_avg``, ``synthesis.kernel`` and
``synthesis.blocks.b{r}.`` with ``const``, ``conv0``, ``conv1``, ``torgb``, ``skip``; each styled layer has ``affine``,
``weight``, ``bias``, and convolutions ``noise``, ``noise_strength``.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganvas.checkpoints.pickles import PersistentRecord, module_tensors
from ganvas.errors import CheckpointError
from ganvas.generators.stylegan2_synthesis import Architecture, Kind

RENAMED = (
    (r"\.noise_const$", ".noise"),
    (r"^mapping\.fc(\d+)\.", r"mapping.fc.\1."),
    (r"^synthesis\.b(\d+)\.", r"synthesis.blocks.b\1."),
)


def stylegan2_from_nvidia(record: PersistentRecord) -> tuple[Architecture, dict[str, Tensor]]:
    """Return architecture and tensors under our names of an NVIDIA StyleGAN2 generator (stylegan2-ada-pytorch,
    stylegan3).

    The shapes decide; only the activation bound and the mapping's learning rate come from the record's settings. Raises
    `CheckpointError` for what is no StyleGAN2 generator, naming what was looked for.
    """
    tensors = module_tensors(record)
    if "synthesis.b4.const" not in tensors:
        raise CheckpointError(_not_stylegan2(record.class_name, tensors))
    architecture = stylegan2_architecture(tensors, _clamp(record), _mapping_rate(record))
    ours = {}
    for name, tensor in tensors.items():
        if name.endswith("resample_filter"):
            if name == "synthesis.b4.resample_filter":
                ours["synthesis.kernel"] = _kernel(tensor)
            continue
        for pattern, replacement in RENAMED:
            name = re.sub(pattern, replacement, name)
        ours[name] = tensor
    return architecture, ours


def stylegan2_architecture(tensors: Mapping[str, Tensor], clamp: float | None, mapping_rate: float) -> Architecture:
    """Read a StyleGAN2's architecture off the shapes of its tensors, named as NVIDIA does."""
    resolutions = sorted(
        int(match[1]) for name in tensors if (match := re.fullmatch(r"synthesis\.b(\d+)\.conv1\.weight", name))
    )
    if resolutions != [4 * 2**i for i in range(len(resolutions))]:
        raise CheckpointError(
            f"This StyleGAN2 has blocks of {resolutions} pixels; 4, 8, 16, ... up to its resolution were expected."
        )
    colours = tensors[f"synthesis.b{resolutions[-1]}.torgb.weight"].shape[0]
    if colours != 3:
        raise CheckpointError(
            f"This generator makes pictures of {colours} channels; Ganvas edits pictures of 3 (red, green, blue)."
        )
    hidden = []
    while f"mapping.fc{len(hidden)}.weight" in tensors:
        hidden.append(tensors[f"mapping.fc{len(hidden)}.weight"].shape[0])
    label_dim = tensors["mapping.embed.weight"].shape[1] if "mapping.embed.weight" in tensors else 0
    w_dim = tensors["mapping.w_avg"].shape[0]
    inputs = tensors["mapping.fc0.weight"].shape[1]
    return Architecture(
        resolution=resolutions[-1],
        channels=tuple(tensors[f"synthesis.b{r}.conv1.weight"].shape[0] for r in resolutions),
        z_dim=inputs - (w_dim if label_dim else 0),
        w_dim=w_dim,
        hidden=tuple(hidden),
        label_dim=label_dim,
        kind=_kind(tensors, len(resolutions)),
        clamp=clamp,
        mapping_rate=mapping_rate,
        noise="synthesis.b4.conv1.noise_const" in tensors,
    )


def _kind(tensors: Mapping[str, Tensor], blocks: int) -> Kind:
    if "synthesis.b8.skip.weight" in tensors:
        return "resnet"
    return "skip" if blocks == 1 or "synthesis.b4.torgb.weight" in tensors else "orig"


def _kernel(tensor: Tensor) -> Tensor:
    if tensor.shape != (4, 4) or abs(float(tensor.sum()) - 1) > 1e-3:
        raise CheckpointError(
            f"This StyleGAN2 resamples with a filter of shape {list(tensor.shape)}; a 4x4 filter of sum 1 was expected."
        )
    return tensor.float()


def _clamp(record: PersistentRecord) -> float | None:
    """Return the bound of activations as the first layer has it."""
    try:
        layer = record.state["_modules"]["synthesis"].state["_modules"]["b4"].state["_modules"]["conv1"]
        bound = layer.state.get("conv_clamp")
    except (KeyError, AttributeError):
        bound = _settings(record, "synthesis_kwargs").get("conv_clamp")
    return None if bound is None else float(bound)


def _mapping_rate(record: PersistentRecord) -> float:
    return float(_settings(record, "mapping_kwargs").get("lr_multiplier", 0.01))


def _settings(record: PersistentRecord, name: str) -> dict[str, Any]:
    settings = record.init_kwargs.get(name, {})
    return settings if isinstance(settings, dict) else {}


def _not_stylegan2(class_name: str, tensors: Mapping[str, Tensor]) -> str:
    if "synthesis.input.freqs" in tensors:
        return "This is a StyleGAN3 generator, which Ganvas does not read yet; it reads StyleGAN2."
    found = ", ".join(list(tensors)[:3]) or "no tensors"
    return f"This {class_name} is no StyleGAN2 generator: 'synthesis.b4.const' was looked for; found {found}."
