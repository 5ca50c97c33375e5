"""DCGAN generators as PyTorch's example and its many descendants save them: the state dict of one ``nn.Sequential``.

Its names end in a layer's number and a member (``main.0.weight``, ``module.main.1.running_mean``), whatever stands
before; transposed convolutions of kernel 4 alternate with batch normalization. Sizes and widths come from the shapes.
Where a state dict has other networks too, the prefix has to say which is the generator.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.channels import channel_facts, select_channels, shown_channels
from ganvas.checkpoints.search import searched
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
GENERATOR = re.compile(r"(?<![a-z])(g|gen|net_?g|generator)(?![a-z])|generator|ema")
SPARE_CHANNELS, FEWEST_CODES = 8, 8
LARGEST_RESIDUAL, LARGEST_EXCESS, MOST_OF_A_CODE = 0.1, 0.03, 0.15  # 0.002, 0.00003 and 0.04 in a published file
Layer = Mapping[str, Tensor]


def read_dcgan(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read the generator out of a state dict or a module, or out of a checkpoint that holds one among others.

    Raises `CheckpointError` for layers that the published one has not.
    """
    found = [
        (weights.below(prefix), layers)
        for weights in searched(tree).weights
        for prefix, layers in _sequences(weights.tensors)
        if _is_generator(layers)
    ]
    if not found:
        return None
    (best, layers), *others = sorted(found, key=lambda pair: not pair[0].averaged)
    return _unbuilt(layers, best.beside([weights for weights, _ in others]).facts())


def _sequences(named: Mapping[str, Tensor]) -> Iterator[tuple[str, list[Layer]]]:
    """Yield the sequences of layers among named tensors: all of them where they are one, else those whose prefix is a
    generator's.
    """
    sequences: dict[str, dict[int, dict[str, Tensor]]] = {}
    others = 0
    for name, tensor in named.items():
        match = MEMBER.fullmatch(name)
        if match is None:
            others += 1
        else:
            sequences.setdefault(match[1], {}).setdefault(int(match[2]), {})[match[3]] = tensor
    for prefix, layers in sequences.items():
        if len(sequences) + others == 1 or GENERATOR.search(prefix.lower()):
            yield prefix, [layers[number] for number in sorted(layers)]


def _is_generator(layers: Sequence[Layer]) -> bool:
    """Tell a generator from a discriminator: convolutions and normalization in turn, channels handed on input first."""
    convolutions, norms = layers[::2], layers[1::2]
    if len(layers) % 2 == 0 or len(layers) < 3 or not all("running_mean" in norm for norm in norms):
        return False
    if any("weight" not in layer or layer["weight"].ndim != 4 for layer in convolutions):
        return False
    shapes = [layer["weight"].shape for layer in convolutions]
    return all(first[1] == second[0] for first, second in pairwise(shapes))


def _unbuilt(layers: Sequence[Layer], facts: Mapping[str, str]) -> UnbuiltGenerator:
    convolutions, norms = layers[::2], layers[1::2]
    shapes = [tuple(layer["weight"].shape) for layer in convolutions]
    kernels = sorted({shape[2:] for shape in shapes})
    if kernels != [(KERNEL, KERNEL)]:
        raise CheckpointError(f"This DCGAN has kernels of sizes {kernels}; a DCGAN of 4x4 kernels can be read.")
    if any(norm.keys() - {"num_batches_tracked"} != NORM.keys() for norm in norms):
        raise CheckpointError(f"A batch normalization of this DCGAN lacks one of {', '.join(NORM)}: it is damaged.")
    last, channels = convolutions[-1], shapes[-1][1]
    shown_channels(channels)
    tensors = {"colors.weight": select_channels(last["weight"], 1)}
    if "bias" in last:
        tensors["colors.bias"] = select_channels(_of_shape(last["bias"], last["weight"][0, :, 0, 0]))
    first, classes = _label_last(convolutions[0], norms[0])
    convolutions = [{**convolutions[0], "weight": first}, *convolutions[1:]]
    channels_of_maps = tuple(shape[1] for shape in shapes[:-1])
    z_dim = shapes[0][0] - classes
    architecture = DCGANArchitecture(FIRST * 2 ** len(norms), channels_of_maps, z_dim, "bias" in last, classes)
    if classes:
        facts = {**facts, "classes": f"{classes} of its {shapes[0][0]} inputs are shares of classes, which add up to 1"}
    for size, convolution, norm in zip(architecture.resolutions, convolutions, norms, strict=False):
        tensors[f"blocks.b{size}.weight"] = convolution["weight"]
        tensors |= {f"blocks.b{size}.norm.{ours}": norm[theirs] for theirs, ours in NORM.items()}
        if "bias" in convolution:  # what is added before normalization moves the mean that it takes away
            moved = norm["running_mean"] - _of_shape(convolution["bias"], norm["running_mean"])
            tensors[f"blocks.b{size}.norm.mean"] = moved
    return UnbuiltGenerator("dcgan", architecture, tensors, FORMAT, facts={**facts, **channel_facts(channels)})


def _label_last(convolution: Layer, norm: Layer) -> tuple[Tensor, int]:
    """Return the first layer's weights with the inputs of a one-hot label last, and how many those are, 0 for none.

    The running mean of the first normalization is ``W E[inputs] + bias``. A prior has the mean 0, a label the shares of
    its classes, which add up to 1. So least squares finds a label, and where it stands; too few channels prove nothing.
    """
    weight, mean = convolution["weight"], norm["running_mean"]
    inputs, outputs = weight.shape[:2]
    finite = bool(weight.isfinite().all() and mean.isfinite().all())
    if mean.shape != (outputs,) or outputs < inputs + SPARE_CHANNELS or not finite:
        return weight, 0
    maps = weight.double().mean(dim=(2, 3)).T
    mean = (mean - _of_shape(convolution["bias"], mean) if "bias" in convolution else mean).double()
    expected = torch.linalg.lstsq(maps, mean[:, None]).solution[:, 0]
    if (maps @ expected - mean).norm() > LARGEST_RESIDUAL * mean.norm():
        return weight, 0
    if count := _shares(expected.flip(0)):
        return weight, count
    count = _shares(expected)
    return weight.roll(-count, dims=0), count


def _shares(expected: Tensor) -> int:
    """Return how many of the first expectations are shares of classes: above 0, of sum 1, and the others near 0."""
    for count in range(2, len(expected) - FEWEST_CODES + 1):
        shares, others = expected[:count], expected[count:]
        if shares[-1] <= 0:
            return 0
        if abs(float(shares.sum()) - 1) < LARGEST_EXCESS and others.abs().max() < MOST_OF_A_CODE:
            return count
    return 0


def _of_shape(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.shape != like.shape:
        raise CheckpointError(
            f"A bias of this DCGAN has shape {list(tensor.shape)}; {list(like.shape)} was expected: it is damaged."
        )
    return tensor
