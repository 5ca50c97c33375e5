"""Make a feature network: ``python -m ganvas.training.features.make IMAGES... --out FILE``.

The bundled one was trained with the default settings on faces and cats; see docs/features.md.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from ganvas.errors import GanvasError
from ganvas.images.datasets import open_images
from ganvas.metrics.features import Architecture, save_features
from ganvas.training.features.training import FeatureTrainingSettings, train

REPORT_EVERY = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a feature network and write it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ganvas.training.features.make", description=__doc__)
    parser.add_argument("images", nargs="+", help="folders or zips of images, each of one kind")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--steps", type=int, default=FeatureTrainingSettings.steps)
    parser.add_argument(
        "--horizon", type=int, default=FeatureTrainingSettings.horizon, help="steps at whose end the learning rate is 0"
    )
    parser.add_argument(
        "--batch", type=int, default=FeatureTrainingSettings.batch, help="images of a step, seen twice each"
    )
    parser.add_argument("--seed", type=int, default=FeatureTrainingSettings.seed)
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    settings = FeatureTrainingSettings(
        options.steps, max(options.horizon, options.steps), options.batch, seed=options.seed
    )
    try:
        print(make(options.images, options.out, settings))
    except GanvasError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def make(
    sources: Sequence[str], out: Path, settings: FeatureTrainingSettings, architecture: Architecture = Architecture()
) -> Path:
    """Train on the sources and write the network; returns the path."""
    sets = [open_images(source, architecture.resolution) for source in sources]
    start = time.perf_counter()

    def report(step: int, losses: dict[str, float]) -> None:
        if step % REPORT_EVERY == 0 or step == settings.steps:
            seconds = time.perf_counter() - start
            shown = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            left = seconds / step * (settings.steps - step)
            print(f"step {step} of {settings.steps}: {shown}, {left / 60:.0f} minutes left", file=sys.stderr)

    network = train(sets, settings, architecture, report)
    images = {each.summary.source: len(each) for each in sets}
    return save_features(out, network, {"images": images, "settings": as_json(settings)})


def as_json(settings: FeatureTrainingSettings) -> dict[str, object]:
    """Return the settings with values that JSON can hold."""
    return {name: str(value) if isinstance(value, torch.dtype) else value for name, value in asdict(settings).items()}


if __name__ == "__main__":
    sys.exit(main())
