"""Tiny images, recipes and runs for the trainer's tests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas.images.datasets import ImageSet, Survey
from ganvas.training.distributed import Team
from ganvas.training.gan import starting
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.dcgan import DCGANRecipe
from ganvas.training.gan.networks import Networks, tensors
from ganvas.training.gan.run import Event, Plan, Recipe, Run
from ganvas.training.gan.stylegan2 import StyleGAN2Recipe

CPU = torch.device("cpu")
STYLE = StyleGAN2Recipe((8, 8, 8), (8, 8, 8), z_dim=8, mapping_layers=1, batch=8, penalty_every=3)
DC = DCGANRecipe(32, z_dim=8, width=4, discriminator_width=4, batch=8)


def images_at(resolution: int, count: int = 40) -> ImageSet:
    """Return images of noise on different grounds."""
    random = np.random.default_rng(0)
    values = random.integers(0, 100, (count, resolution, resolution, 3)) + random.integers(0, 156, (count, 1, 1, 3))
    return ImageSet(values.astype(np.uint8), Survey("made", resolution, count, {}, 0, 0, {}))


def write_images(folder: Path, count: int = 20, size: tuple[int, int] = (20, 20), mode: str = "RGB") -> Path:
    """Write different PNG files 00.png, 01.png, ... into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        random = np.random.default_rng(number)
        image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        image.convert(mode).save(folder / f"{number:02}.png")
    return folder


def begin(recipe: Recipe, folder: Path, images: int, *, kind: str = "none", source: Any = None, **plan: Any) -> Run:
    """Return a run from the start."""
    return starting.begin(*_parts(recipe, folder, images, kind, plan), source)


def go_on(
    recipe: Recipe,
    folder: Path,
    images: int,
    *,
    kind: str = "none",
    path: str = "auto",
    change: bool = False,
    **plan: Any,
) -> Run:
    """Return a run that goes on from a snapshot."""
    return starting.resume(path, *_parts(recipe, folder, images, kind, plan), change=change)


def _parts(recipe: Recipe, folder: Path, images: int, kind: str, plan: dict) -> tuple:
    settings = {"log_every": 16, "sheet_every": 0, "snapshot_every": 32, "keep": 9} | plan
    folder.mkdir(exist_ok=True)
    return recipe, Plan(folder, images, **settings), images_at(recipe.resolution), Augmentation(kind), CPU, Team()


def finish(run: Run) -> list[Event]:
    """Train to the end; returns what happened."""
    return [event for event in run.events() if event.kind != "step"]


def differing(one: Networks, other: Networks) -> list[str]:
    """Return the names of all that is not bit for bit the same."""
    return unequal(tensors(one), tensors(other))


def unequal(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Return the names of tensors that are not bit for bit the same."""
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """Return a recipe with another seed."""
    return replace(recipe, seed=seed)
