"""Reconstruction metrics: how near images came to photos, by networks of which one is optimized and one is held out;
and a table of several methods with means and paired differences, with intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.estimates import Estimate, mean_estimate
from ganvas.comparisons.tables import table
from ganvas.generators.protocol import Generator
from ganvas.inversion.features import FeatureExtractor, bundled_features
from ganvas.inversion.metrics import perceptual_distances, psnr
from ganvas.inversion.objective import Target
from ganvas.metrics.perceptual import HasMaps, perceptual_distance
from ganvas.metrics.ssim import ssim
from ganvas.training.gan.discriminator_files import companion_discriminator

Numbers = Mapping[str, Mapping[str, Sequence[float]]]
"""Method -> metric ("psnr", "ssim", "perceptual", "seconds", and "discriminator" where there is one) -> a value per
photo."""

DIGITS = {"psnr": 1, "ssim": 3, "discriminator": 3, "perceptual": 3}
TITLES = {"psnr": "PSNR, dB", "ssim": "SSIM (not optimized)", "discriminator": "by the discriminator (not optimized)"}
BATCH = 10


@dataclass(frozen=True)
class ReconstructionMetrics:
    """The networks that compare images with photos: ``features`` is optimized by inversion and tuning, the
    ``discriminator`` is held out (None: there is none). Both are on ``device``.
    """

    features: FeatureExtractor
    discriminator: HasMaps | None = None
    device: torch.device | str = "cpu"

    @torch.no_grad()
    def measure(self, images: Float[Tensor, "n 3 h w"], photos: Float[Tensor, "n 3 h w"]) -> dict[str, list[float]]:
        """Return every metric per sample: PSNR in dB, SSIM, and the distances by both networks."""
        images, photos = images.to(self.device).clamp(-1, 1), photos.to(self.device)
        pairs = list(zip(images.split(BATCH), photos.split(BATCH), strict=True))
        found = {
            "psnr": psnr(images, photos),
            "ssim": ssim(images, photos),
            "perceptual": torch.cat(
                [perceptual_distances(self.features, batch, Target(goal)) for batch, goal in pairs]
            ),
        }
        if self.discriminator is not None:
            distances = [perceptual_distance(self.discriminator, batch, goal) for batch, goal in pairs]
            found["discriminator"] = torch.cat(distances)
        return {name: values.tolist() for name, values in found.items()}


def reconstruction_metrics_for(
    generator: Generator,
    model: str,
    device: torch.device | str = "cpu",
    features: FeatureExtractor | None = None,
) -> ReconstructionMetrics:
    """Return the metrics by `features` (None: Ganvas' own feature network) and, held out, by the discriminator that
    comes with a generator, whose name or file is `model`.
    """
    discriminator = companion_discriminator(generator, model)
    return ReconstructionMetrics(
        features or bundled_features(device),
        None if discriminator is None else discriminator.requires_grad_(False).to(device),
        device,
    )


def reconstruction_table(numbers: Numbers, perceptual: str) -> str:
    """Return the table of every method's metrics, and of the paired differences to the method above it; `perceptual` is
    the name of the perceptual distance.
    """
    titles = {name: title for name, title in TITLES.items() if all(name in values for values in numbers.values())}
    titles["perceptual"] = perceptual
    lines = [["", *titles.values(), "seconds a photo"]]
    for method, values in numbers.items():
        means = [number_text(mean_estimate(values[name]), DIGITS[name]) for name in titles]
        lines.append([method, *means, f"{sum(values['seconds']) / len(values['seconds']):.1f}"])
    for method, baseline in zip(list(numbers)[1:], numbers, strict=False):
        differences = [paired_difference(numbers[method][name], numbers[baseline][name]) for name in titles]
        texts = [number_text(each, DIGITS[name]) for each, name in zip(differences, titles, strict=True)]
        lines.append([f"{method} minus {baseline}, photo by photo", *texts, ""])
    return table(lines)


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Estimate:
    """Return the mean difference, photo by photo."""
    return mean_estimate([one - other for one, other in zip(values, baseline, strict=True)])


def number_text(number: Estimate, digits: int) -> str:
    """Return a number with the ends of its interval."""
    return f"{number.value:.{digits}f} ({number.low:.{digits}f} to {number.high:.{digits}f})"
