"""The feature network: feature maps and global features of images, without files of Inception, VGG or ArcFace.

A small convolutional network, trained without labels on faces and cats (``studies.features.training``), frozen
and shipped. Its distances have names of their own and compare only with each other. Knows no generator.
"""

import importlib.resources
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import CheckpointError, ImageError
from ganvas.images import pixels
from ganvas.io.tensor_files import hash_tensors, read_tensors, write_tensors
from ganvas.metrics.distribution import COMPONENTS

KIND = "feature network"
SLOPE = 0.2
SMALLEST = 16
BATCH = 50
FAINTEST = 1e-6
OWN_NAMES = "kernel MMD", "Fréchet distance"
BUNDLED_HASH = "af98f64517d6730dd66967e4c7a0afce0a015c388d46135dc304520876bbe94f"


@runtime_checkable
class ImageFeatures(Protocol):
    """A network whose features sets of images are compared by: its name, the names of the kernel MMD and the Fréchet
    distance by it, the side of its images in pixels, where it computes, and the features [n, d] of images in [-1, 1].
    """

    @property
    def distance_names(self) -> tuple[str, str]:
        """What the kernel MMD and the Fréchet distance are called."""
        ...

    @property
    def components(self) -> int | None:
        """How many principal components the Fréchet distance is taken on; None for all features, as FID is."""
        ...

    @property
    def name(self) -> str:
        """The name that its distances carry."""
        ...

    @property
    def resolution(self) -> int:
        """The side in pixels that images are resized to."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """Return the features of images."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return its weights."""
        ...


@dataclass(frozen=True)
class Architecture:
    """The sizes of a feature network: ``resolution`` of its images in pixels, channels (``widths``) of its maps, the
    first at full resolution and each of half the size of the one before, and number of global ``features``.
    """

    resolution: int = 128
    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    features: int = 128

    def __post_init__(self) -> None:
        sizes = (self.resolution, *self.widths, self.features)
        if not (len(self.widths) > 1 and all(type(size) is int and 0 < size <= 4096 for size in sizes)):
            raise CheckpointError(f"{self} is no feature network; give two or more widths and sizes from 1 to 4096.")
        if self.resolution % 2 ** (len(self.widths) - 1):
            raise CheckpointError(f"{self}: {self.resolution} pixels cannot be halved {len(self.widths) - 1} times.")

    @property
    def statistics(self) -> int:
        """The number of statistics: a mean and a standard deviation for every channel of every map."""
        return 2 * sum(self.widths)


class Stage(nn.Module):
    """Downsampling by 2, a convolution, and a residual convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.refine = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Return the map of half the size."""
        x = F.leaky_relu(self.enter(halve(x)), SLOPE)
        return F.leaky_relu(x + self.refine(x), SLOPE)


