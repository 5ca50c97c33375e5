"""How near images came to photos: measured by networks of which one is optimized and one is not, and as a table of
several ways: means, and gains photo by photo, with intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.estimates import Estimate, mean_estimate
from ganvas.comparisons.tables import table
from ganvas.generators.protocol import Generator
from ganvas.inversion.objective import Target
from ganvas.inversion.report_card import distances, psnr
from ganvas.inversion.terms import FeatureMaps, bundled_features
from ganvas.metrics.perceptual import HasMaps, perceptual_distance
from ganvas.metrics.ssim import ssim
from ganvas.training.gan.discriminator_files import companion_discriminator

Numbers = Mapping[str, Mapping[str, Sequence[float]]]
"""Way -> measure ("psnr", "ssim", "perceptual", "seconds", and "judged" where there is a discriminator) -> a value a
photo."""

DIGITS = {"psnr": 1, "ssim": 3, "judged": 3, "perceptual": 3}
TITLES = {"psnr": "PSNR, dB", "ssim": "SSIM (not optimized)", "judged": "by the discriminator (not optimized)"}
AT_ONCE = 10


@dataclass(frozen=True)
class Eyes:
    """By what images are compared with photos: ``look`` is the network by which inversion and tuning optimize,
    ``discriminator`` one by which they do not (None: there is none). Both are on ``device``.
    """

    look: FeatureMaps
    discriminator: HasMaps | None = None
    device: torch.device | str = "cpu"

    @torch.no_grad()
    def near(self, images: Float[Tensor, "n 3 h w"], photos: Float[Tensor, "n 3 h w"]) -> dict[str, list[float]]:
        """Return every measure of how near images are to photos, row by row: PSNR in dB, SSIM, both distances."""
        images, photos = images.to(self.device).clamp(-1, 1), photos.to(self.device)
        pairs = list(zip(images.split(AT_ONCE), photos.split(AT_ONCE), strict=True))
        found = {
            "psnr": psnr(images, photos),
            "ssim": ssim(images, photos),
            "perceptual": torch.cat([distances(self.look, some, Target(goal)) for some, goal in pairs]),
        }
        if self.discriminator is not None:
            found["judged"] = torch.cat([perceptual_distance(self.discriminator, some, goal) for some, goal in pairs])
        return {name: values.tolist() for name, values in found.items()}


def eyes_for(generator: Generator, model: str, device: torch.device | str = "cpu") -> Eyes:
    """Return the feature network that Ganvas brings, and as judge the discriminator that comes with a generator, whose
    name or file is `model`: its maps neither inversion nor tuning has seen.
    """
    discriminator = companion_discriminator(generator, model)
    return Eyes(
        bundled_features(device),
        None if discriminator is None else discriminator.requires_grad_(False).to(device),
        device,
    )


def nearness(numbers: Numbers, perceptual: str) -> str:
    """Return the table of how near each way comes to the photos, and by how much each beats the one above it."""
    titles = {name: title for name, title in TITLES.items() if all(name in values for values in numbers.values())}
    titles["perceptual"] = perceptual
    lines = [["", *titles.values(), "seconds a photo"]]
    for way, values in numbers.items():
        means = [number_text(mean_estimate(values[name]), DIGITS[name]) for name in titles]
        lines.append([way, *means, f"{sum(values['seconds']) / len(values['seconds']):.1f}"])
    for better, worse in zip(list(numbers)[1:], numbers, strict=False):
        gains = [gain(numbers[better][name], numbers[worse][name]) for name in titles]
        told = [number_text(each, DIGITS[name]) for each, name in zip(gains, titles, strict=True)]
        lines.append([f"{better} minus {worse}, photo by photo", *told, ""])
    return table(lines)


def gain(better: Sequence[float], worse: Sequence[float]) -> Estimate:
    """Return the mean difference, photo by photo."""
    return mean_estimate([one - other for one, other in zip(better, worse, strict=True)])


def number_text(number: Estimate, digits: int) -> str:
    """Return a number with the ends of its interval."""
    return f"{number.value:.{digits}f} ({number.low:.{digits}f} to {number.high:.{digits}f})"
