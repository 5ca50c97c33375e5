"""Measure the warning: ``python -m studies.ood MODEL --known FACES.zip --strange cats CATS.zip ...``.

Prints, for every set of images, how many are warned, and how well the distance tells them from the known ones.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.errors import GanvasError
from ganvas.images import photos
from ganvas.images.datasets import open_images
from ganvas.inversion.encoder import encoder_reconstructor
from ganvas.metrics.features import FeatureNetwork, load_features
from ganvas.metrics.ood import OODDetector, Reconstructor, descriptors, fit_descriptors, fit_ood_detector, ood_scores

MOST = 200
COLUMNS = "| images | number | warned | area under ROC | found at 5 % false alarms | ratio: lowest, median, highest |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m studies.ood", description=__doc__)
    parser.add_argument("model", help="a generator, or a zip of images to take in the place of one's samples")
    parser.add_argument("--known", type=Path, required=True, help="images of what the generator makes")
    parser.add_argument("--strange", nargs=2, action="append", required=True, metavar=("NAME", "IMAGES"))
    options = parser.parse_args(arguments)
    try:
        print("\n".join(measure(options.model, options.known, options.strange)))
    except GanvasError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def measure(model: str, known: Path, strange: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: known images first, then every set of strange ones."""
    network = load_features()
    familiarity, resolution, again = _learnt(network, model)

    def ratios(source: Path) -> Float[Tensor, "n"]:
        return ood_scores(network, familiarity, _images(source, resolution, MOST), again)

    found, default = {name: ratios(Path(source)) for name, source in strange}, ratios(known)
    lines = [COLUMNS, "|---|---|---|---|---|---|", _row("known", default, default)]
    return lines + [_row(name, ratios, default) for name, ratios in found.items()]


def roc_area(default: Float[Tensor, "n"], strange: Float[Tensor, "m"]) -> float:
    """Return the area under the ROC curve: the chance that a strange image is further than a usual one, ties half."""
    further = (strange[:, None] > default).double() + 0.5 * (strange[:, None] == default).double()
    return float(further.mean())


def _learnt(network: FeatureNetwork, model: str) -> tuple[OODDetector, int, Reconstructor | None]:
    if Path(model).suffix.lower() != ".zip":
        generator = load(model)
        again = encoder_reconstructor(generator)
        return fit_ood_detector(network, generator, reconstructor=again), generator.resolution, again
    side = network.architecture.resolution
    samples = descriptors(network, _images(Path(model), side, 450))
    return fit_descriptors(samples[:300], samples[300:]), side, None


def _images(source: Path, side: int, most: int) -> Float[Tensor, "n 3 r r"]:
    """Return the first images of a zip or a folder, in order of their names."""
    if source.is_dir():
        return torch.cat([photos.read_photo(path, side) for path in sorted(source.iterdir())[:most]])
    images = open_images(source, side)
    return images.batch(np.arange(min(most, len(images)))).contiguous()


def _row(name: str, ratios: Float[Tensor, "n"], default: Float[Tensor, "m"]) -> str:
    warned = 100 * float((ratios > 1).double().mean())
    area, caught = "", ""
    if ratios is not default:
        area = f"{roc_area(default, ratios):.3f}"
        caught = f"{100 * float((ratios > default.quantile(0.95)).double().mean()):.0f} %"
    spread = f"{ratios.min():.2f}, {ratios.median():.2f}, {ratios.max():.2f}"
    return f"| {name} | {len(ratios)} | {warned:.1f} % | {area} | {caught} | {spread} |"


if __name__ == "__main__":
    sys.exit(main())
