"""StyleGAN2 in the ``.pth`` files of genforce: Hammer's (ReSeFa), and the older ones (GenForce, SeFa).

Both count layers in graph order (``layer{k}``) and colors by block (``output{b}``). The older code keeps the average w
in a module of its own, adds 1 to every style at run time, and stores the upsampling convolutions turned by half a turn.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.checkpoints.formats.stylegan2 import colors_name, convolution_name, stylegan2_unbuilt
from ganvas.checkpoints.search import find_weights
from ganvas.checkpoints.unbuilt import UnbuiltGenerator
from ganvas.errors import CheckpointError

HAMMER = "Hammer .pth"
GENFORCE = "GenForce .pth, before Hammer"
HAMMER_LOOKED_FOR = (
    "StyleGAN2 of Hammer or ReSeFa (.pth): 'models.generator_smooth' with 'synthesis.early_layer.const' and 'w_avg'"
)
GENFORCE_LOOKED_FOR = (
    "StyleGAN2 of GenForce or SeFa (.pth): 'generator_smooth' with 'synthesis.early_layer.const', 'truncation.w_avg'"
)
CONST = "synthesis.early_layer.const"
LAYER = re.compile(r"synthesis\.(layer|output)(\d{1,2})\.(.+)")
MEMBERS = {"style.weight": "affine.weight", "style.bias": "affine.bias"}
GAIN_OF_DOUBLING = 4


def read_hammer(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a StyleGAN2 of Hammer's."""
    found = find_weights(tree, CONST, "w_avg")
    if found is None:
        return None
    return stylegan2_unbuilt(dict(_renamed(found.tensors)), HAMMER, facts=found.facts())


def read_genforce(tree: Any, path: Path) -> UnbuiltGenerator | None:
    """Read a StyleGAN2 of the older code; raises `CheckpointError` for one with classes, which it joins to z as no
    other does.
    """
    found = find_weights(tree, CONST, "truncation.w_avg")
    if found is None:
        return None
    if "mapping.label_weight" in found.tensors:
        raise CheckpointError(
            "this StyleGAN2 of GenForce has classes, which it joins to z in a way of its own; give one without classes."
        )
    ours = dict(_renamed(found.tensors))
    for name, tensor in ours.items():
        if name.endswith("conv0.weight"):
            ours[name] = tensor.flip([2, 3])
        elif name.endswith("affine.bias"):
            ours[name] = tensor + 1
    if "synthesis.kernel" in ours:
        ours["synthesis.kernel"] = ours["synthesis.kernel"] / GAIN_OF_DOUBLING
    return stylegan2_unbuilt(ours, GENFORCE, verified=False, facts=found.facts())


def _renamed(theirs: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors under our names and in our shapes, and one filter for all."""
    for name, tensor in theirs.items():
        match = LAYER.fullmatch(name)
        if name == CONST:
            yield "synthesis.blocks.b4.const", tensor.reshape(tensor.shape[-3:])
        elif name in ("w_avg", "truncation.w_avg"):
            yield "mapping.w_avg", tensor
        elif name in ("synthesis.filter", "synthesis.layer1.filter.kernel"):
            yield "synthesis.kernel", tensor.reshape(tensor.shape[-2:])
        elif name.endswith((".filter", ".filter.kernel", ".upsample.kernel")):
            continue
        elif match:
            layer = (colors_name if match[1] == "output" else convolution_name)(int(match[2]))
            own_shape = tensor.reshape(tensor.shape[-2:]) if match[3] == "noise" else tensor
            yield f"{layer}.{MEMBERS.get(match[3], match[3])}", own_shape
        else:
            yield re.sub(r"^mapping\.dense(\d{1,2})\.", r"mapping.fc.\1.", name), tensor
