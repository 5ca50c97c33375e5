"""What a latent file holds beside its codes, checked."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def checked_header(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header's fields with their types made sure of; raises TypeError or ValueError."""
    layers, label = header["truncation_layers"], header["label"]
    return {
        "space": str(header["space"]),
        "seeds": tuple(int(seed) for seed in header["seeds"]),
        "names": tuple(str(name) for name in header.get("names", ())),
        "label": tuple(int(one) for one in label) if isinstance(label, list) else None if label is None else int(label),
        "truncation": float(header["truncation"]),
        "truncation_layers": None if layers is None else int(layers),
        "source": str(header.get("source", "")),
        "generator": str(header.get("generator", "")),
        "generator_hash": str(header.get("generator_hash", "")),
    }


def grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return noise maps, differences of weights and photos by name; raises ValueError for any other tensor."""
    groups: dict[str, dict[str, Tensor]] = {"noise": {}, "tuned": {}, "photo": {}}
    for name, values in tensors.items():
        group, dot, rest = name.partition(".")
        if dot and group in groups:
            groups[group][rest] = values
        elif name != "codes":
            raise ValueError(f"it holds an unknown tensor '{name[:40]}'")
    return groups