class FeatureNetwork(nn.Module):
    """Computes feature maps, each coarser and wider than the one before, and global features.

    Global features are linear combinations of the maps' statistics, with mean 0 and std 1 over the training images.
    """

    name = "Ganvas's own network"
    distance_names = OWN_NAMES
    components = COMPONENTS
    mean: Tensor
    projection: Tensor

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__()
        self.architecture = architecture
        self.stem = nn.Conv2d(3, architecture.widths[0], 3, padding=1)
        self.stages = nn.ModuleList(Stage(*widths) for widths in pairwise(architecture.widths))
        self.register_buffer("mean", torch.zeros(architecture.statistics))
        self.register_buffer("projection", torch.zeros(architecture.statistics, architecture.features))

    @property
    def resolution(self) -> int:
        """The side in pixels that images are resized to."""
        return self.architecture.resolution

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.mean.device

    def maps(self, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """Return the maps of images in [-1, 1] of any size from 16 pixels up, resized to the network's resolution.

        Differentiable. Raises `ImageError` for smaller images or other shapes.
        """
        return self.maps_at_size(self._prepare(images))

    def maps_at_size(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """Return the maps of images at their own size."""
        maps = [F.leaky_relu(self.stem(x), SLOPE)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Return the global features of images, float32, each sample independent of the others."""
        return (statistics(self.maps(images)) - self.mean) @ self.projection

    def _prepare(self, images: Tensor) -> Tensor:
        shape = images.shape
        if images.ndim != 4 or shape[1] != 3 or min(shape[2:]) < SMALLEST or not images.is_floating_point():
            raise ImageError(
                f"{images.dtype} of shape {list(shape)} is no batch of images; give floats in [-1, 1] of shape "
                f"[n, 3, h, w] with sides of at least {SMALLEST} pixels."
            )
        side = self.architecture.resolution
        x = pixels.resize(images.to(torch.float32), side, side)
        return x.to(next(self.parameters()).dtype, memory_format=torch.channels_last)


def halve(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
    """Downsample by 2 after smoothing with (1, 3, 3, 1) / 8 along both axes, so that a shift of the image by a pixel
    shifts the map instead of changing it (Zhang 2019, "Making convolutional networks shift-invariant again").
    """
    taps = x.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    # A depthwise filter, written as a full convolution with mostly zeros: its derivatives are fast everywhere.
    alone = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[:, :, None, None]
    kernel = (alone * torch.outer(taps, taps)).contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, kernel, stride=2, padding=1)


def statistics(maps: list[Float[Tensor, "n _c _h _w"]]) -> Float[Tensor, "n d"]:
    """Return the mean and the log standard deviation over the pixels of every channel, map after map, float32.

    Differences of the logarithms measure sharpness: the contrast of one octave relative to the next.
    """
    parts = []
    for feature in maps:
        values = feature.float().flatten(2)  # [n, c, pixels]
        parts += [values.mean(2), 0.5 * (values.var(2, unbiased=False) + FAINTEST).log()]
    return torch.cat(parts, dim=1)


@torch.no_grad()
def global_features(
    network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], batch: int = BATCH
) -> Float[Tensor, "n d"]:
    """Return the global features of many images, `batch` at a time, without gradients; float32."""
    return torch.cat([network(part.to(network.mean.device)) for part in images.split(batch)])


def load_features(
    path: str | Path | None = None, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> FeatureNetwork:
    """Load the bundled feature network, whose hash is checked, or that of a file; frozen.

    `dtype` (float32 or bfloat16) is that of the convolutions; features are always float32. Raises `CheckpointError` if
    the file is no feature network, or if the bundled one was changed.
    """
    folder = importlib.resources.files("ganvas.metrics") / "bundled"
    file = Path(str(folder / "features.safetensors")) if path is None else Path(path)
    tensors, header = read_tensors(file, KIND, CheckpointError)
    if path is None and hash_tensors(tensors) != BUNDLED_HASH:
        raise CheckpointError(f"'{file}' is not the feature network of this version of Ganvas; install Ganvas again.")
    network = _build(tensors, header, file)
    network.stem.to(dtype)
    network.stages.to(dtype)
    return network.to(device).eval().requires_grad_(False)


def _build(tensors: dict[str, Tensor], header: dict[str, Any], file: Path) -> FeatureNetwork:
    try:
        description = header["architecture"]
        sizes = description["resolution"], tuple(description["widths"]), description["features"]
        network = FeatureNetwork(Architecture(*sizes))
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as reason:
        raise CheckpointError(f"'{file}' does not fit the feature network it describes: {reason}") from reason
    for convolution in network.modules():
        if isinstance(convolution, nn.Conv2d):  # the fastest layout of convolutions on a CPU
            convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.channels_last)
    return network


def save_features(path: str | Path, network: FeatureNetwork, source: dict[str, Any]) -> Path:
    """Write a feature network, its convolutions in float16, with a description of its source; returns the path."""
    tensors = dict(network.named_buffers()) | {name: weight.half() for name, weight in network.named_parameters()}
    return write_tensors(
        path, KIND, tensors, {"architecture": asdict(network.architecture), "source": source}, CheckpointError
    )
