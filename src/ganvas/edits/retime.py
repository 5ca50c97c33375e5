"""How fast the image changes along a path, and re-timing to equal image speed.

The length of a step is the root of the perceptual distance of its two images: a Euclidean distance of the feature
network's unit maps, so that the lengths of small steps add up to that of the path. Since re-timing makes these
even by construction, steps are also measured by SSIM, which re-timing does not optimize.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from ganvas.edits.interpolate import LatentPath, Positions, frame_positions
from ganvas.edits.interpolate import ease as eased
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Steps
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress, silent
from ganvas.latents.spaces import statistics
from ganvas.metrics.features import FeatureNetwork, load_features
from ganvas.metrics.perceptual import distance_of_maps, unit_maps
from ganvas.metrics.ssim import ssim

EVEN, RETIMED = "even in the latent", "re-timed"
STEP = "root of the perceptual distance"
TARGET = 1.5  # times the mean step, at most
EVEN_ENOUGH = 1.1
ROUNDS = 8
DENSER = 4
AT_ONCE = 16


@torch.no_grad()
def step_lengths(
    network: FeatureNetwork,
    generator: Generator,
    path: LatentPath,
    positions: Positions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Float[np.ndarray, "m"]:
    """Return how far each image of the path is from the one before: the root of the perceptual distance."""
    last: list[Tensor] | None = None
    lengths: list[Tensor] = []
    done = 0
    for images in path.images(generator, positions):
        for some in images.split(AT_ONCE):
            maps = unit_maps(network, some.to(network.mean.device))
            chain = maps if last is None else [torch.cat(pair) for pair in zip(last, maps, strict=True)]
            lengths.append(distance_of_maps([each[:-1] for each in chain], [each[1:] for each in chain]).sqrt().cpu())
            last, done = [each[-1:] for each in maps], done + len(some)
            progress(done, len(positions))
    return torch.cat(lengths).double().numpy()


@torch.no_grad()
def ssim_steps(generator: Generator, path: LatentPath, positions: Positions) -> Float[np.ndarray, "m"]:
    """Return how far each image of the path is from the one before by SSIM: the root of 1 - SSIM, which for small
    steps grows as they do.
    """
    last: list[Tensor] = []
    lengths: list[Tensor] = []
    for images in path.images(generator, positions):
        chain = torch.cat([*last, images])
        lengths.append((1 - ssim(chain[:-1], chain[1:])).clamp_min(0).sqrt() if len(chain) > 1 else torch.zeros(0))
        last = [images[-1:]]
    return torch.cat(lengths).double().numpy()


@dataclass(frozen=True)
class Timing:
    """Where the frames of a video lie on a path, and how long its steps are; made by `retime`.

    Args:
        positions: t in [0, 1] of each frame; the last of a loop is its first.
        steps: The perceptual length of every step.
        stds: At each frame the distance of its code to the mean, in std of the space (about 1 for codes of the prior);
            nan where it is not known.
        shares: The part of the path that was asked for at each frame.
        structural: The length of every step by SSIM, the root of 1 - SSIM.
    """

    positions: Positions
    steps: Float[np.ndarray, "m"]
    stds: Float[np.ndarray, "n"]
    shares: Positions
    structural: Float[np.ndarray, "m"]

    def __repr__(self) -> str:
        return f"Timing({len(self.positions)} frames, largest step {self.unevenness:.2f} times the mean)"

    @property
    def unevenness(self) -> float:
        """The largest step over the largest that was asked for: over the mean step, unless the video eases."""
        return unevenness(self.steps, self.shares)

    @property
    def structural_unevenness(self) -> float:
        """The same by SSIM, which re-timing does not make small."""
        return unevenness(self.structural, self.shares)

    def summary(self) -> dict[str, float | list[float]]:
        """Return it for JSON."""
        return {
            "length": float(self.steps.sum()),
            "largest_step": float(self.steps.max()),
            "mean_step": float(self.steps.mean()),
            "unevenness": self.unevenness,
            "unevenness_ssim": self.structural_unevenness,
            "positions": self.positions.tolist(),
            "steps": self.steps.tolist(),
            "distance_to_mean": [value for value in self.stds.tolist() if value == value],
        }


def unevenness(steps: Float[np.ndarray, "m"], shares: Positions) -> float:
    """Return the largest step, as a share of all, over the largest share that was asked for; 1 where nothing moves."""
    total = float(steps.sum())
    return 1.0 if total == 0 else float(steps.max()) / total / float(np.diff(shares).max())


def cumulative(steps: Float[np.ndarray, "m"]) -> Float[np.ndarray, "n"]:
    """Return which share of the whole length is reached before each step, and 1; strictly rising, steps of 0 too."""
    lengths = np.maximum(steps, 1e-9 * max(float(steps.max()), 1e-12))
    reached = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    reached[-1] = 1.0
    return reached


def inverted(
    positions: Positions, steps: Float[np.ndarray, "m"], shares: Float[np.ndarray, "s"]
) -> Float[np.ndarray, "s"]:
    """Return the positions at which the path has these shares of its length, by monotone cubic interpolation of
    position over cumulative length: one round of de Boor's equidistribution (1974), whose fixed point has equal steps.
    """
    found = np.clip(PchipInterpolator(cumulative(steps), positions)(shares), 0.0, 1.0)
    return np.where(shares == 1, positions[-1], found)  # the last image is the one that was given, to the last bit


def meeting(shares: Float[np.ndarray, "s"], stops: Float[np.ndarray, "k"]) -> Float[np.ndarray, "s"]:
    """Return `shares` shifted a little, so that every one of `stops` is among them: the nearest comes to it, those in
    between follow evenly. A stop whose nearest share is an end, or that of another stop, is not met.
    """
    nearest = np.abs(shares[:, None] - stops).argmin(0)
    inner = [0 < i < len(shares) - 1 and (j == 0 or i > nearest[j - 1]) for j, i in enumerate(nearest)]
    return np.interp(shares, [0, *shares[nearest[inner]], 1], [0, *stops[inner], 1])


def retimed(
    measure: Callable[[Positions], Float[np.ndarray, "m"]],
    shares: Float[np.ndarray, "s"],
    keys: Float[np.ndarray, "k"] = np.empty(0),
    rounds: int = ROUNDS,
) -> tuple[Float[np.ndarray, "s"], Float[np.ndarray, "_t"]]:
    """Return positions whose steps are as long as `shares` asks for, and those steps: the path is measured densely,
    then at the frames themselves and corrected, until it is even within a tenth or `rounds` are over; the most even.

    The positions `keys`, where the path may turn a corner, are met by frames, since a step across would cut it short.
    """
    positions = np.union1d(np.linspace(0, 1, DENSER * (len(shares) - 1) + 1), keys)
    steps = measure(positions)
    best: tuple[float, Any, Any] | None = None
    for _ in range(rounds):
        wanted = meeting(shares, np.interp(keys, positions, cumulative(steps)))
        positions = inverted(positions, steps, wanted)
        steps = measure(positions)
        uneven = unevenness(steps, shares)
        if best is None or uneven < best[0]:
            best = uneven, positions, steps
        if uneven <= EVEN_ENOUGH:
            break
    assert best is not None
    return best[1], best[2]


@checked
def retime(
    generator: Generator,
    path: LatentPath,
    frames: Steps = 60,
    *,
    ease: bool = False,
    network: FeatureNetwork | None = None,
    progress: Progress | None = None,
) -> Timing:
    """Return the positions of video frames on a path at which the image changes at an even speed.

    Args:
        generator: The generator.
        path: The path, from `path_through`.
        frames: How many frames; of a loop, whose last frame is its first, one more position is returned.
        ease: Whether the video starts and ends slowly.
        network: The feature network that measures how far images are from each other; the bundled one by default.
        progress: Called with what is done, how much of it, and how much there is.

    Returns:
        A `Timing`: ``positions`` t in [0, 1] for ``path.at``, the length of every step, and how uneven they are.

    Raises:
        LatentError: Fewer than two frames.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> path = ganvas.path_through(G, ganvas.sample(G, [4, 7], truncation=0.7))
        >>> ganvas.retime(G, path, frames=4)
        Timing(4 frames, largest step ... times the mean)

    Source: de Boor, Good approximation by splines with variable knots, 1974 (equidistribution).
    """
    positions = frame_positions(frames, path.closed)
    return time_path(
        load_features(device=generator.device) if network is None else network,
        generator,
        path,
        eased(positions) if ease else positions,
        evenly=True,
        progress=progress or silent,
    )


def time_path(
    network: FeatureNetwork,
    generator: Generator,
    path: LatentPath,
    shares: Positions,
    *,
    evenly: bool = False,
    progress: Progress = silent,
) -> Timing:
    """Return the frames of a path at t = `shares`; or, `evenly`, where the images have come that part of their way
    (`retimed`). `progress` is called with what is measured, and how much of how much.
    """
    rounds = 0

    def measure(positions: Positions) -> Float[np.ndarray, "m"]:
        nonlocal rounds
        rounds += 1
        what = f"Re-timing, round {rounds} of at most {1 + ROUNDS}" if evenly else "Measuring steps"
        return step_lengths(network, generator, path, positions, lambda done, total: progress(what, done, total))

    positions, steps = retimed(measure, shares, path.corners) if evenly else (shares, measure(shares))
    stds, structural = (measured(generator, path, positions) for measured in (stds_along_path, ssim_steps))
    return Timing(positions, steps, stds, shares, structural)


def path_timings(
    network: FeatureNetwork,
    generator: Generator,
    path: LatentPath,
    shares: Positions,
    *,
    retimed: bool,
    progress: Progress = silent,
) -> dict[str, Timing]:
    """Return the timings of a video by name: even in the latent, and if it is to be `retimed`, then this one too."""
    names = (EVEN, RETIMED) if retimed else (EVEN,)
    return {
        name: time_path(network, generator, path, shares, evenly=name == RETIMED, progress=progress) for name in names
    }


def stds_along_path(generator: Generator, path: LatentPath, positions: Positions) -> Float[np.ndarray, "n"]:
    """Return the distance of codes to the mean of their space in its std, about 1 for codes of the prior (0.7 at
    truncation 0.7); nan in space s.
    """
    keys = path.keys
    if keys.space == "s":
        return np.full(len(positions), np.nan)
    codes = path.codes(positions)
    try:
        known = statistics(generator, keys.space, keys.label)
    except LatentError:  # classes, and codes of w+ no longer say of which they were
        return np.full(len(positions), np.nan)
    return known.distances(codes.to(generator.device)).cpu().double().numpy()
