"""``ganvas evaluate``: how far a generator's images are from real ones, as sets."""

from pathlib import Path
from typing import Any

from ganvas.cli import numbers
from ganvas.cli.options import Loading
from ganvas.cli.show import progress
from ganvas.cli.types import Model, Seeds
from ganvas.generators.labels import label_of
from ganvas.io.tensor_files import is_ours
from ganvas.metrics.evaluation import evaluate as measure
from ganvas.metrics.features import ImageFeatures, load_features
from ganvas.metrics.imagenet import load_imagenet
from ganvas.metrics.inception import load_inception
from ganvas.reports.evaluation_text import evaluation_lines, evaluation_summary

DEFAULT_SEEDS = range(1000)
IMAGENET = "imagenet"


def evaluate(
    model: Model,
    data: Path,
    /,
    *,
    seeds: Seeds | None = None,
    truncation: numbers.Truncation = 1.0,
    label: str | None = None,
    images: numbers.Steps = 1000,
    features: Path | None = None,
    out: Path | None = None,
    loading: Loading = Loading(),
) -> None:
    """Measure how far a generator's images are from real ones.

    Go by the kernel MMD (polynomial, as in KID; with its standard error): it is 0 for no difference, whatever the
    number of images; that between two halves of the real images shows how far from 0 chance alone leads. The Fréchet
    distance is larger for fewer images. Compare both only for the same real images and the same network of features:
    Ganvas's own, or an ImageNet network made by others. The energy of the finest octave says whether images are as
    sharp as real ones of their size: an enlarged generator has next to none.

    Args:
        data: A folder or a zip of real images, better those that the generator was not trained on.
        seeds: Seeds of the generator's images; 0-999 by default.
        truncation: Truncation psi; 1, none, is what the generator was trained for.
        label: Class, for generators that have classes: a number or a name.
        images: At most this many of the real images, any of them but always the same.
        features: imagenet for the features of EfficientNet-Lite0 (extra imagenet); the file of FID's Inception weights
            (pt_inception-2015-12-05-6726825d.pth) for FID and KID; a file of a feature network; the bundled one by
            default.
        out: A folder in which finished parts are kept: the same command goes on from them, and torchrun may start it in
            several processes that share it.
    """
    chosen = seeds or list(DEFAULT_SEEDS)
    generator, network = loading.load(model), _network(features, loading)
    with progress() as report:
        found = measure(
            generator,
            data,
            chosen,
            truncation=truncation,
            label=label_of(generator, label),
            images=images,
            network=network,
            folder=out,
            progress=report,
        )
    if found is None:
        return
    asked = {"generator": model, "data": data, "seeds": chosen, "truncation": truncation}
    facts: dict[str, Any] = asked | evaluation_summary(found)
    of = f"{found.fake_images} images of {model}, truncation {truncation:g}, against {found.real_images} of {data}"
    loading.show("evaluate", [*evaluation_lines(found, network.distance_names), of], **facts)


def _network(features: Path | None, loading: Loading) -> ImageFeatures:
    """Return the network of features that was asked for."""
    if str(features) == IMAGENET:
        return load_imagenet(loading.on())
    if features is not None and features.is_file() and not is_ours(features):
        return load_inception(features, loading.on())
    return load_features(features, loading.on())
