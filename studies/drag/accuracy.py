"""The error of the tracker where the truth is known: images shifted by parts of pixels, darkened, noisy, warped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from ganvas.comparisons.drag.formatting import NOTHING
from ganvas.comparisons.drag.settings import DragBenchmarkSettings
from ganvas.comparisons.drag.tasks import corners, even_point, pick
from ganvas.comparisons.drag.trials import DragBenchmark
from ganvas.comparisons.tables import table
from ganvas.io.progress import Progress
from ganvas.metrics.corruptions import warp
from ganvas.metrics.tracking import track

FARTHEST = 0.1  # of the width, across and down
GAIN, LEVEL, NOISE = 0.7, 0.15, 0.06  # black to white is 2
WARPED = 0.02  # of the width: std of the shifts of a coarse grid from which a warp is made
GRID = 5
WRONG = 0.02  # of the width


@dataclass(frozen=True)
class Accuracy:
    """The tracker's errors in one condition, in fractions of the width, None where it reported no match."""

    condition: str
    low_texture: bool
    errors: tuple[float | None, ...]


Known = tuple[Tensor, Tensor]
"""A shifted image, and where in it the content of a point lies, [1, 2]."""


def moved_by(image: Float[Tensor, "1 3 h w"], shift: Float[np.ndarray, "2"]) -> Float[Tensor, "1 3 h w"]:
    """Return the image moved by `shift` (x, y) in pixels by splines of degree 5, which the tracker does not use."""
    values = ndimage.shift(image[0].double().numpy(), (0, shift[1], shift[0]), order=5, mode="mirror")
    return torch.from_numpy(values)[None].to(image)


def warped(image: Float[Tensor, "1 3 h w"], seed: int) -> tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "1 2 h w"]]:
    """Return the image warped smoothly, and where in the unwarped one each of its pixels' content lies, in fractions.

    The positions are those of an image of x and y that is warped the same way, exact but where the border is mirrored.
    """
    height, width = image.shape[-2:]
    random = torch.Generator().manual_seed(seed)
    normal = torch.randn(1, 2, GRID, GRID, generator=random).to(image)
    amount = image.new_tensor([WARPED * width])
    x, y = ((torch.arange(size).to(image) + 0.5) / size for size in (width, height))
    places = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]
    return warp(image, amount, normal), warp(places, amount, normal)


def tracker_accuracy(bench: DragBenchmark, count: int, progress: Progress) -> list[Accuracy]:
    """Return the tracker's errors on the first `count` images: by condition, at corners and on low texture."""
    errors: dict[tuple[str, bool], list[float | None]] = {}
    for number in range(count):
        progress("Known shifts", number, count)
        image = bench.open(bench.settings.first_seed + number).image()
        for low in (False, True):
            for condition, error in _errors(image, number, low, bench.settings):
                errors.setdefault((condition, low), []).append(error)
    return [Accuracy(condition, low, tuple(found)) for (condition, low), found in errors.items()]


def _errors(image: Tensor, number: int, low: bool, settings: DragBenchmarkSettings) -> list[tuple[str, float | None]]:
    """Return the errors at one place of one image, by condition."""
    rng = np.random.default_rng([settings.first_seed, number, low])
    width = image.shape[-1]
    choose: Callable[[Tensor], tuple[float, float]] = (
        (lambda shown: even_point(shown, rng)) if low else (lambda shown: pick(corners(shown, 8), rng))
    )
    place = torch.tensor([choose(image)], dtype=torch.float64)
    shift = rng.uniform(-FARTHEST, FARTHEST, 2) * width
    plain = moved_by(image, shift)
    noise = torch.from_numpy(rng.normal(0, NOISE, plain.shape)).to(plain)
    there = place + torch.from_numpy(shift)[None] / width
    changed = {"moved": plain, "moved, brightness changed": GAIN * plain + LEVEL, "moved, noise added": plain + noise}
    found = [(condition, _error(image, other, place, there)) for condition, other in changed.items()]
    bent, sources = warped(image, number)
    x, y = choose(bent)
    from_ = sources[0, :, int(y * image.shape[-2]), int(x * width)][None].double()
    return [*found, ("warped", _error(bent, image, torch.tensor([[x, y]], dtype=torch.float64), from_))]


def _error(before: Tensor, after: Tensor, place: Tensor, truth: Tensor) -> float | None:
    seen = track(before, after, place)
    return float((seen.places - truth).norm()) if bool(seen.found) else None


def accuracy_table(found: Sequence[Accuracy], resolution: int) -> str:
    """Return the tracker's errors by condition, in pixels of this generator's images."""
    rows = [["condition", "handles", "images", "reports a match", "error, median px", "95 % are below", "over 2 %"]]
    for one in found:
        errors = resolution * np.array([error for error in one.errors if error is not None])
        known = [f"{np.median(errors):.2f}", f"{np.quantile(errors, 0.95):.2f}"] if len(errors) else [NOTHING] * 2
        wrong = f"{100 * np.mean(errors > WRONG * resolution):.0f} %" if len(errors) else NOTHING
        place = "low texture" if one.low_texture else "corners"
        seen = f"{100 * len(errors) / len(one.errors):.0f} %"
        rows.append([one.condition, place, str(len(one.errors)), seen, *known, wrong])
    return table(rows)
