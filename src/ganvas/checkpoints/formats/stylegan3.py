"""StyleGAN3 (T and R) as NVIDIA publishes it (.pkl), and as Hammer's descendants do (.pth).

The shapes give the architecture. What they do not show, the frequencies that the layers were designed for, is proved by
the stored filters: ours are designed anew and must be the same.
"""

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.channels import channel_facts, select_channels, shown_channels
from ganvas.checkpoints.formats import hammer, nvidia
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.checkpoints.search import find_weights
from ganvas.checkpoints.state_dict import mapping_sizes, need, numbered_shapes, renamed, shape_of
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError
from ganvas.generators.stylegan3.architecture import FINER, TAPS_PER_FACTOR, StyleGAN3Architecture
from ganvas.generators.stylegan3.synthesis import design

LOOKED_FOR_NVIDIA = "StyleGAN3 of NVIDIA (.pkl, state dicts): 'synthesis.input.freqs', as a rule in 'G_ema'"
LOOKED_FOR_HAMMER = (
    "StyleGAN3 of Hammer (.pth): 'models' with 'generator_smooth', which has 'synthesis.early_layer.frequency'"
)
ASSUMED = "conv_clamp 256, output_scale 0.25 and the other defaults of NVIDIA's code: a state dict has no settings"
INPUT_RATE = 16  # of the first map, at the published first frequencies
FEWEST_LAYERS = 4
MOST = 2**16
SETTINGS = {
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband",
    "num_critical": "critical",
    "margin_size": "margin",
    "output_scale": "scale",
    "conv_clamp": "clamp",
    "mapping.lr_multiplier": "mapping_rate",
}
COUNTS = ("critical", "margin")
FROM_NVIDIA = (
    (r"^mapping\.fc(\d+)\.", r"mapping.fc.\1."),
    (r"^synthesis\.input\.freqs$", "synthesis.input.frequencies"),
    (r"^synthesis\.L(\d+)_\d+_\d+\.", r"synthesis.layers.\1."),
    (r"\.magnitude_ema$", ".magnitude"),
)
FROM_HAMMER = (
    (r"^w_avg$", "mapping.w_avg"),
    (r"^mapping\.dense(\d+)\.", r"mapping.fc.\1."),
    (r"^mapping\.embedding\.", "mapping.embed."),
    (r"^synthesis\.early_layer\.frequency$", "synthesis.input.frequencies"),
    (r"^synthesis\.early_layer\.phase$", "synthesis.input.phases"),
    (r"^synthesis\.early_layer\.", "synthesis.input."),
    (r"^synthesis\.layer(\d+)\.", r"synthesis.layers.\1."),
    (r"\.conv\.weight$", ".weight"),
    (r"\.conv\.style\.", ".affine."),
    (r"\.filter\.(bias|up_filter|down_filter)$", r".\1"),
    (r"\.magnitude_ema$", ".magnitude"),
)
NAMED = re.compile(r"synthesis\.L(\d{1,3})_(\d{1,6})_\d{1,6}\.weight$")
DERIVED = re.compile(r"synthesis\.(input\.(transform|grid)|layers\.\d+\.(up|down)_filter)")


