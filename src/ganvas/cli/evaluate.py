"""``ganvas evaluate``: how far a generator's pictures are from real ones, as sets."""

import time
from pathlib import Path

from ganvas.cli.progress import progress
from ganvas.cli.shared import Common, device_named, with_seconds
from ganvas.errors import GanvasError
from ganvas.generators.codes import parse_seeds
from ganvas.generators.labels import label_of
from ganvas.metrics.distribution import COMPONENTS
from ganvas.metrics.evaluation import evaluate as measure
from ganvas.metrics.features import load_features
from ganvas.training.gan.held_out import real_features, real_top_octave


def evaluate(
    model: str,
    data: Path,
    /,
    *,
    seeds: str = "0-999",
    truncation: float = 1.0,
    label: str | None = None,
    pictures: int = 1000,
    features: Path | None = None,
    common: Common = Common(),
) -> None:
    """Measure how far a generator's pictures are from real ones.

    The kernel distance (with its standard error) is the one to go by: 0 for no difference, whatever the numbers of
    pictures. The Fréchet distance is larger for fewer pictures. Both are comparable only with themselves, at the same
    real pictures: their features are those of Ganvas' own network. The energy of the finest octave says whether
    pictures are as sharp as real ones of their size: an enlarged generator has next to none.

    Parameters
    ----------
    model
        A bundled name (faces, cats), a name of the zoo or a file of a generator.
    data
        A folder or a zip of real pictures, better those that the generator was not trained on.
    seeds
        Pictures to make.
    truncation
        1 is none: what the generator was trained for.
    label
        Class of generators that have classes: a number or a name.
    pictures
        At most so many of the real pictures, any of them but always the same.
    features
        A feature network to use instead of the bundled one.
    common
        Options of every command.
    """
    start = time.perf_counter()
    if pictures < 3:
        raise GanvasError(f"{pictures} pictures are too few to measure by; give --pictures of some hundred.")
    chosen = parse_seeds(seeds)
    generator, network = common.load(model), load_features(features, device_named(common.device))
    with progress() as report:
        real = real_features(network, data, pictures, report)
        octave = real_top_octave(data, generator.resolution, pictures, report)
        found = measure(
            network,
            generator,
            real,
            chosen,
            truncation=truncation,
            label=label_of(generator, label),
            real_top_octave=octave,
            progress=lambda done, total: report("Making pictures", done, total),
        )
    components = min(COMPONENTS, found.real - 1)
    common.show(
        [
            f"kernel distance   {found.kernel}",
            f"Fréchet distance  {found.frechet:.2f} (on {components} components)",
            f"finest octave     {found.top_octave:.2f} of the real pictures' energy",
            f"{found.made} pictures of {model}, truncation {truncation:g}, against {found.real} of {data}",
            with_seconds(start),
        ],
        {
            "command": "evaluate",
            "generator": model,
            "data": data,
            "seeds": chosen,
            "truncation": truncation,
            "kernel_distance": found.kernel.value,
            "kernel_distance_error": found.kernel.error,
            "frechet_distance": found.frechet,
            "components": components,
            "finest_octave": found.top_octave,
            "real_pictures": found.real,
        },
    )
