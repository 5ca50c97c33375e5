"""NVIDIA's networks: snapshots, pickles of persistence objects of which ``G_ema`` is the generator, and state dicts.

stylegan2-ada-pytorch and stylegan3 write the same. The shapes decide; only the activation bound and the mapping's
learning rate come from the record's settings. A state dict has none: they are what NVIDIA's training sets, and the
facts say so.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.checkpoints.formats.stylegan2 import completed, stylegan2_unbuilt
from ganvas.checkpoints.safe_pickle.modules import submodule
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.checkpoints.search import Weights, find_weights
from ganvas.checkpoints.state_dict import renamed
from ganvas.checkpoints.unbuilt import UnbuiltGenerator

PICKLE, STATE_DICT = "NVIDIA pickle", "NVIDIA state dict"
LOOKED_FOR = "StyleGAN2 of NVIDIA (.pkl, state dicts): 'synthesis.b4.const', as a rule in 'G_ema'"
CONST = "synthesis.b4.const"
CLAMP, RATE = 256.0, 0.01
ASSUMED = f"conv_clamp {CLAMP:g} and lr_multiplier {RATE:g} of the mapping, NVIDIA's defaults: a state dict has neither"
RENAMED = (
    (r"\.noise_const$", ".noise"),
    (r"^mapping\.fc(\d+)\.", r"mapping.fc.\1."),
    (r"^synthesis\.b(\d+)\.", r"synthesis.blocks.b\1."),
)


def form_and_facts(found: Weights, assumed: str) -> tuple[str, dict[str, str]]:
    """Return the name of the format, and what to say of where the network was found and what is `assumed` of it."""
    if isinstance(found.module, PersistentRecord):
        return PICKLE, found.facts()
    return STATE_DICT, {**found.facts(), "assumed": assumed}


def settings(record: PersistentRecord, name: str) -> dict[str, Any]:
    """Return the settings such as ``synthesis_kwargs`` that the generator's constructor got, {} without."""
    found = record.init_kwargs.get(name, {})
    return found if isinstance(found, dict) else {}


def read_stylegan2(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a StyleGAN2 generator in any of its architectures (skip, resnet, orig), with or without classes."""
    found = find_weights(tree, CONST, "synthesis.b4.conv1.weight")
    if found is None:
        return None
    ours: dict[str, Tensor] = {}
    for name, tensor in found.tensors.items():
        if name == "synthesis.b4.resample_filter":
            ours["synthesis.kernel"] = tensor
        elif not name.endswith("resample_filter"):
            ours[renamed(name, RENAMED)] = tensor
    clamp, rate, form, facts = CLAMP, RATE, *form_and_facts(found, ASSUMED)
    if isinstance(found.module, PersistentRecord):
        rate = float(settings(found.module, "mapping_kwargs").get("lr_multiplier", RATE))
        clamp = _clamp(found.module)
    ours, said = completed(ours, rate)
    return stylegan2_unbuilt(ours, form, clamp=clamp, mapping_rate=rate, facts={**facts, **said})


def _clamp(record: PersistentRecord) -> float | None:
    """Return the bound of activations as the first layer has it."""
    layer = submodule(record, "synthesis.b4.conv1")
    state = layer.state if layer is not None and isinstance(layer.state, dict) else settings(record, "synthesis_kwargs")
    bound = state.get("conv_clamp")
    return None if bound is None else float(bound)
