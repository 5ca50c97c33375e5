"""Feature maps of the published VGG-16 and AlexNet, and the perceptual distance LPIPS on them.

Written from Simonyan and Zisserman 2015 (configuration D), Krizhevsky 2014 and Zhang et al. 2018 ("The unreasonable
effectiveness of deep features", section 3, Eq. 1). No weights come with Ganvas: a trunk is a state dict as torchvision
publishes it (vgg16-397923af.pth, alexnet-owt-7be5be79.pth), heads are those of the lpips package (vgg.pth, alex.pth).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.checkpoints.safe_pickle.trees import read_tree
from ganvas.checkpoints.state_dict import need, state_dict
from ganvas.errors import CheckpointError, ImageError
from ganvas.io.tensor_files import hash_tensors

# Normalization of RGB in [-1, 1] by the statistics of ImageNet (Zhang et al. 2018, as published).
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
FAINTEST = 1e-10


@dataclass(frozen=True)
class Convolution:
    """A convolution with ReLU, by its number in the state dict; ``pool`` is the size of the max pooling before it (0:
    none), ``tap`` marks maps that enter the distance.
    """

    number: int
    channels: int
    size: int = 3
    stride: int = 1
    pool: int = 0
    tap: bool = False


@dataclass(frozen=True)
class Trunk:
    """A published network up to its last convolution; ``smallest`` is the smallest side of its input in pixels,
    ``file`` and ``heads_file`` are what torchvision and lpips call its weights and the heads for it.
    """

    name: str
    smallest: int
    file: str
    heads_file: str
    convolutions: tuple[Convolution, ...]

    @property
    def taps(self) -> list[Convolution]:
        """The convolutions whose maps enter the distance."""
        return [convolution for convolution in self.convolutions if convolution.tap]


VGG16 = Trunk(
    "VGG",
    16,
    "vgg16-397923af.pth",
    "vgg.pth",
    (
        *(Convolution(0, 64), Convolution(2, 64, tap=True)),
        *(Convolution(5, 128, pool=2), Convolution(7, 128, tap=True)),
        *(Convolution(10, 256, pool=2), Convolution(12, 256), Convolution(14, 256, tap=True)),
        *(Convolution(17, 512, pool=2), Convolution(19, 512), Convolution(21, 512, tap=True)),
        *(Convolution(24, 512, pool=2), Convolution(26, 512), Convolution(28, 512, tap=True)),
    ),
)
ALEXNET = Trunk(
    "Alex",
    31,
    "alexnet-owt-7be5be79.pth",
    "alex.pth",
    (
        Convolution(0, 64, size=11, stride=4, tap=True),
        Convolution(3, 192, size=5, pool=3, tap=True),
        Convolution(6, 384, pool=3, tap=True),
        Convolution(8, 256, tap=True),
        Convolution(10, 256, tap=True),
    ),
)


class PublishedFeatures(nn.Module):
    """Maps whose squared differences, summed over channels, averaged over pixels and summed over maps, are the distance
    ``name``: LPIPS with heads, else the same with equal weights for all channels.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: Trunk, *, with_heads: bool) -> None:
        super().__init__()
        self.trunk = trunk
        self.name = f"LPIPS-{trunk.name}" if with_heads else f"{trunk.name} feature distance"
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        inputs = 3
        for each in trunk.convolutions:
            self.weights.append(nn.Parameter(torch.zeros(each.channels, inputs, each.size, each.size)))
            self.biases.append(nn.Parameter(torch.zeros(each.channels)))
            inputs = each.channels
        self.heads = nn.ParameterList(nn.Parameter(torch.ones(each.channels)) for each in trunk.taps)
        self.register_buffer("shift", torch.tensor(SHIFT).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(3, 1, 1), persistent=False)

    @property
    def hash(self) -> str:
        """What tells these weights from others under the same name: the first digits of their sha256."""
        return hash_tensors(self.state_dict())[:8]

    def check_size(self, height: int, width: int) -> None:
        """Raise `ImageError` for images that are too small."""
        if min(height, width) < self.trunk.smallest:
            raise ImageError(
                f"Images of {width}x{height} pixels are too small for {self.name}, which needs at least "
                f"{self.trunk.smallest}; enlarge them, or use Ganvas' own features."
            )

    def raw_maps(self, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """Return the tapped maps, after their ReLU; raises `ImageError` for images that are too small."""
        self.check_size(*images.shape[-2:])
        x, maps = (images - self.shift) / self.scale, []
        for each, weight, bias in zip(self.trunk.convolutions, self.weights, self.biases, strict=True):
            x = F.max_pool2d(x, each.pool, 2) if each.pool else x
            x = F.relu(F.conv2d(x, weight, bias, each.stride, padding=2 if each.stride > 1 else each.size // 2))
            maps += [x] if each.tap else []
        return maps

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
        """Return the maps of images in [-1, 1], differentiable: unit vectors at every pixel, with channels weighted by
        the square roots of the heads.
        """
        roots = [head.sqrt()[:, None, None] for head in self.heads]
        maps = self.raw_maps(images)
        return [x / (x.norm(dim=1, keepdim=True) + FAINTEST) * root for x, root in zip(maps, roots, strict=True)]

    def distance_map(
        self, images: Float[Tensor, "n 3 h w"], others: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 1 h w"]:
        """Return the distance of two images at every pixel: the squared differences of each map, enlarged bilinearly to
        the images' size, and summed over maps. Its mean is the distance where the maps' sizes divide the images'.
        """
        found = images.new_zeros(len(images), 1, *images.shape[-2:])
        for x, y in zip(self(images), self(others), strict=True):
            squares = (x - y).square().sum(1, keepdim=True)
            found += F.interpolate(squares, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return found


def load_published(
    trunk: str | Path, heads: str | Path | None = None, device: str | torch.device = "cpu"
) -> PublishedFeatures:
    """Load the features of VGG-16 or AlexNet, whichever the file's shapes fit, frozen; with LPIPS' heads if given.

    No code in the files is run. Raises `CheckpointError` for other files.
    """
    tensors = _tensors(trunk, "a state dict of VGG-16 or AlexNet")
    known = _by_layer(tensors, trunk)
    remedy = f"give torchvision's {known.file}"
    features = PublishedFeatures(known, with_heads=heads is not None)
    with torch.no_grad():
        for each, weight, bias in zip(known.convolutions, features.weights, features.biases, strict=True):
            _fill(weight, tensors, f"features.{each.number}.weight", trunk, remedy)
            _fill(bias, tensors, f"features.{each.number}.bias", trunk, remedy)
        if heads is not None:
            given = _tensors(heads, "the heads of LPIPS")
            for number, (each, head) in enumerate(zip(known.taps, features.heads, strict=True)):
                column = head.view(1, each.channels, 1, 1)
                remedy = f"give the heads of {known.name}, {known.heads_file} of the package lpips"
                _fill(column, given, f"lin{number}.model.1.weight", heads, remedy)
            if any(bool((head < 0).any()) for head in features.heads):
                raise CheckpointError(f"'{heads}' holds negative weights, unlike LPIPS; download it again.")
    return features.eval().requires_grad_(False).to(device)


def _by_layer(tensors: Mapping[str, Tensor], path: str | Path) -> Trunk:
    for trunk in (VGG16, ALEXNET):
        first = trunk.convolutions[0]
        if getattr(tensors.get("features.0.weight"), "shape", ()) == (first.channels, 3, first.size, first.size):
            return trunk
    raise CheckpointError(f"'{path}' is neither VGG-16 nor AlexNet; give torchvision's {VGG16.file} or {ALEXNET.file}.")


def _tensors(path: str | Path, what: str) -> dict[str, Tensor]:
    if not Path(path).is_file():
        raise CheckpointError(f"There is no file '{path}'; give the path of {what}.")
    tensors = state_dict(read_tree(Path(path)))
    if tensors is None:
        raise CheckpointError(f"'{path}' holds no weights; give {what}.")
    return tensors


def _fill(parameter: Tensor, tensors: Mapping[str, Tensor], name: str, path: str | Path, remedy: str) -> None:
    try:
        tensor = need(tensors, name)
    except CheckpointError as reason:
        raise CheckpointError(f"'{path}': {reason} Else {remedy}.") from reason
    if tensor.shape != parameter.shape:
        raise CheckpointError(
            f"'{path}': {name} has shape {list(tensor.shape)}, not {list(parameter.shape)}; {remedy}."
        )
    if not bool(tensor.isfinite().all()):
        raise CheckpointError(f"'{path}': {name} is not finite; {remedy}.")
    parameter.copy_(tensor)
