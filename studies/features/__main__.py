"""Measure the feature network on test images: ``python -m studies.features --out OUT --set NAME TRAIN TEST``.

Writes ``features.md`` (tables), ``features.json`` (all numbers) and two sheets of made images with their distances.
Beside the trained network an untrained one of the same architecture is measured, whose weights are random and whose
normalization is fitted.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.images import pixels
from ganvas.images.datasets import ImageSet, open_images, shuffled
from ganvas.io.files import atomic_path
from ganvas.metrics.distribution import frechet_distance, kernel_mmd
from ganvas.metrics.evaluation import fake_images
from ganvas.metrics.features import FeatureNetwork, global_features, load_features
from ganvas.training.features.training import FeatureTrainingSettings, train
from studies.features import measures, report
from studies.running import run_study

REFERENCES, TESTS = 1000, 200
SHOWN, SHOWN_AT = (4, 9), 0.7


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m studies.features", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--set", nargs=3, action="append", required=True, metavar=("NAME", "TRAIN", "TEST"))
    parser.add_argument("--features", type=Path, help="a feature network to measure in place of the bundled one")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    options = parser.parse_args(arguments)
    return run_study(lambda: write(options.out, options.set, options.features), options.out, options.threads)


def write(folder: Path, sources: Sequence[Sequence[str]], features: Path | None) -> list[Path]:
    """Measure both networks on all sets and write the four files; returns their paths."""
    network = load_features(features)
    side = network.architecture.resolution
    training = {name: open_images(source, side) for name, source, _ in sources}
    tests = {name: _images(open_images(source, side), TESTS) for name, _, source in sources}
    untrained = train(list(training.values()), FeatureTrainingSettings(steps=0), network.architecture)
    results = {
        title: {name: measure(each, training[name], images) for name, images in tests.items()}
        for title, each in (("trained", network), ("untrained", untrained))
    }
    folder.mkdir(parents=True, exist_ok=True)
    tables, numbers = folder / "features.md", folder / "features.json"
    with atomic_path(tables) as temporary:
        temporary.write_text(report.markdown(results) + "\n", "utf-8")
    with atomic_path(numbers) as temporary:
        temporary.write_text(json.dumps(report.to_json(results), indent=1), "utf-8")
    # Made images may be shown, which not all real ones may.
    made = pixels.resize(torch.cat(list(fake_images(load("faces"), range(TESTS), truncation=SHOWN_AT))), side, side)
    firsts = {f"seed {seed}": made[seed : seed + 1] for seed in SHOWN}
    return [
        tables,
        numbers,
        pixels.write_image(folder / "features-distances.jpg", report.distorted_sheet(network, firsts)),
        pixels.write_image(folder / "features-alike.jpg", report.alike_sheet(network, made)),
    ]


def measure(network: FeatureNetwork, training: ImageSet, images: Tensor) -> report.SetResult:
    """Return what a network sees in test images, against a thousand training images."""
    real = global_features(network, _images(training, REFERENCES))
    faults = {}
    for fault, corrupted in measures.as_if_made(images).items():
        found = global_features(network, corrupted)
        faults[fault] = (kernel_mmd(real, found), float(frechet_distance(real, found)))
    return report.SetResult(
        {kind: measures.rising(network, images, real, kind) for kind in measures.KINDS},
        measures.nearest_to_itself(network, images),
        measures.found_again(network, images),
        faults,
    )


def _images(source: ImageSet, most: int) -> Tensor:
    """Return at most so many images of a set, any of them but always the same."""
    return source.batch(shuffled(0, 0, min(most, len(source)), len(source))).contiguous()


if __name__ == "__main__":
    sys.exit(main())
