"""What the bundled feature network distinguishes on test images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.images import pixels
from ganvas.images.datasets import ImageSet, open_images, shuffled
from ganvas.io.json_files import write_json
from ganvas.metrics.distribution import frechet_distance, kernel_mmd
from ganvas.metrics.evaluation import fake_images
from ganvas.metrics.features import FeatureNetwork, global_features, load_features
from studies.command import Out, Threads
from studies.features import measures, report
from studies.features.training import FeatureTrainingSettings, train
from studies.files import write_text

REFERENCES, TESTS = 1000, 200
SHOWN, SHOWN_AT = (4, 9), 0.7


def study(
    *,
    out: Out,
    sets: Annotated[tuple[tuple[str, Path, Path], ...], Parameter(name="--set", negative=())],
    features: Path | None = None,
    threads: Threads = None,
) -> list[Path]:
    """Measure the feature network, and an untrained one of its architecture, on test images.

    The untrained network has random weights and fitted normalization. Writes ``features.md``, ``features.json`` and two
    sheets of fake images with their distances.

    Args:
        sets: A name, training images and test images, each a folder or a zip; may be given several times.
        features: A feature network to measure in place of the bundled one.
    """
    return write(out, sets, features)


def write(folder: Path, sources: Sequence[tuple[str, Path, Path]], features: Path | None) -> list[Path]:
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
    tables, numbers = write_text(folder / "features.md", report.markdown(results)), folder / "features.json"
    write_json(numbers, report.to_json(results))
    # Fake images may be published; not all real ones may.
    fake = pixels.resize(torch.cat(list(fake_images(load("faces"), range(TESTS), truncation=SHOWN_AT))), side, side)
    firsts = {f"seed {seed}": fake[seed : seed + 1] for seed in SHOWN}
    return [
        tables,
        numbers,
        pixels.write_image(folder / "features-distances.jpg", report.distorted_sheet(network, firsts)),
        pixels.write_image(folder / "features-alike.jpg", report.alike_sheet(network, fake)),
    ]


def measure(network: FeatureNetwork, training: ImageSet, images: Tensor) -> report.SetResult:
    """Return what a network distinguishes in test images, with a thousand training images as reference."""
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
    """Return at most `most` random images of a set, always the same ones."""
    return source.batch(shuffled(0, 0, min(most, len(source)), len(source))).contiguous()
