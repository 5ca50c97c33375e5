"""``ganvas evaluate``: how far a generator's images are from real ones, as sets."""

import time
from pathlib import Path

from ganvas.cli.progress import progress
from ganvas.cli.shared import Common, device_named, with_seconds
from ganvas.generators.codes import parse_seeds
from ganvas.generators.labels import label_of
from ganvas.metrics.evaluation import evaluate as measure
from ganvas.metrics.features import load_features


def evaluate(
    model: str,
    data: Path,
    /,
    *,
    seeds: str = "0-999",
    truncation: float = 1.0,
    label: str | None = None,
    images: int = 1000,
    features: Path | None = None,
    common: Common = Common(),
) -> None:
    """Measure how far a generator's images are from real ones.

    The kernel MMD (with its standard error) is the one to go by: 0 for no difference, whatever the numbers of
    images. The Fréchet distance is larger for fewer images. Both are comparable only with themselves, at the same
    real images: their features are those of Ganvas' own network. The energy of the finest octave says whether
    images are as sharp as real ones of their size: an enlarged generator has next to none.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    data
        A folder or a zip of real images, better those that the generator was not trained on.
    seeds
        Images to make.
    truncation
        1 is none: what the generator was trained for.
    label
        Class of generators that have classes: a number or a name.
    images
        At most so many of the real images, any of them but always the same.
    features
        A feature network to use instead of the bundled one.
    common
        Options of every command.
    """
    start = time.perf_counter()
    chosen = parse_seeds(seeds)
    generator, network = common.load(model), load_features(features, device_named(common.device))
    with progress() as report:
        found = measure(
            generator,
            data,
            chosen,
            truncation=truncation,
            label=label_of(generator, label),
            images=images,
            network=network,
            progress=report,
        )
    common.show(
        [
            f"kernel MMD        {found.kernel_mmd}",
            f"Fréchet distance  {found.frechet_distance:.2f} (on {found.components} components)",
            f"finest octave     {found.finest_octave:.2f} of the real images' energy",
            f"{found.fake_images} images of {model}, truncation {truncation:g}, against {found.real_images} of {data}",
            with_seconds(start),
        ],
        {
            "command": "evaluate",
            "generator": model,
            "data": data,
            "seeds": chosen,
            "truncation": truncation,
            "kernel_mmd": found.kernel_mmd.value,
            "kernel_mmd_error": found.kernel_mmd.error,
            "frechet_distance": found.frechet_distance,
            "components": found.components,
            "finest_octave": found.finest_octave,
            "real_images": found.real_images,
        },
    )
