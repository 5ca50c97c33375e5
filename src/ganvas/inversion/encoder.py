"""The companion encoder of a generator: an image to the w+ code whose image resembles it, in one pass.

It predicts how far each layer's code is from the generator's average, in standard deviations of w; after
pixel2style2pixel (Richardson et al. 2021, section 3), small enough for a CPU. Trained by
``ganvas.training.encoder.training``.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ganvas.checkpoints.load import bundled_path
from ganvas.errors import CheckpointError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import pixels
from ganvas.io.tensor_files import read_header, read_tensors, write_tensors
from ganvas.metrics.ood import Reconstructor

KIND = "encoder"
SLOPE = 0.2  # of leaky ReLU
FINAL_SIZE = 4  # pixels of the last feature map


@dataclass(frozen=True)
class EncoderArchitecture:
    """The sizes of an encoder: input images of ``resolution`` pixels, feature maps of ``widths`` channels, each of half
    the size of the one before, down to 4 pixels, a layer of ``hidden`` units, and codes [layers, w_dim].
    """

    resolution: int
    layers: int
    w_dim: int
    widths: tuple[int, ...]
    hidden: int = 240

    def __post_init__(self) -> None:
        sizes = (self.resolution, self.layers, self.w_dim, self.hidden, *self.widths)
        if not all(type(size) is int and 0 < size <= 65536 for size in sizes):
            raise CheckpointError("Sizes of an encoder are whole numbers from 1 up; found others.")
        if self.resolution != FINAL_SIZE * 2 ** (len(self.widths) - 1):
            raise CheckpointError(f"{len(self.widths)} maps do not lead from {self.resolution} pixels to {FINAL_SIZE}.")


class DownsampleBlock(nn.Module):
    """A residual convolution, then a strided one that halves the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.refine = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.shrink = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Return the map of half the size."""
        x = x + self.refine(F.leaky_relu(x, SLOPE))
        return self.shrink(F.leaky_relu(x, SLOPE)) * math.sqrt(2)


class Encoder(nn.Module):
    """Images [n, 3, h, w] to w+ codes; ``mean`` and ``std`` are those of the generator's w."""

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: EncoderArchitecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.enter = nn.Conv2d(3, a.widths[0], 3, padding=1)
        self.stages = nn.ModuleList(DownsampleBlock(*pair) for pair in itertools.pairwise(a.widths))
        self.gather = nn.Linear(a.widths[-1] * FINAL_SIZE * FINAL_SIZE, a.hidden)
        self.common = nn.Linear(a.hidden, a.w_dim)
        self.apart = nn.Linear(a.hidden, a.layers * a.w_dim)
        nn.init.zeros_(self.apart.weight)
        nn.init.zeros_(self.apart.bias)
        self.register_buffer("mean", torch.zeros(a.w_dim))
        self.register_buffer("std", torch.ones(a.w_dim))

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n layers w_dim"]:
        """Return codes of images in [-1, 1] of any size, float32: ``mean + std (common + apart)``, with an offset
        common to all layers and one per layer.
        """
        a = self.architecture
        x = self.enter(pixels.resize(images, a.resolution, a.resolution))
        for stage in self.stages:
            x = stage(x)
        x = F.leaky_relu(self.gather(F.leaky_relu(x, SLOPE).flatten(1)), SLOPE)
        steps = self.common(x)[:, None] + self.apart(x).unflatten(1, (a.layers, a.w_dim))
        return self.mean + self.std * steps.float()


def save_encoder(path: str | Path, encoder: Encoder, generator_hash: str, facts: Mapping[str, Any]) -> Path:
    """Write an encoder in float16 with the hash of its generator and `facts` on its training; returns the path."""
    header = {"architecture": asdict(encoder.architecture), "generator": generator_hash, "facts": dict(facts)}
    tensors = {name: tensor.half() for name, tensor in encoder.state_dict().items()}
    return write_tensors(path, KIND, tensors, header, CheckpointError)


def load_encoder(source: str | Path, device: str | torch.device = "cpu") -> tuple[Encoder, str]:
    """Return the encoder of a file or of a bundled generator's name, in float32, and the hash of its generator.

    Raises `CheckpointError` where there is none, or where its tensors do not fit its architecture.
    """
    bundled = bundled_path(f"{source}-{KIND}")
    path = bundled if bundled.is_file() else Path(source)
    tensors, header = read_tensors(path, KIND, CheckpointError)
    try:
        described: dict[str, Any] = dict(header["architecture"])
        described["widths"] = tuple(described["widths"])
        encoder = Encoder(EncoderArchitecture(**described))
        encoder.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as reason:
        raise CheckpointError(f"'{path}' is a damaged encoder ({reason}); make it anew.") from reason
    return encoder.eval().requires_grad_(False).to(device), str(header.get("generator", ""))


def encoder_for(generator: Generator, source: str | Path | None = None) -> Encoder:
    """Return the encoder of a file, or the bundled one of the generator's name, on the generator's device.

    Raises `CheckpointError` where there is none, or where it was trained for another generator.
    """
    about = about_of(generator)
    try:
        encoder, generator_hash = load_encoder(source or about.name, generator.device)
    except CheckpointError as error:
        raise CheckpointError(f"There is no encoder for '{about.name}' ({error}) Give another start.") from error
    if about.hash and generator_hash not in about.hashes:
        raise CheckpointError(f"'{source or about.name}' is the encoder of another generator; give another start.")
    return encoder


def bundled_encoder(generator: Generator) -> Encoder | None:
    """Return the encoder that comes with a bundled generator, None for any other generator.

    Raises `CheckpointError` where the bundled file is damaged: a worse start must not pass unnoticed.
    """
    about = about_of(generator)
    if not about.name or not bundled_path(f"{about.name}-{KIND}").is_file():
        return None
    encoder, generator_hash = load_encoder(about.name, generator.device)
    return encoder if generator_hash in about.hashes else None


def default_start(generator: Generator, space: str) -> Encoder | Literal["mean"]:
    """Return the default start of an inversion: for w+ the encoder that comes with a generator, else the mean."""
    encoder = bundled_encoder(generator) if space == "w+" else None
    return encoder or "mean"


def encoder_reconstructor(generator: Generator) -> Reconstructor | None:
    """Return the reconstruction of images by the encoder that comes with a generator, None where there is none."""
    encoder = bundled_encoder(generator)
    if encoder is None:
        return None
    fingerprint = f"{sum(float(weight.double().abs().sum()) for weight in encoder.parameters()):.6e}"
    return Reconstructor(lambda images: generator.synthesize(encoder(images), "w+"), fingerprint)


def is_encoder(path: str | Path) -> bool:
    """Return whether a file is an encoder."""
    try:
        return read_header(path, CheckpointError).get("kind") == KIND
    except CheckpointError:
        return False
