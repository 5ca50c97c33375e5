"""Distillation: a generator learns to make a trained one's images from the same codes w, before it meets real ones.

Both share the mapping network, which is copied and does not learn here. For a code w, student S and teacher T,

    loss = mean |S(w) - T(w)|^2 + perceptual distance of S(w) and T(w)

with the teacher's images resized to the student's.
"""

from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.errors import TrainingError
from ganvas.generators.style_based import StyleBased
from ganvas.images import pixels
from ganvas.metrics.features import FeatureNetwork, load_features
from ganvas.metrics.perceptual import perceptual_distance

MAPPING = ("z_dim", "w_dim", "hidden", "label_dim", "mapping_rate")


@cache
def teacher_of(model: str, device: torch.device) -> StyleBased:
    """Return the teacher by name or file; raises `TrainingError` for a generator without codes w."""
    teacher: Any = load(model, device=str(device))
    if not isinstance(teacher, StyleBased) or teacher.architecture.label_dim:
        raise TrainingError(
            f"'{model}' has no codes w of its own to learn from; give a StyleGAN2 or 3 without classes."
        )
    return teacher


def copy_mapping(teacher: StyleBased, student: StyleBased) -> None:
    """Copy the teacher's mapping network; raises `TrainingError` where the student's has other sizes."""
    for name in MAPPING:
        old, new = getattr(teacher.architecture, name), getattr(student.architecture, name)
        if old != new:
            raise TrainingError(f"The teacher's mapping network has {name} {old}, not {new}; give that.")
    student.mapping.load_state_dict(teacher.mapping.state_dict())


def distillation_loss(teacher: StyleBased, w: Float[Tensor, "n d"], images: Float[Tensor, "n 3 r r"]) -> Tensor:
    """Return the loss of a student's `images` of codes w."""
    with torch.no_grad():
        taught = pixels.resize(teacher.synthesize(w.detach(), "w"), *images.shape[2:])
    distance = perceptual_distance(_features(images.device), images, taught).mean()
    return (images - taught).square().mean() + distance


@cache
def _features(device: torch.device) -> FeatureNetwork:
    return load_features(device=device)