def read_nvidia(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read NVIDIA's StyleGAN3, snapshot or state dict; raises `CheckpointError` for a damaged or an unknown one."""
    found = find_weights(tree, "synthesis.input.freqs")
    if found is None:
        return None
    sizes = _sizes(found.tensors)
    settings = _settings(found.module) if isinstance(found.module, PersistentRecord) else _margin(found.tensors, sizes)
    form, facts = nvidia.form_and_facts(found, ASSUMED)
    unbuilt = _unbuilt(found.tensors, FROM_NVIDIA, settings, form, facts)
    ours = {i: shape.size_out for i, shape in enumerate(unbuilt.architecture.shapes)}
    if ours != sizes:
        raise CheckpointError(
            f"The layers of this StyleGAN3 make maps of {list(sizes.values())} pixels; those of the published "
            f"frequencies have {list(ours.values())}."
        )
    return unbuilt


def read_hammer(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a Hammer checkpoint of a StyleGAN3; its settings are not in the file, the published ones are tried."""
    found = find_weights(tree, "synthesis.early_layer.frequency")
    return None if found is None else _unbuilt(found.tensors, FROM_HAMMER, {}, hammer.HAMMER, found.facts())


def _unbuilt(
    theirs: Mapping[str, Tensor],
    patterns: Sequence[tuple[str, str]],
    settings: Mapping[str, Any],
    form: str,
    facts: Mapping[str, str],
) -> UnbuiltGenerator:
    tensors = {renamed(name, patterns): tensor for name, tensor in theirs.items()}
    architecture = stylegan3_architecture(tensors, settings)
    _check_filters(tensors, architecture)
    colors = len(numbered_shapes(tensors, "synthesis.layers.{}.weight", 4)) - 1
    channels = len(tensors[f"synthesis.layers.{colors}.weight"])
    facts = {**facts, **channel_facts(channels)}
    transform = tensors.get("synthesis.input.transform")
    if transform is not None and not torch.equal(transform.float(), torch.eye(3)):
        facts["transform"] = "the file's own input transform was left out: use transformed()"
    kept = {name: tensor for name, tensor in tensors.items() if not DERIVED.fullmatch(name)}
    for name in (f"synthesis.layers.{colors}.weight", f"synthesis.layers.{colors}.bias"):
        if name in kept and kept[name].shape[:1] == (channels,):
            kept[name] = select_channels(kept[name])
    return UnbuiltGenerator("stylegan3", architecture, kept, form, facts=facts)


def stylegan3_architecture(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> StyleGAN3Architecture:
    """Read a StyleGAN3's architecture off the shapes of its tensors under our names; `settings` are what they lack."""
    weights = numbered_shapes(tensors, "synthesis.layers.{}.weight", 4)
    if len(weights) < FEWEST_LAYERS:
        raise CheckpointError(f"This StyleGAN3 has {len(weights)} layers; 15 were expected.")
    if f"synthesis.layers.{len(weights) - 1}.up_filter" in tensors:
        raise CheckpointError("This StyleGAN3 lacks the layer that makes the colors. The file is damaged.")
    shown_channels(weights[-1][0])
    taps = numbered_shapes(tensors, "synthesis.layers.{}.up_filter", 1)
    doublings = [shape[0] / TAPS_PER_FACTOR / FINER for shape in taps]
    return StyleGAN3Architecture(
        resolution=int(min(INPUT_RATE * math.prod(doublings), MOST)),
        channels=tuple(weight[0] for weight in weights[:-1]),
        kernel=weights[0][-1],
        radial=need(tensors, "synthesis.layers.0.down_filter").ndim == 2,
        **(mapping_sizes(tensors) | {"w_dim": shape_of(tensors, "mapping.w_avg", 1)[0]}),
        **settings,
    )


def _sizes(theirs: Mapping[str, Tensor]) -> dict[int, int]:
    """Return the sizes of the layers' maps, which NVIDIA's names say: ``synthesis.L3_52_512.weight``."""
    found = {int(match[1]): int(match[2]) for name in theirs if (match := NAMED.match(name))}
    return dict(sorted(found.items()))


def _margin(theirs: Mapping[str, Tensor], sizes: Mapping[int, int]) -> dict[str, Any]:
    """Return the margin that the size of the first map shows, {} for the published one."""
    tensors = {renamed(name, FROM_NVIDIA): tensor for name, tensor in theirs.items()}
    published = stylegan3_architecture(tensors, {})
    beyond = sizes.get(0, 0) - published.shapes[0].size_out
    return {"margin": published.margin + beyond // 2} if beyond else {}


def _settings(record: PersistentRecord) -> dict[str, Any]:
    """Return what the file says of the settings that no shape shows, under our names."""
    known = {**record.init_kwargs, **nvidia.settings(record, "synthesis_kwargs")}
    known |= {f"mapping.{name}": value for name, value in nvidia.settings(record, "mapping_kwargs").items()}
    found = {ours: known[theirs] for theirs, ours in SETTINGS.items() if theirs in known}
    for name, value in found.items():
        if type(value) not in (int, float) and not (name == "clamp" and value is None):
            raise CheckpointError(
                f"The setting {name} of this StyleGAN3 is {reprlib.repr(value)}; a number was expected."
            )
    return {name: float(value) if type(value) is int and name not in COUNTS else value for name, value in found.items()}


def _check_filters(tensors: Mapping[str, Tensor], architecture: StyleGAN3Architecture) -> None:
    """Raise `CheckpointError` unless the stored filters are those that the architecture asks for."""
    for i, shape in enumerate(architecture.shapes[:-1]):
        for kind, ours in zip(("up", "down"), design(shape), strict=True):
            theirs = tensors.get(f"synthesis.layers.{i}.{kind}_filter")
            if theirs is None or theirs.shape != ours.shape or not torch.allclose(theirs.float(), ours, 0, 1e-5):
                found = "none" if theirs is None else list(theirs.shape)
                raise CheckpointError(
                    f"The {kind}sampling filter of layer {i} ({found}) is not that of a StyleGAN3 of "
                    f"{architecture.resolution} pixels {list(ours.shape)}: its frequencies are not the published ones."
                )
