"""Features of the Inception network of FID and KID, from its published weights, which Ganvas does not bring.

Written from Szegedy et al. 2016 ("Rethinking the Inception architecture", Fig. 5 to 7), with what the network of 2015
has of its own: averages that leave out the border, a maximum in the last block, and TensorFlow's bilinear resizing. A
file is a state dict as pytorch-fid and torch-fidelity publish it (...-2015-12-05-6726825d.pth).
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.checkpoints.safe_pickle.trees import read_tree
from ganvas.checkpoints.state_dict import state_dict
from ganvas.errors import CheckpointError
from ganvas.images.pixels import to_bytes

SIDE = 299
PUBLISHED = "6726825d"  # the first digits of the file's sha256
NAME = "Inception-v3 of 2015 (FID, KID)"
FID_NAMES = "KID", "FID"
EPSILON = 1e-3
PARTS = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")


class InceptionFeatures(nn.Module):
    """The 2,048 features of the last pooling. The name is that of FID's network where the weights are the published
    ones.
    """

    distance_names = FID_NAMES
    components = None
    resolution = SIDE

    def __init__(self, tensors: Mapping[str, Tensor], name: str) -> None:
        super().__init__()
        self.name = name
        for key, value in tensors.items():
            self.register_buffer(key.replace(".", "/"), value)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._tensor(STEM[0], PARTS[0]).device

    def _tensor(self, name: str, part: str) -> Tensor:
        return self.get_buffer(f"{name}.{part}".replace(".", "/"))

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Return the features of images in [-1, 1] of any size, rounded to 8 bits as those of files are."""
        x = to_bytes(images).permute(0, 3, 1, 2).float()
        x = (resize_like_tensorflow(x.to(self.device), SIDE) - 128) / 128
        x = self._convolve(x, STEM[0], 2)
        x = self._convolve(self._convolve(x, STEM[1]), STEM[2], padding=1)
        x = F.max_pool2d(x, 3, 2)
        x = F.max_pool2d(self._convolve(self._convolve(x, STEM[3]), STEM[4]), 3, 2)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._block_a(x, name)
        x = self._block_b(x, "Mixed_6a")
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._block_c(x, name)
        x = self._block_d(x, "Mixed_7a")
        x = self._block_e(x, "Mixed_7b", average(x))
        return self._block_e(x, "Mixed_7c", F.max_pool2d(x, 3, 1, 1)).mean((2, 3))

    def _convolve(self, x: Tensor, name: str, stride: int = 1, padding: int | tuple[int, int] = 0) -> Tensor:
        """Return the convolution of this name, normalized, after ReLU."""
        weight, gain, bias, mean, variance = (self._tensor(name, part) for part in PARTS)
        x = F.conv2d(x, weight, stride=stride, padding=padding)
        return F.relu(F.batch_norm(x, mean, variance, gain, bias, eps=EPSILON))

    def _chain(self, x: Tensor, *names: str, last_stride: int = 1) -> Tensor:
        """Return a branch: convolutions that keep the size, but for the last one where it has a stride."""
        for name in names:
            stride = last_stride if name == names[-1] else 1
            height, width = self._tensor(name, PARTS[0]).shape[-2:]
            x = self._convolve(x, name, stride, 0 if stride > 1 else (height // 2, width // 2))
        return x

    def _block_a(self, x: Tensor, name: str) -> Tensor:
        return torch.cat(
            [
                self._chain(x, f"{name}.branch1x1"),
                self._chain(x, f"{name}.branch5x5_1", f"{name}.branch5x5_2"),
                self._chain(x, *(f"{name}.branch3x3dbl_{i}" for i in (1, 2, 3))),
                self._chain(average(x), f"{name}.branch_pool"),
            ],
            dim=1,
        )

    def _block_b(self, x: Tensor, name: str) -> Tensor:
        double = self._chain(x, *(f"{name}.branch3x3dbl_{i}" for i in (1, 2, 3)), last_stride=2)
        return torch.cat([self._chain(x, f"{name}.branch3x3", last_stride=2), double, F.max_pool2d(x, 3, 2)], dim=1)

    def _block_c(self, x: Tensor, name: str) -> Tensor:
        return torch.cat(
            [
                self._chain(x, f"{name}.branch1x1"),
                self._chain(x, *(f"{name}.branch7x7_{i}" for i in (1, 2, 3))),
                self._chain(x, *(f"{name}.branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
                self._chain(average(x), f"{name}.branch_pool"),
            ],
            dim=1,
        )

    def _block_d(self, x: Tensor, name: str) -> Tensor:
        first = self._chain(x, f"{name}.branch3x3_1", f"{name}.branch3x3_2", last_stride=2)
        second = self._chain(x, *(f"{name}.branch7x7x3_{i}" for i in (1, 2, 3, 4)), last_stride=2)
        return torch.cat([first, second, F.max_pool2d(x, 3, 2)], dim=1)

    def _block_e(self, x: Tensor, name: str, pooled: Tensor) -> Tensor:
        single = self._chain(x, f"{name}.branch3x3_1")
        double = self._chain(x, f"{name}.branch3x3dbl_1", f"{name}.branch3x3dbl_2")
        return torch.cat(
            [
                self._chain(x, f"{name}.branch1x1"),
                *(self._chain(single, f"{name}.branch3x3_2{part}") for part in "ab"),
                *(self._chain(double, f"{name}.branch3x3dbl_3{part}") for part in "ab"),
                self._chain(pooled, f"{name}.branch_pool"),
            ],
            dim=1,
        )


def average(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return the mean over 3 x 3 places, of those inside the map only."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def resize_like_tensorflow(images: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c side side"]:
    """Resize bilinearly as TensorFlow 1 does: pixel i of the result lies at i times the scale; nothing is smoothed."""
    for axis in (2, 3):
        size = images.shape[axis]
        places = torch.arange(side, device=images.device, dtype=torch.float32) * (size / side)
        low = places.floor().long().clamp(max=size - 1)
        high, share = (low + 1).clamp(max=size - 1), places - low
        share = share[:, None] if axis == 2 else share
        below, above = images.index_select(axis, low), images.index_select(axis, high)
        images = below + share * (above - below)
    return images


def load_inception(path: str | Path, device: str | torch.device = "cpu") -> InceptionFeatures:
    """Load the network from a state dict, frozen. Nothing in the file is run.

    Raises `CheckpointError` for a file that is missing, or holds other weights.
    """
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(f"There is no file '{path}'; give the weights of FID's Inception network.")
    found = state_dict(read_tree(file))
    if found is None or f"{STEM[0]}.conv.weight" not in found:
        raise CheckpointError(
            f"'{path}' is no feature network and not FID's Inception; give pt_inception-2015-12-05-6726825d.pth."
        )
    kept = {name: tensor.float() for name, tensor in found.items() if name.endswith(PARTS)}
    published = hashlib.sha256(file.read_bytes()).hexdigest().startswith(PUBLISHED)
    network = InceptionFeatures(kept, NAME if published else f"Inception-v3 of {file.name}")
    network = network.to(device).eval()
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, SIDE, SIDE))
    except (AttributeError, RuntimeError) as reason:  # a tensor is missing, or has another shape
        raise CheckpointError(f"'{path}' does not fit the Inception network: {str(reason)[:120]}.") from reason
    return network
