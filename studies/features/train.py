"""``python -m studies.features.train IMAGES... --out FILE``: how the bundled feature network was trained.

It was trained with the default settings on faces and cats; see docs/results/features.md.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from ganvas.images.datasets import open_images
from ganvas.metrics.features import Architecture, save_features
from studies.command import Threads, main, show_line
from studies.features.training import FeatureTrainingSettings, train

REPORT_EVERY = 25
DEFAULT = FeatureTrainingSettings()


def study(
    *images: Path,
    out: Annotated[Path, Parameter(help="The file to write.")],
    steps: int = DEFAULT.steps,
    horizon: int = DEFAULT.horizon,
    batch: int = DEFAULT.batch,
    seed: int = DEFAULT.seed,
    threads: Threads = None,
) -> list[Path]:
    """Train a feature network and write it.

    Args:
        images: Folders or zips of images, each of one kind.
        steps: Steps to do.
        horizon: Steps of the schedule, at whose end the learning rate is 0.
        batch: Images of a step, in two views each.
        seed: Random seed.
    """
    settings = FeatureTrainingSettings(steps, max(horizon, steps), batch, seed=seed)
    return [train_and_save(images, out, settings)]


def train_and_save(
    sources: tuple[Path, ...],
    out: Path,
    settings: FeatureTrainingSettings,
    architecture: Architecture = Architecture(),
) -> Path:
    """Train on the sources and write the network; returns the path."""
    sets = [open_images(source, architecture.resolution) for source in sources]
    start = time.perf_counter()

    def report(step: int, losses: dict[str, float]) -> None:
        if step % REPORT_EVERY == 0 or step == settings.steps:
            seconds = time.perf_counter() - start
            shown = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            left = seconds / step * (settings.steps - step)
            show_line(f"step {step} of {settings.steps}: {shown}, {left / 60:.0f} minutes left")

    network = train(sets, settings, architecture, report)
    images = {each.summary.source: len(each) for each in sets}
    return save_features(out, network, {"images": images, "settings": as_json(settings)})


def as_json(settings: FeatureTrainingSettings) -> dict[str, object]:
    """Return the settings with values that JSON can hold."""
    return {name: str(value) if isinstance(value, torch.dtype) else value for name, value in asdict(settings).items()}


if __name__ == "__main__":
    main("studies.features.train:study")
