"""DCGAN generators as PyTorch's example and its many descendants save them: the state dict of one ``nn.Sequential``.

Its names end in a layer's number and a member (``main.0.weight``, ``module.main.1.running_mean``), whatever stands
before; transposed convolutions of kernel 4 alternate with batch normalization. Sizes and widths come from the shapes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError
from ganvas.generators.dcgan.generator import DCGANArchitecture
from ganvas.generators.dcgan.layers import FIRST, KERNEL

FORMAT = "PyTorch example DCGAN"
LOOKED_FOR = (
    "DCGAN of PyTorch's examples (.pth): a state dict 'main.0.weight' [z, channels, 4, 4], 'main.1.running_mean'"
)
MEMBER = re.compile(r"((?:.*\.)?)(\d{1,4})\.(weight|bias|running_mean|running_var|num_batches_tracked)")
NORM = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
DEEPEST = 3
Layer = Mapping[str, Tensor]


def read_dcgan(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read the generator out of a state dict, or out of a checkpoint that holds one among others.

    Raises `CheckpointError` for a DCGAN of other colors than three, and for layers that the published one has not.
    """
    for named in _state_dicts(tree, DEEPEST):
        layers = _layers(named)
        if layers and _is_generator(layers):
            return _unbuilt(layers)
    return None


def _state_dicts(tree: Any, depth: int) -> Iterator[Mapping[str, Tensor]]:
    """Yield the dicts of named tensors in a tree; those of averaged weights ("ema") first."""
    if not isinstance(tree, Mapping):
        return
    if tree and all(isinstance(value, Tensor) for value in tree.values()):
        yield tree
    elif depth:
        for name in sorted(tree, key=lambda name: "ema" not in str(name).lower()):
            yield from _state_dicts(tree[name], depth - 1)


def _layers(named: Mapping[str, Tensor]) -> list[Layer]:
    """Return the members of each layer of one sequence in order, [] for names of another kind."""
    layers: dict[int, dict[str, Tensor]] = {}
    prefixes = set()
    for name, tensor in named.items():
        match = MEMBER.fullmatch(str(name))
        if match is None:
            return []
        prefixes.add(match[1])
        layers.setdefault(int(match[2]), {})[match[3]] = tensor
    return [layers[number] for number in sorted(layers)] if len(prefixes) == 1 else []


def _is_generator(layers: Sequence[Layer]) -> bool:
    """Tell a generator from a discriminator: convolutions and normalization in turn, channels handed on input first."""
    convolutions, norms = layers[::2], layers[1::2]
    if len(layers) % 2 == 0 or len(layers) < 3 or not all("running_mean" in norm for norm in norms):
        return False
    if any("weight" not in layer or layer["weight"].ndim != 4 for layer in convolutions):
        return False
    shapes = [layer["weight"].shape for layer in convolutions]
    return all(first[1] == second[0] for first, second in pairwise(shapes))


def _unbuilt(layers: Sequence[Layer]) -> UnbuiltGenerator:
    convolutions, norms = layers[::2], layers[1::2]
    shapes = [tuple(layer["weight"].shape) for layer in convolutions]
    kernels = sorted({shape[2:] for shape in shapes})
    if kernels != [(KERNEL, KERNEL)]:
        raise CheckpointError(f"This DCGAN has kernels of sizes {kernels}; a DCGAN of 4x4 kernels can be read.")
    if shapes[-1][1] != 3:
        raise CheckpointError(
            f"This DCGAN makes images of {shapes[-1][1]} channel(s); Ganvas reads those of 3 (red, green, blue). "
            "A gray one can be used through ganvas.wrap."
        )
    if "bias" in convolutions[-1]:
        raise CheckpointError("This DCGAN's last layer has a bias, which the published one has not: use ganvas.wrap.")
    if any(norm.keys() - {"num_batches_tracked"} != NORM.keys() for norm in norms):
        raise CheckpointError(f"A batch normalization of this DCGAN lacks one of {', '.join(NORM)}: it is damaged.")
    architecture = DCGANArchitecture(FIRST * 2 ** len(norms), tuple(shape[1] for shape in shapes[:-1]), shapes[0][0])
    tensors = {"colors.weight": convolutions[-1]["weight"]}
    for size, convolution, norm in zip(architecture.resolutions, convolutions, norms, strict=False):
        tensors[f"blocks.b{size}.weight"] = convolution["weight"]
        tensors |= {f"blocks.b{size}.norm.{ours}": norm[theirs] for theirs, ours in NORM.items()}
        if "bias" in convolution:  # what is added before normalization moves the mean that it takes away
            moved = norm["running_mean"] - _of_shape(convolution["bias"], norm["running_mean"])
            tensors[f"blocks.b{size}.norm.mean"] = moved
    return UnbuiltGenerator("dcgan", architecture, tensors, FORMAT)


def _of_shape(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.shape != like.shape:
        raise CheckpointError(
            f"A bias of this DCGAN has shape {list(tensor.shape)}, its normalization {list(like.shape)}: it is damaged."
        )
    return tensor
