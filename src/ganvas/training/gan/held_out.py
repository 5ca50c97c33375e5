"""Evaluation of a run on held-out images."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ganvas.errors import TrainingError
from ganvas.generators.labels import even_classes
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, silent
from ganvas.metrics.evaluation import ReferenceImages, open_reference
from ganvas.metrics.features import SMALLEST, load_features

MOST_REAL, SEEDS = 1000, 500


@dataclass(frozen=True)
class HeldOutEvaluation:
    """Compares a generator's images of ``seeds`` seeds, at truncation 1, with held-out real images."""

    reference: ReferenceImages
    seeds: int = SEEDS

    def metrics(self, generator: Generator) -> dict[str, float | int]:
        """Return the kernel MMD, its standard error, and the energy of the finest octave relative to real images."""
        found = self.reference.compare(generator, range(self.seeds), label=even_classes(generator, self.seeds))
        numbers = {
            "kernel_mmd": found.kernel_mmd.value,
            "kernel_mmd_error": found.kernel_mmd.error,
            "finest_octave": found.finest_octave,
        }
        return {name: round(value, 5) for name, value in numbers.items()}


def open_held_out(
    data: str | Path, resolution: int, device: torch.device, progress: Progress = silent, fit: str = "crop"
) -> HeldOutEvaluation:
    """Return the evaluation on at most a thousand images of a folder or zip, for a generator of `resolution` pixels;
    `fit` as in `ganvas.images.datasets.open_images`.

    Raises `TrainingError` where the resolution is below that of the feature network's smallest images.
    """
    if resolution < SMALLEST:
        raise TrainingError(
            f"Images of {resolution} pixels are too small for the feature network; leave --test out below {SMALLEST}."
        )
    network = load_features(device=device)
    return HeldOutEvaluation(
        open_reference(data, resolution, images=MOST_REAL, network=network, progress=progress, fit=fit)
    )
