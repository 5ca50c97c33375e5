"""How near pictures came to photos by several ways, as a table: means, and gains photo by photo, with intervals."""

from collections.abc import Mapping, Sequence

from ganvas.studies.estimates import Estimate, mean_estimate
from ganvas.studies.tables import table

Numbers = Mapping[str, Mapping[str, Sequence[float]]]
"""Way -> measure ("psnr", "ssim", "perceptual", "seconds") -> values photo by photo."""

DIGITS = {"psnr": 1, "ssim": 3, "perceptual": 3}


def nearness(numbers: Numbers, perceptual: str) -> str:
    """Return the table of how near each way comes to the photos, and by how much each beats the one above it."""
    titles = {"psnr": "PSNR, dB", "ssim": "SSIM (not optimised)", "perceptual": perceptual}
    lines = [["", *titles.values(), "seconds a photo"]]
    for way, values in numbers.items():
        means = [number_text(mean_estimate(values[name]), DIGITS[name]) for name in titles]
        lines.append([way, *means, f"{sum(values['seconds']) / len(values['seconds']):.1f}"])
    for better, worse in zip(list(numbers)[1:], numbers, strict=False):
        gains = [gain(numbers[better][name], numbers[worse][name]) for name in titles]
        told = [number_text(each, digits) for each, digits in zip(gains, DIGITS.values(), strict=True)]
        lines.append([f"{better} minus {worse}, photo by photo", *told, ""])
    return table(lines)


def gain(better: Sequence[float], worse: Sequence[float]) -> Estimate:
    """Return the mean difference, photo by photo."""
    return mean_estimate([one - other for one, other in zip(better, worse, strict=True)])


def number_text(number: Estimate, digits: int) -> str:
    """Return a number with the ends of its interval."""
    return f"{number.value:.{digits}f} ({number.low:.{digits}f} to {number.high:.{digits}f})"
