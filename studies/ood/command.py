"""How well the OOD score separates images of other domains from those of a generator's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.images import photos
from ganvas.images.datasets import open_images
from ganvas.inversion.encoder import encoder_reconstructor
from ganvas.metrics.features import FeatureNetwork, load_features
from ganvas.metrics.ood import OODDetector, Reconstructor, descriptors, fit_descriptors, fit_ood_detector, ood_scores
from studies.command import Threads

MOST = 200
COLUMNS = (
    "| images | number | warned | area under ROC | found at 5 % false alarms | OOD score: lowest, median, highest |"
)


def study(
    model: str,
    /,
    *,
    known: Path,
    ood: Annotated[tuple[tuple[str, Path], ...], Parameter(negative=())],
    threads: Threads = None,
) -> list[Path]:
    """Print a table: for every set of images, how many are warned of, and how well their scores separate from `known`.

    Args:
        model: A generator, or a zip of images that stand in for its samples.
        known: Folder or zip of real images of the generator's domain.
        ood: A name and a folder or zip of images of another domain; may be given several times.
    """
    print("\n".join(measure(model, known, ood)))
    return []


def measure(model: str, known: Path, others: Sequence[tuple[str, Path]]) -> list[str]:
    """Return the lines of the table: the known images first, then every other set."""
    network = load_features()
    detector, resolution, reconstructor = _detector(network, model)

    def scores(source: Path) -> Float[Tensor, "n"]:
        return ood_scores(network, detector, _images(source, resolution, MOST), reconstructor)

    found, default = {name: scores(source) for name, source in others}, scores(known)
    lines = [COLUMNS, "|---|---|---|---|---|---|", _row("known", default, default)]
    return lines + [_row(name, scores, default) for name, scores in found.items()]


def roc_area(known: Float[Tensor, "n"], ood: Float[Tensor, "m"]) -> float:
    """Return the area under the ROC curve: the chance that an OOD image scores higher than a known one, ties half."""
    higher = (ood[:, None] > known).double() + 0.5 * (ood[:, None] == known).double()
    return float(higher.mean())


def _detector(network: FeatureNetwork, model: str) -> tuple[OODDetector, int, Reconstructor | None]:
    if Path(model).suffix.lower() != ".zip":
        generator = load(model)
        reconstructor = encoder_reconstructor(generator)
        return fit_ood_detector(network, generator, reconstructor=reconstructor), generator.resolution, reconstructor
    side = network.architecture.resolution
    samples = descriptors(network, _images(Path(model), side, 450))
    return fit_descriptors(samples[:300], samples[300:]), side, None


def _images(source: Path, side: int, most: int) -> Float[Tensor, "n 3 r r"]:
    """Return the first images of a zip or a folder, in order of their names."""
    if source.is_dir():
        return torch.cat([photos.read_photo(path, side) for path in sorted(source.iterdir())[:most]])
    images = open_images(source, side)
    return images.batch(np.arange(min(most, len(images)))).contiguous()


def _row(name: str, scores: Float[Tensor, "n"], default: Float[Tensor, "m"]) -> str:
    warned = 100 * float((scores > 1).double().mean())
    area, caught = "", ""
    if scores is not default:
        area = f"{roc_area(default, scores):.3f}"
        caught = f"{100 * float((scores > default.quantile(0.95)).double().mean()):.0f} %"
    spread = f"{scores.min():.2f}, {scores.median():.2f}, {scores.max():.2f}"
    return f"| {name} | {len(scores)} | {warned:.1f} % | {area} | {caught} | {spread} |"
