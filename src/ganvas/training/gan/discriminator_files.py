"""Discriminator files: the companion of a generator, from which few-shot adaptation starts."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import BUNDLED, bundled_path
from ganvas.errors import TrainingError
from ganvas.generators.protocol import Generator, about_of
from ganvas.inversion.sketch.realness import Realness
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.training.gan.discriminators import StyleDiscriminator

KIND = "discriminator"
DISCRIMINATOR = f"{KIND}.safetensors"


def save_discriminator(path: Path, discriminator: StyleDiscriminator, generator_hash: str) -> Path:
    """Write a discriminator in float16, with the hash of the generator it was trained against; returns the path."""
    tensors = {name: tensor.half() for name, tensor in discriminator.state_dict().items()}
    header = {"channels": list(discriminator.channels), "generator": generator_hash}
    return write_tensors(path, KIND, tensors, header, TrainingError)


def load_discriminator(path: Path) -> tuple[StyleDiscriminator, str]:
    """Return the discriminator of a file, in float32, and the hash of its generator.

    Raises `TrainingError` where the file is no discriminator or its parts do not fit each other.
    """
    tensors, header = read_tensors(path, KIND, TrainingError)
    try:
        discriminator = StyleDiscriminator(tuple(int(count) for count in header["channels"]))
        discriminator.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as reason:
        raise TrainingError(f"'{path}' is a damaged discriminator ({reason}); give another.") from reason
    return discriminator, str(header.get("generator", ""))


def companion_discriminator(generator: Generator, model: str) -> StyleDiscriminator | None:
    """Return the discriminator that comes with a generator of name or file `model`; None where there is none, or where
    the file is that of another generator.
    """
    path = companion_discriminator_path(model)
    if path is None:
        return None
    discriminator, generator_hash = load_discriminator(path)
    return discriminator if generator_hash in about_of(generator).hashes else None


def companion_discriminator_path(model: str) -> Path | None:
    """Return the file of the discriminator that comes with a bundled name, or is in the folder of a generator's file;
    None where there is none.
    """
    if model not in BUNDLED and not Path(model).is_file():  # the zoo has no discriminators
        return None
    path = bundled_path(f"{model}-{KIND}") if model in BUNDLED else Path(model).parent / DISCRIMINATOR
    return path if path.is_file() else None


def realness_of(generator: Generator, model: str) -> Realness | None:
    """Return the discriminator that comes with a generator, None where there is none."""
    discriminator = companion_discriminator(generator, model)
    if discriminator is None:
        return None
    frozen = discriminator.to(generator.device).eval()

    def realness(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
        # One at a time: a discriminator compares the images of a batch.
        return torch.cat([frozen(image.float()).flatten() for image in images.split(1)])

    return realness
