"""Between weights that were tuned for different photos: differences of weights blended as codes are.

Differences are whole tensors or pairs of factors (see `ganvas.generators.weight_differences`). A sum of products of
factors is one product of longer factors, so that what was small stays small.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganvas.generators.weight_differences import LEFT, RIGHT, changed_names

Differences = Mapping[str, Tensor]


def same_weights(all_: Sequence[Differences]) -> bool:
    """Tell whether several latents have the same tuned weights, or none of them any."""
    first = all_[0]
    return all(
        other is first
        or (other.keys() == first.keys() and all(torch.equal(other[name], first[name]) for name in first))
        for other in all_[1:]
    )


def blended(a: Differences, b: Differences, t: float) -> dict[str, Tensor]:
    """Return ``(1 - t) a + t b``, float32, where a weight that one of them leaves alone has a difference of 0 there;
    at t 0 and 1 it is a or b itself.
    """
    if t in (0.0, 1.0):
        return dict(b if t else a)
    found: dict[str, Tensor] = {}
    for name in sorted(changed_names(a) | changed_names(b)):
        parts = [(share, part) for share, part in ((1 - t, a), (t, b)) if name in changed_names(part)]
        found |= _factors(name, parts) if all(name not in part for _, part in parts) else _whole(name, parts)
    return found


def _factors(name: str, parts: Sequence[tuple[float, Differences]]) -> dict[str, Tensor]:
    """Return the factors of the sum: ``sum s_i L_i R_i = [s_1 L_1, s_2 L_2] [R_1; R_2]``."""
    left = torch.cat([share * part[name + LEFT].float() for share, part in parts], dim=1)
    return {name + LEFT: left, name + RIGHT: torch.cat([part[name + RIGHT].float() for _, part in parts])}


def _whole(name: str, parts: Sequence[tuple[float, Differences]]) -> dict[str, Tensor]:
    shape = next(part[name].shape for _, part in parts if name in part)
    return {name: torch.stack([share * _product(part, name).reshape(shape) for share, part in parts]).sum(0)}


def _product(part: Differences, name: str) -> Tensor:
    return part[name].float() if name in part else part[name + LEFT].float() @ part[name + RIGHT].float()
