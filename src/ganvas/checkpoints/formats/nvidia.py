"""NVIDIA's network snapshots: a pickle of persistence objects, of which ``G_ema`` is the generator.

stylegan2-ada-pytorch and stylegan3 write the same. The shapes decide; only the activation bound and the mapping's
learning rate come from the record's settings.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.checkpoints.formats.stylegan2 import stylegan2_unbuilt
from ganvas.checkpoints.safe_pickle.pickles import module_tensors
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.checkpoints.state_dict import renamed
from ganvas.checkpoints.unbuilt import UnbuiltGenerator

FORMAT = "NVIDIA pickle"
LOOKED_FOR = "StyleGAN2 of NVIDIA (.pkl): 'G_ema' with 'synthesis.b4.const'"
RENAMED = (
    (r"\.noise_const$", ".noise"),
    (r"^mapping\.fc(\d+)\.", r"mapping.fc.\1."),
    (r"^synthesis\.b(\d+)\.", r"synthesis.blocks.b\1."),
)


def generator_record(tree: Any) -> PersistentRecord | None:
    """Return the generator ``G_ema`` of a snapshot's tree, None where there is none."""
    record = tree.get("G_ema") if isinstance(tree, dict) else None
    return record if isinstance(record, PersistentRecord) else None


def settings(record: PersistentRecord, name: str) -> dict[str, Any]:
    """Return the settings such as ``synthesis_kwargs`` that the generator's constructor got, {} without."""
    found = record.init_kwargs.get(name, {})
    return found if isinstance(found, dict) else {}


def read_stylegan2(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a StyleGAN2 generator in any of its architectures (skip, resnet, orig), with or without classes."""
    record = generator_record(tree)
    if record is None:
        return None
    theirs = module_tensors(record)
    if "synthesis.b4.const" not in theirs:
        return None
    ours: dict[str, Tensor] = {}
    for name, tensor in theirs.items():
        if name == "synthesis.b4.resample_filter":
            ours["synthesis.kernel"] = tensor
        elif not name.endswith("resample_filter"):
            ours[renamed(name, RENAMED)] = tensor
    rate = float(settings(record, "mapping_kwargs").get("lr_multiplier", 0.01))
    return stylegan2_unbuilt(ours, FORMAT, clamp=_clamp(record), mapping_rate=rate)


def _clamp(record: PersistentRecord) -> float | None:
    """Return the bound of activations as the first layer has it."""
    try:
        layer = record.state["_modules"]["synthesis"].state["_modules"]["b4"].state["_modules"]["conv1"]
        bound = layer.state.get("conv_clamp")
    except (KeyError, AttributeError):
        bound = settings(record, "synthesis_kwargs").get("conv_clamp")
    return None if bound is None else float(bound)
