"""State dicts of foreign files: renaming their tensors, and reading sizes off their shapes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.errors import CheckpointError


def state_dict(tree: Any) -> dict[str, Tensor] | None:
    """Return a dict with names of tensors as its keys without other things (a counter); None for none."""
    if not isinstance(tree, Mapping):
        return None
    tensors = {name: value for name, value in tree.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return {name: value for name, value in tensors.items() if not value.is_complex()} or None


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with `prefix`, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def renamed(name: str, patterns: Iterable[tuple[str, str]]) -> str:
    """Return a name after the substitutions (regular expression, replacement), applied in turn."""
    for pattern, replacement in patterns:
        name = re.sub(pattern, replacement, name)
    return name


def need(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """Return a tensor that must be there; else raises `CheckpointError`."""
    if name not in tensors:
        found = ", ".join(shown(known, 60) for known in sorted(tensors)[:3]) or "nothing"
        raise CheckpointError(f"the weights lack {name}; found are {found} and others. The file is damaged.")
    return tensors[name]


def shape_of(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> torch.Size:
    """Return the shape of a tensor that must be there and have so many dimensions; else raises `CheckpointError`."""
    tensor = need(tensors, name)
    if tensor.ndim != dimensions:
        raise CheckpointError(f"{name} has shape {list(tensor.shape)}; {dimensions} dimensions were expected.")
    return tensor.shape


def numbered_shapes(tensors: Mapping[str, Tensor], name: str, dimensions: int) -> list[torch.Size]:
    """Return the shapes of the tensors that `name`, such as "layers.{}.weight", gives for 0, 1, ... as long as there
    are any.
    """
    shapes: list[torch.Size] = []
    while name.format(len(shapes)) in tensors:
        shapes.append(shape_of(tensors, name.format(len(shapes)), dimensions))
    return shapes


def mapping_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return z_dim, w_dim, hidden and label_dim of a mapping network, from its tensors under our names."""
    inputs = shape_of(tensors, "mapping.fc.0.weight", 2)[1]
    hidden = tuple(shape[0] for shape in numbered_shapes(tensors, "mapping.fc.{}.weight", 2))
    label_dim = shape_of(tensors, "mapping.embed.weight", 2)[1] if "mapping.embed.weight" in tensors else 0
    z_dim = inputs - (hidden[-1] if label_dim else 0)
    return {"z_dim": z_dim, "w_dim": hidden[-1], "hidden": hidden, "label_dim": label_dim}
