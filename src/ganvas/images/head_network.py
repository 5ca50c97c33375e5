"""The network that finds a head in a window of a photo: whether there is one, and the similarity that brings the window
to where a generator has the head. Trained by ``studies.alignment.train_heads``.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import CheckpointError
from ganvas.io.tensor_files import read_tensors, write_tensors

KIND = "head network"
SIDE = 64  # pixels of a window
OUTPUTS = 5


@dataclass(frozen=True)
class HeadArchitecture:
    """The sizes of a head network: channels of its maps, each of half the size of the one before, the first of 32
    pixels; ``narrow`` channels of the last map before it is flattened; ``hidden`` units.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96)
    narrow: int = 32
    hidden: int = 96

    def __post_init__(self) -> None:
        sizes = (*self.widths, self.narrow, self.hidden)
        if not (1 < len(self.widths) < 6 and all(type(size) is int and 0 < size <= 1024 for size in sizes)):
            raise CheckpointError(f"{self} is no head network; give two to five widths and sizes from 1 to 1024.")


class HeadNetwork(nn.Module):
    """Windows [n, 3, 64, 64] in [-1, 1] to [n, 5]: the logit of there being a head; its center (x, y) from the middle
    of the window, in sides of the window; the logarithm of its side over the window's; its angle in radians, clockwise.
    """

    def __init__(self, architecture: HeadArchitecture = HeadArchitecture()) -> None:
        super().__init__()
        a = self.architecture = architecture
        stages: list[nn.Module] = [_convolution(3, a.widths[0], 2)]
        for inputs, outputs in pairwise(a.widths):
            stages += [_convolution(inputs, outputs, 2), _convolution(outputs, outputs, 1)]
        self.stages = nn.Sequential(*stages, _convolution(a.widths[-1], a.narrow, 1))
        final = SIDE >> len(a.widths)
        self.gather = nn.Linear(a.narrow * final * final, a.hidden)
        self.out = nn.Linear(a.hidden, OUTPUTS)

    def forward(self, windows: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n 5"]:
        """Return logits and similarities, float32."""
        maps = self.stages(windows.contiguous(memory_format=torch.channels_last))
        return self.out(F.relu(self.gather(maps.flatten(1)))).float()


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def save_head_network(path: str | Path, network: HeadNetwork, source: dict[str, Any]) -> Path:
    """Write a head network in float16, with a description of its source; returns the path."""
    header = {"architecture": asdict(network.architecture), "source": source}
    tensors = {name: tensor.half() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    return write_tensors(path, KIND, tensors, header, CheckpointError)


def load_head_network(path: str | Path) -> HeadNetwork:
    """Return the head network of a file, frozen; raises `CheckpointError` where it holds none."""
    tensors, header = read_tensors(path, KIND, CheckpointError)
    try:
        described = dict(header["architecture"])
        network = HeadNetwork(HeadArchitecture(**(described | {"widths": tuple(described["widths"])})))
        known = {name: tensor for name, tensor in network.state_dict().items() if not tensor.is_floating_point()}
        network.load_state_dict(known | {name: tensor.float() for name, tensor in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as reason:
        raise CheckpointError(f"'{path}' is a damaged head network ({reason}); install Ganvas again.") from reason
    return network.eval().requires_grad_(False)
