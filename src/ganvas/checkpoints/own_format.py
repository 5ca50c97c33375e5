"""Our format of generators: safetensors with the architecture in the header; and modules built of such tensors."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ganvas.checkpoints.families import FAMILIES
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError, RegionError
from ganvas.generators.protocol import About
from ganvas.io.tensor_files import KEY, hash_tensors, read_tensors, write_tensors
from ganvas.regions import Region
from ganvas.regions.part_model import PartModel, stored_part_model

FORMAT = "Ganvas safetensors"
PARTS = "parts."  # how the names of tensors begin that tell parts apart; no weights of any family do
PRIOR = "standard normal, numpy RandomState per seed"


def is_own(path: Path) -> bool:
    """Return whether a safetensors file is ours, or so damaged that `read_own` should report it."""
    try:
        with safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return True


def read_own(path: Path) -> tuple[UnbuiltGenerator, About]:
    """Return a generator file of ours, not yet built, and what it says of itself; raises `CheckpointError`."""
    stored, header = read_tensors(path, "generator", CheckpointError)
    tensors = {name: tensor for name, tensor in stored.items() if not name.startswith(PARTS)}
    family = header.get("family")
    if not isinstance(family, str) or family not in FAMILIES:
        raise CheckpointError(
            f"'{path}' holds a generator of the family {family}; this version reads {', '.join(FAMILIES)}."
        )
    try:
        architecture = FAMILIES[family].from_description(header["architecture"])
        regions = {name: Region.from_description(region) for name, region in header.get("regions", {}).items()}
        about = About(
            str(header["name"]),
            hash_tensors(tensors),
            dict(header.get("source", {})),
            regions,
            str(header.get("edit_layers", "")),
            {name: str(layers) for name, layers in header.get("region_layers", {}).items()},
            str(header.get("face_finder", "")),
            tuple(_read_parts(stored, index, one) for index, one in enumerate(header.get("parts", []))),
        )
    except CheckpointError as reason:
        raise type(reason)(f"'{path}': {reason}") from reason
    except (AttributeError, KeyError, TypeError, ValueError, RegionError) as reason:
        raise CheckpointError(f"'{path}' has a damaged header ({reason}); convert the original file again.") from reason
    return UnbuiltGenerator(family, architecture, tensors, FORMAT), about


def _read_parts(tensors: Mapping[str, Tensor], index: int, header: Mapping[str, Any]) -> PartModel:
    start = f"{PARTS}{index}."
    own = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    return stored_part_model(own, header)


def build(unbuilt: UnbuiltGenerator, path: Path) -> Any:
    """Return the generator with these weights, in float32 on the CPU; `path` is for messages.

    Raises `CheckpointError` where names or shapes do not fit the architecture. The module is made without memory first,
    so that no file can ask for more than it holds: all its tensors have to be parameters or persistent buffers.
    """
    with torch.device("meta"):
        generator = FAMILIES[unbuilt.family].generator(unbuilt.architecture)
    tensors = unbuilt.tensors
    wanted = generator.state_dict()
    missing, unknown = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unknown:
        raise CheckpointError(
            f"'{path}' does not fit a {unbuilt.family} generator of {generator.resolution} pixels: missing "
            f"{missing[:3]}, unknown {[shown(name) for name in unknown[:3]]}."
        )
    for name, own in wanted.items():
        if tensors[name].shape != own.shape:
            shape = list(tensors[name].shape)
            raise CheckpointError(f"'{path}': {name} has shape {shape}, but {list(own.shape)} fits the other weights.")
    generator.load_state_dict({name: _placed(tensors[name], own) for name, own in wanted.items()}, assign=True)
    missing_buffers = [name for name, buffer in generator.named_buffers() if buffer.is_meta]
    assert not missing_buffers, f"{unbuilt.family} has buffers that are not in its state dict: {missing_buffers}"
    return generator


def _placed(tensor: Tensor, own: Tensor) -> Tensor:
    """Return the tensor in float32 on the CPU, stored in the order that its module has for its `own`; weights of
    convolutions that have none but the usual in channels_last, in which they are fastest.
    """
    if tensor.ndim == 4 and own.is_contiguous():
        return tensor.float().contiguous(memory_format=torch.channels_last)
    return torch.empty_strided(own.shape, own.stride(), dtype=torch.float32).copy_(tensor)


def save_generator(path: str | Path, generator: Any, about: About, *, half: bool = False) -> Path:
    """Write a generator of one of our families in our format, in float16 with `half`; returns the path."""
    tensors = {name: tensor.half() if half else tensor.float() for name, tensor in generator.state_dict().items()}
    header = {
        "family": generator.family,
        "architecture": asdict(generator.architecture),
        "prior": getattr(generator, "prior", PRIOR),
        "name": about.name,
        "source": dict(about.source),
        "regions": {name: region.describe() for name, region in about.regions.items()},
        "edit_layers": about.edit_layers,
        "region_layers": dict(about.region_layers),
        "face_finder": about.face_finder,
        "parts": [parts.stored()[1] for parts in about.parts],
    }
    for index, parts in enumerate(about.parts):
        tensors |= {f"{PARTS}{index}.{name}": tensor for name, tensor in parts.stored()[0].items()}
    return write_tensors(path, "generator", tensors, header, CheckpointError)
