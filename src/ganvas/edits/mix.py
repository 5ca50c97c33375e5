"""Style mixing: some layers of one image's w+ codes, the others of another's (StyleGAN, Karras et al. 2019, 3.1).

Coarse layers (4 and 8 px) carry pose, hair and the shape of a face, middle ones (16 and 32 px) its features, fine ones
(from 64 px) colors and texture: Figure 3 of the paper.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.codes import Layers, parse_layers
from ganvas.generators.protocol import Generator
from ganvas.latents.spaces import codes_for

GROUPS = {"coarse": (0, 3), "middle": (4, 7), "fine": (8, None)}
"""First and last layer of the paper's groups, as StyleGAN and StyleGAN2 count them; None for the generator's last."""


def layer_groups(generator: Generator) -> dict[str, tuple[int, ...]]:
    """Return the layers of those groups (coarse, middle, fine) that the generator has."""
    _require_layers(generator)
    groups = {}
    for name, (first, last) in GROUPS.items():
        layers = tuple(range(first, generator.layers if last is None else min(last + 1, generator.layers)))
        if layers:
            groups[name] = layers
    return groups


def mixed_layers(generator: Generator, layers: Layers) -> tuple[int, ...]:
    """Return the layer numbers meant by "coarse", "middle", "fine", or by "0-3", a number, a list (None: all).

    Raises `LatentError` for layers or a group that the generator does not have, and for one without layers.
    """
    groups = layer_groups(generator)
    if not isinstance(layers, str) or layers not in GROUPS:
        return parse_layers(layers, generator.layers)
    if layers not in groups:
        raise LatentError(
            f"This generator has no {layers} layers: its layers 0-{generator.layers - 1} are {' and '.join(groups)}."
        )
    return groups[layers]


def mix(generator: Generator, codes: Tensor, source: Tensor, layers: Layers) -> Float[Tensor, "n layers d"]:
    """Return the w+ codes of `codes` with the rows `layers` taken from `source`.

    Both are w [n, d] or w+ [n, layers, d] codes; `source` has as many rows, or one for all (or `codes` one). Raises
    `LatentError` where they do not fit each other or the generator, and for one with space z only.
    """
    rows = list(mixed_layers(generator, layers))
    kept, taken = (codes_for(generator, given, "w+") for given in (codes, source))
    count = max(len(kept), len(taken))
    if {len(kept), len(taken)} - {1, count}:
        raise LatentError(f"{len(taken)} sources do not fit {len(kept)} codes: give as many, or one.")
    mixed = kept.expand(count, -1, -1).clone()
    mixed[:, rows] = taken[:, rows].to(mixed)
    return mixed


def mix_grid(
    generator: Generator, codes: Tensor, sources: Tensor, layers: Layers
) -> Float[Tensor, "rows columns layers d"]:
    """Return every one of `codes` (down) mixed with every one of `sources` (across), as `mix` does."""
    return torch.stack([mix(generator, codes[row : row + 1], sources, layers) for row in range(len(codes))])


def _require_layers(generator: Generator) -> None:
    if "w+" not in generator.spaces:
        raise LatentError(
            "Styles cannot be mixed here: that takes a generator whose layers have codes of their own (space w+). This "
            f"one has space {', '.join(generator.spaces)}."
        )
