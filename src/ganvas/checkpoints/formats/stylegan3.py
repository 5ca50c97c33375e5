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

from ganvas.checkpoints.formats import hammer, nvidia
from ganvas.checkpoints.safe_pickle.pickles import module_tensors
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.checkpoints.state_dict import mapping_sizes, need, numbered_shapes, renamed, shape_of, state_dicts
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError
from ganvas.generators.stylegan3.architecture import FINER, TAPS_PER_FACTOR, StyleGAN3Architecture
from ganvas.generators.stylegan3.synthesis import design

LOOKED_FOR_NVIDIA = "StyleGAN3 of NVIDIA (.pkl): 'G_ema' with 'synthesis.input.freqs'"
LOOKED_FOR_HAMMER = (
    "StyleGAN3 of Hammer (.pth): 'models' with 'generator_smooth', which has 'synthesis.early_layer.frequency'"
)
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
DERIVED = re.compile(r"synthesis\.(input\.(transform|grid)|layers\.\d+\.(up|down)_filter)")


def read_nvidia(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read NVIDIA's pickle of a StyleGAN3; raises `CheckpointError` where it is damaged or not one that we know."""
    record = nvidia.generator_record(tree)
    if record is None:
        return None
    tensors = module_tensors(record)
    if "synthesis.input.freqs" not in tensors:
        return None
    return _unbuilt(tensors, FROM_NVIDIA, _settings(record), nvidia.FORMAT)


def read_hammer(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a Hammer checkpoint of a StyleGAN3; its settings are not in the file, the published ones are tried."""
    for theirs in state_dicts(tree, hammer.PLACES):
        if "synthesis.early_layer.frequency" in theirs:
            return _unbuilt(theirs, FROM_HAMMER, {}, hammer.HAMMER)
    return None


def _unbuilt(
    theirs: Mapping[str, Tensor], patterns: Sequence[tuple[str, str]], settings: Mapping[str, Any], form: str
) -> UnbuiltGenerator:
    tensors = {renamed(name, patterns): tensor for name, tensor in theirs.items()}
    architecture = stylegan3_architecture(tensors, settings)
    _check_filters(tensors, architecture)
    facts = {}
    transform = tensors.get("synthesis.input.transform")
    if transform is not None and not torch.equal(transform.float(), torch.eye(3)):
        facts["transform"] = "the file's own input transform was left out: use transformed()"
    kept = {name: tensor for name, tensor in tensors.items() if not DERIVED.fullmatch(name)}
    return UnbuiltGenerator("stylegan3", architecture, kept, form, facts=facts)


def stylegan3_architecture(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> StyleGAN3Architecture:
    """Read a StyleGAN3's architecture off the shapes of its tensors under our names; `settings` are what they lack."""
    weights = numbered_shapes(tensors, "synthesis.layers.{}.weight", 4)
    if len(weights) < FEWEST_LAYERS:
        raise CheckpointError(f"This StyleGAN3 has {len(weights)} layers; 15 were expected.")
    if weights[-1][0] != 3:
        raise CheckpointError(
            f"This generator makes images of {weights[-1][0]} channels; Ganvas edits those of 3 (red, green, blue)."
        )
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
