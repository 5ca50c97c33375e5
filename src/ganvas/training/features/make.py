"""Make a feature network: ``python -m ganvas.training.features.make IMAGES... --out FILE``.

The bundled one was made with the usual settings of faces and of cats; see docs/features.md.
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
from ganvas.training.features.training import Settings, train

TOLD_EVERY = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """Train a feature network and write it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ganvas.training.features.make", description=__doc__)
    parser.add_argument("images", nargs="+", help="folders or zips of images, each of one kind")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--horizon", type=int, default=Settings.horizon, help="steps after which the rate is nothing")
    parser.add_argument("--batch", type=int, default=Settings.batch, help="images of a step, seen twice each")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    settings = Settings(options.steps, max(options.horizon, options.steps), options.batch, seed=options.seed)
    try:
        print(make(options.images, options.out, settings))
    except GanvasError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def make(sources: Sequence[str], out: Path, settings: Settings, architecture: Architecture = Architecture()) -> Path:
    """Train on the sources and write the network; returns the path."""
    sets = [open_images(source, architecture.resolution) for source in sources]
    start = time.perf_counter()

    def tell(step: int, losses: dict[str, float]) -> None:
        if step % TOLD_EVERY == 0 or step == settings.steps:
            seconds = time.perf_counter() - start
            told = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            left = seconds / step * (settings.steps - step)
            print(f"step {step} of {settings.steps}: {told}, {left / 60:.0f} minutes left", file=sys.stderr)

    network = train(sets, settings, architecture, tell)
    images = {each.survey.source: len(each) for each in sets}
    return save_features(out, network, {"images": images, "settings": described(settings)})


def described(settings: Settings) -> dict[str, object]:
    """Return the settings as JSON has words for them."""
    return {name: str(value) if isinstance(value, torch.dtype) else value for name, value in asdict(settings).items()}


if __name__ == "__main__":
    sys.exit(main())
