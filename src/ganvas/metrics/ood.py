"""Out-of-distribution (OOD) scores: how far an image is from what a generator makes.

The first part is a Mahalanobis distance of descriptors: two of the feature network's maps, as unit vectors on a grid of
8 x 8 positions, so that an eye is expected where the generator's eyes are (after Defard et al. 2021, "PaDiM", with one
covariance over all positions instead of one each). It is fitted to samples of the generator; the threshold is a
quantile over other samples. Global features, which know no positions, tell a cat from a face much worse
(docs/results/ood.md). The second part is for generators that have an encoder: a dog is reconstructed as the nearest
cat, at a larger perceptual distance than cats are.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError, ResultFileError
from ganvas.generators.protocol import Generator, Label, about_of
from ganvas.io.cache import home
from ganvas.io.progress import Progress, silent
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.metrics.evaluation import fake_images
from ganvas.metrics.features import BATCH, FeatureNetwork
from ganvas.metrics.perceptual import perceptual_distance

KIND = "ood-detector"
GRID = 8
MAPS = (-3, -2)
SHRINKAGE = 0.5
SAMPLES, FITTED = 450, 300
QUANTILE = 0.99
# Both set on test sets (docs/results/ood.md). Real images are reconstructed worse than samples of the generator, on
# which its encoder was trained.
TOLERANCE, RECONSTRUCTION_TOLERANCE = 1.0, 1.25


@dataclass(frozen=True)
class Reconstructor:
    """The reconstruction of images [n, 3, h, w] by a generator and its encoder; the ``fingerprint`` identifies the
    encoder in the cache.
    """

    reconstruct: Callable[[Tensor], Tensor]
    fingerprint: str


@dataclass(frozen=True)
class OODDetector:
    """The distribution of the descriptors of a generator's images.

    ``mean`` and ``std`` [d]; principal ``directions`` [k, d] of the standardized descriptors and the ``variances`` [k]
    along them; the ``threshold``, a distance that 99 of 100 other samples stay below; and the
    ``reconstruction_threshold``, likewise of the perceptual distance to the reconstruction, 0 without an encoder.
    """

    mean: Float[Tensor, "d"]
    std: Float[Tensor, "d"]
    directions: Float[Tensor, "k d"]
    variances: Float[Tensor, "k"]
    threshold: float = 1.0
    reconstruction_threshold: float = 0.0

    def distances(self, descriptors: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """Return the Mahalanobis distance divided by sqrt(d), with the covariance ``(1 - rho) C + rho I`` of the
        standardized descriptors, rho 0.5: a descriptor has more entries than there are samples.
        """
        steps = (descriptors - self.mean) / self.std
        along = steps @ self.directions.T
        rest = (steps.square().sum(1) - along.square().sum(1)).clamp_min(0)
        squares = (along.square() / ((1 - SHRINKAGE) * self.variances + SHRINKAGE)).sum(1) + rest / SHRINKAGE
        return (squares / steps.shape[1]).sqrt()

    def scores(self, descriptors: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """Return the distances as multiples of the threshold: above 1 an image is out of distribution."""
        return self.distances(descriptors) / (TOLERANCE * self.threshold)


@torch.no_grad()
def descriptors(network: FeatureNetwork, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
    """Return the descriptors of images: unit vectors of two maps at 8 x 8 positions, float32."""
    parts = []
    for batch in images.split(BATCH):
        maps = network.maps(batch.to(network.mean.device))
        grids = [F.adaptive_avg_pool2d(maps[index].float(), GRID) for index in MAPS]
        parts.append(torch.cat([F.normalize(grid, dim=1).flatten(1) for grid in grids], dim=1))
    return torch.cat(parts)


def fit_descriptors(fitted: Float[Tensor, "n d"], held_out: Float[Tensor, "m d"]) -> OODDetector:
    """Return the detector of descriptors `fitted`, with the 0.99 quantile of the distances of others, `held_out`: the
    fitted ones are nearer. Raises `GanvasError` for fewer than 3 fitted or no held-out ones.
    """
    if len(fitted) < 3 or len(held_out) == 0:
        raise GanvasError(f"{len(fitted)} and {len(held_out)} images are too few to fit; give some hundred.")
    mean, std = fitted.mean(0), fitted.std(0)
    std = std.clamp_min(0.1 * float(std.median()) + 1e-6)
    steps = (fitted - mean) / std
    # At most as many directions as samples: from the Gram matrix, which is the smaller one.
    # On the CPU, since not every accelerator has float64.
    squares, rows = torch.linalg.eigh((steps @ steps.T).cpu().double())
    kept = squares > 1e-6 * squares[-1]
    squares, rows = squares[kept].flip(0), rows[:, kept].flip(1)
    directions = ((rows / squares.sqrt()).T @ steps.cpu().double()).to(fitted)
    detector = OODDetector(mean, std, directions, (squares / (len(fitted) - 1)).to(fitted))
    return replace(detector, threshold=float(detector.distances(held_out).quantile(QUANTILE)))


def fit_ood_detector(
    network: FeatureNetwork,
    generator: Generator,
    *,
    label: Label = None,
    reconstructor: Reconstructor | None = None,
    progress: Progress | None = None,
) -> OODDetector:
    """Return the OOD detector of a generator: fitted to seeds 0-299 at truncation 1, with the thresholds of seeds
    300-449. Kept in the cache folder where the generator has a hash.
    """
    report = progress or silent
    path = _cache_path(network, generator, label, reconstructor)
    if path is not None and path.is_file():
        with suppress(ResultFileError, KeyError, TypeError, ValueError):  # damaged or of an older version: fit again
            return _read(path, network.mean.device)
    parts, errors = list[Tensor](), list[Tensor]()
    for images in fake_images(generator, range(SAMPLES), label=label):
        held_out = images[max(0, FITTED - sum(map(len, parts))) :]
        parts.append(descriptors(network, images))
        if reconstructor is not None and len(held_out):
            errors.append(reconstruction_errors(network, held_out, reconstructor))
        report("Fitting the OOD detector", sum(map(len, parts)), SAMPLES)
    found = torch.cat(parts)
    detector = fit_descriptors(found[:FITTED], found[FITTED:])
    if errors:
        detector = replace(detector, reconstruction_threshold=float(torch.cat(errors).quantile(QUANTILE)))
    if path is not None:
        with suppress(ResultFileError):  # a cache that cannot be written costs time, not the result
            _write(path, detector)
    return detector


@torch.no_grad()
def reconstruction_errors(
    network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], reconstructor: Reconstructor
) -> Float[Tensor, "n"]:
    """Return the perceptual distance of each image from its reconstruction."""
    parts = [part.to(network.mean.device) for part in images.split(BATCH)]
    return torch.cat([perceptual_distance(network, part, reconstructor.reconstruct(part)) for part in parts])


def ood_scores(
    network: FeatureNetwork,
    detector: OODDetector,
    images: Float[Tensor, "n 3 h w"],
    reconstructor: Reconstructor | None = None,
) -> Float[Tensor, "n"]:
    """Return the OOD score of images of the generator's resolution: above 1 an image is out of distribution.

    It is that of the descriptors or, where it is larger, its geometric mean with that of the reconstruction error.
    (The error alone says little of a photo with ordinary descriptors: encoders fail on single faces too.)
    """
    scores = detector.scores(descriptors(network, images))
    if reconstructor is None or detector.reconstruction_threshold == 0:
        return scores
    errors = reconstruction_errors(network, images, reconstructor)
    relative = errors / (RECONSTRUCTION_TOLERANCE * detector.reconstruction_threshold)
    return torch.maximum(scores, (scores * relative).sqrt())


def ood_warning(score: float, name: str) -> str:
    """Return the warning for a photo of an OOD score above 1, else an empty text."""
    if score <= 1:
        return ""
    return (
        f"'{name}' is out of distribution for this generator (OOD score {score:.2f}, above 1): it may show something "
        "else, or be aligned differently. Align or crop it, or expect an inversion that edits badly."
    )


def ood_warnings(
    network: FeatureNetwork,
    detector: OODDetector,
    photos: Float[Tensor, "n 3 h w"],
    names: Sequence[str],
    reconstructor: Reconstructor | None = None,
) -> list[str]:
    """Return a warning for every photo, "" where it is not out of distribution. Photos are of the generator's
    resolution.
    """
    scores = ood_scores(network, detector, photos, reconstructor).tolist()
    return [ood_warning(score, name) for score, name in zip(scores, names, strict=True)]


def _cache_path(
    network: FeatureNetwork, generator: Generator, label: Label, reconstructor: Reconstructor | None
) -> Path | None:
    about = about_of(generator)
    if not about.hash or not (label is None or isinstance(label, int)):
        return None
    # Another network has other features; its projection identifies it.
    fingerprint = f"{float(network.projection.double().abs().sum()):.6e}"
    encoder = "" if reconstructor is None else f"-{reconstructor.fingerprint}"
    return home() / "ood" / f"{about.hash[:24]}-{label}-{fingerprint}{encoder}.safetensors"


def _write(path: Path, detector: OODDetector) -> None:
    tensors = {name: getattr(detector, name) for name in ("mean", "std", "variances")}
    tensors["directions"] = detector.directions.half()
    thresholds = {name: getattr(detector, name) for name in ("threshold", "reconstruction_threshold")}
    write_tensors(path, KIND, tensors, thresholds, ResultFileError)


def _read(path: Path, device: torch.device) -> OODDetector:
    tensors, header = read_tensors(path, KIND, ResultFileError)
    mean, std, directions, variances = (
        tensors[name].float().to(device) for name in ("mean", "std", "directions", "variances")
    )
    thresholds = float(header["threshold"]), float(header["reconstruction_threshold"])
    return OODDetector(mean, std, directions, variances, *thresholds)
