"""How far an image is from what a generator makes: a Mahalanobis distance of feature maps that knows places, and what
is lost where the generator makes the image again.

For the first, two of the feature network's maps, as unit vectors on a grid of 8 x 8 places, so that an eye is expected
where the generator's eyes are (the idea of Defard et al. 2021, "PaDiM", with one covariance over all places instead of
one for each). Fitted to the generator's own samples; what is far is told by a quantile of others of its samples. Global
features, which know no places, tell a cat from a face much worse (docs/photos.md). The second is for generators that
have an encoder: it sees a dog as the cat that is nearest to it, and the perceptual distance from the dog to that cat is
larger than from photos of cats to theirs.
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
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.metrics.evaluation import fake_images
from ganvas.metrics.features import BATCH, FeatureNetwork
from ganvas.metrics.perceptual import perceptual_distance

KIND = "familiarity"
PLACES = 8
MAPS = (-3, -2)
SHRINKAGE = 0.5
SAMPLES, FITTED = 450, 300
QUANTILE = 0.99
# Both set on test sets (docs/photos.md): of real images more is lost than of a generator's samples, for which its
# encoder was made.
TOLERANCE, LOSS_TOLERANCE = 1.0, 1.25


@dataclass(frozen=True)
class Again:
    """What ``make``s images [n, 3, h, w] again from what a generator's encoder sees in them; the ``mark`` tells one
    encoder from others.
    """

    make: Callable[[Tensor], Tensor]
    mark: str


@dataclass(frozen=True)
class Familiarity:
    """What descriptors of a generator's images are like: their `mean` and `std` [d], the `directions` [k, d] in
    which they vary once divided by the deviation, with the `variances` [k] along them; and the `default` distance,
    which 99 of 100 others of its images stay below. ``lost`` is the perceptual distance from those made again that as
    many stay below, 0 where nothing makes them again.
    """

    mean: Float[Tensor, "d"]
    std: Float[Tensor, "d"]
    directions: Float[Tensor, "k d"]
    variances: Float[Tensor, "k"]
    default: float = 1.0
    lost: float = 0.0

    def distances(self, descriptors: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """Return the Mahalanobis distance per root of d with the covariance ``(1 - rho) C + rho 1`` of descriptors
        divided by their deviation, rho 0.5: there are more numbers in a descriptor than samples.
        """
        steps = (descriptors - self.mean) / self.std
        along = steps @ self.directions.T
        rest = (steps.square().sum(1) - along.square().sum(1)).clamp_min(0)
        squares = (along.square() / ((1 - SHRINKAGE) * self.variances + SHRINKAGE)).sum(1) + rest / SHRINKAGE
        return (squares / steps.shape[1]).sqrt()

    def ratios(self, descriptors: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """Return distances as multiples of the one from which on an image is far: above 1 it is."""
        return self.distances(descriptors) / (TOLERANCE * self.default)


@torch.no_grad()
def descriptors(network: FeatureNetwork, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
    """Return what of images is compared: unit vectors of two maps at 8 x 8 places, float32."""
    parts = []
    for some in images.split(BATCH):
        maps = network.maps(some.to(network.mean.device))
        grids = [F.adaptive_avg_pool2d(maps[index].float(), PLACES) for index in MAPS]
        parts.append(torch.cat([F.normalize(grid, dim=1).flatten(1) for grid in grids], dim=1))
    return torch.cat(parts)


def fit(known: Float[Tensor, "n d"], others: Float[Tensor, "m d"]) -> Familiarity:
    """Return the familiarity of descriptors `known`, with the 0.99 quantile of the distances of `others` of the same
    kind: known ones are nearer, since they were fitted. Raises `GanvasError` for fewer than 3 known or none others.
    """
    if len(known) < 3 or len(others) == 0:
        raise GanvasError(f"{len(known)} and {len(others)} images are too few to learn from; give some hundred.")
    mean, std = known.mean(0), known.std(0)
    std = std.clamp_min(0.1 * float(std.median()) + 1e-6)
    steps = (known - mean) / std
    # As many directions as samples at most: from the small matrix of their products.
    # On the CPU, since not every accelerator has float64.
    squares, rows = torch.linalg.eigh((steps @ steps.T).cpu().double())
    kept = squares > 1e-6 * squares[-1]
    squares, rows = squares[kept].flip(0), rows[:, kept].flip(1)
    directions = ((rows / squares.sqrt()).T @ steps.cpu().double()).to(known)
    fitted = Familiarity(mean, std, directions, (squares / (len(known) - 1)).to(known))
    default = float(fitted.distances(others).quantile(QUANTILE))
    return replace(fitted, default=default)


def learn_familiarity(
    network: FeatureNetwork,
    generator: Generator,
    *,
    label: Label = None,
    again: Again | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Familiarity:
    """Return the familiarity of a generator's images: seeds 0-449 at truncation 1, 300 to fit and 150 for the usual
    distance and, with `again`, for what is usually lost. Kept in the cache folder for the next time where the generator
    has a hash.
    """
    path = _kept_at(network, generator, label, again)
    if path is not None and path.is_file():
        with suppress(ResultFileError, KeyError, TypeError, ValueError):  # damaged or of an older version: made anew
            return _read(path, network.mean.device)
    parts, losses = list[Tensor](), list[Tensor]()
    for images in fake_images(generator, range(SAMPLES), label=label):
        others = images[max(0, FITTED - sum(map(len, parts))) :]
        parts.append(descriptors(network, images))
        if again is not None and len(others):
            losses.append(lost_of(network, others, again))
        progress(sum(map(len, parts)), SAMPLES)
    found = torch.cat(parts)
    familiarity = fit(found[:FITTED], found[FITTED:])
    if losses:
        familiarity = replace(familiarity, lost=float(torch.cat(losses).quantile(QUANTILE)))
    if path is not None:
        with suppress(ResultFileError):  # a cache that may not be written costs time, not the result
            _write(path, familiarity)
    return familiarity


@torch.no_grad()
def lost_of(network: FeatureNetwork, images: Float[Tensor, "n 3 h w"], again: Again) -> Float[Tensor, "n"]:
    """Return the perceptual distance of each image from itself made again."""
    parts = [part.to(network.mean.device) for part in images.split(BATCH)]
    return torch.cat([perceptual_distance(network, part, again.make(part)) for part in parts])


def strange_ratios(
    network: FeatureNetwork, familiarity: Familiarity, images: Float[Tensor, "n 3 h w"], again: Again | None = None
) -> Float[Tensor, "n"]:
    """Return how far images are, as multiples of where far begins: by their descriptors, or by the geometric mean of
    that and of what is lost when they are made again, whichever is more. (Loss alone says little of a photo whose
    descriptors are usual: encoders lose single faces too.)
    """
    far = familiarity.ratios(descriptors(network, images))
    if again is None or familiarity.lost == 0:
        return far
    lost = lost_of(network, images, again) / (LOSS_TOLERANCE * familiarity.lost)
    return torch.maximum(far, (far * lost).sqrt())


def strangeness(ratio: float, name: str) -> str:
    """Return in plain words that a photo is far from what the generator knows; empty where it is not (up to 1)."""
    if ratio <= 1:
        return ""
    return (
        f"'{name}' is far from what this generator knows ({ratio:.2f} times the distance at which that begins): it may "
        "show something else, or stand elsewhere in it. Align or cut it, or expect an inversion that edits badly."
    )


def strangenesses(
    network: FeatureNetwork,
    familiarity: Familiarity,
    photos: Float[Tensor, "n 3 h w"],
    names: Sequence[str],
    again: Again | None = None,
) -> list[str]:
    """Return a sentence for every photo that is far from what the generator knows. Photos are of its resolution."""
    ratios = strange_ratios(network, familiarity, photos, again).tolist()
    words = [strangeness(ratio, name) for ratio, name in zip(ratios, names, strict=True)]
    return [word for word in words if word]


def _kept_at(network: FeatureNetwork, generator: Generator, label: Label, again: Again | None) -> Path | None:
    about = about_of(generator)
    if not about.hash or not (label is None or isinstance(label, int)):
        return None
    # Another network has other features; its projection tells it apart.
    mark = f"{float(network.projection.double().abs().sum()):.6e}"
    encoder = "" if again is None else f"-{again.mark}"
    return home() / "familiarity" / f"{about.hash[:24]}-{label}-{mark}{encoder}.safetensors"


def _write(path: Path, familiarity: Familiarity) -> None:
    tensors = {name: getattr(familiarity, name) for name in ("mean", "std", "variances")}
    tensors["directions"] = familiarity.directions.half()
    write_tensors(path, KIND, tensors, {"default": familiarity.default, "lost": familiarity.lost}, ResultFileError)


def _read(path: Path, device: torch.device) -> Familiarity:
    tensors, header = read_tensors(path, KIND, ResultFileError)
    mean, std, directions, variances = (
        tensors[name].float().to(device) for name in ("mean", "std", "directions", "variances")
    )
    return Familiarity(mean, std, directions, variances, float(header["default"]), float(header["lost"]))
