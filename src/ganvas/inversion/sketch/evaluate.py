"""Finished sketches measured further: OOD scores of the candidates, and kernel MMD to real images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.inversion.sketch.batch import BatchSketch
from ganvas.inversion.sketch.search import SketchSettings
from ganvas.io.progress import Progress
from ganvas.metrics.distribution import KernelMMD, kernel_mmd
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.ood import descriptors, fit_ood_detector

FEWEST = 3  # images of which a kernel MMD can be estimated


@dataclass(frozen=True)
class VariantMMD:
    """The kernel MMD to `real` images of all `images` of one variant of the settings."""

    settings: SketchSettings
    distance: KernelMMD
    images: int
    real: int

    def __str__(self) -> str:
        variant = f"weight {self.settings.delta_weight:g}, {self.settings.steps} steps"
        return f"{variant}: kernel MMD {self.distance} of {self.images} images to {self.real} real ones"

    def as_dict(self) -> dict[str, float | int]:
        """Return the numbers by name."""
        return {
            "delta_weight": self.settings.delta_weight,
            "steps": self.settings.steps,
            "value": self.distance.value,
            "error": self.distance.error,
            "images": self.images,
        }


def ood_scores(sketching: BatchSketch, network: FeatureNetwork, progress: Progress | None = None) -> list[float]:
    """Return the OOD score of every candidate, in the order of the results; above 1 is out of distribution."""
    label = sketching.variants[0].label
    detector = fit_ood_detector(network, sketching.generator, label=label, progress=progress)
    images = torch.cat([result.images for result in sketching.results.values()])
    return detector.scores(descriptors(network, images)).tolist()


@torch.no_grad()
def variant_mmds(sketching: BatchSketch, network: FeatureNetwork, real: Float[Tensor, "n d"]) -> Sequence[VariantMMD]:
    """Return the kernel MMD to real images, given by their features, for each variant with at least `FEWEST` images."""
    found = []
    for column, settings in enumerate(sketching.variants):
        some = [result.images for (_, variant), result in sketching.results.items() if variant == column]
        images = torch.cat(some) if some else torch.zeros(0, 3, 1, 1)
        if len(images) >= FEWEST:
            distance = kernel_mmd(real, network(images.to(network.mean.device)))
            found.append(VariantMMD(settings, distance, len(images), len(real)))
    return found
