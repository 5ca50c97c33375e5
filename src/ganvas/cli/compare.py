"""``ganvas compare``: methods for directions, dragging and inversion compared on your own generator.

The same command with the same --out goes on where it was stopped.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from cyclopts import App

from ganvas.cli import numbers
from ganvas.cli.options import TRUNCATION, Loading, PerceptualOptions, PhotoOptions
from ganvas.cli.show import COMMAND_LINE, progress
from ganvas.cli.types import Flag, Layers, Model, Names, Numbers, Out, Seeds, Texts
from ganvas.comparisons.directions.run import compare_directions
from ganvas.comparisons.directions.settings import DirectionComparison
from ganvas.comparisons.drag.run import run_benchmark
from ganvas.comparisons.drag.settings import QUICK, DragBenchmarkSettings, of_size
from ganvas.comparisons.drag.trials import DragBenchmark
from ganvas.comparisons.inversion.command import check_comparison, compare_inversions, comparison_photos
from ganvas.comparisons.inversion.table import TableSettings
from ganvas.comparisons.reconstruction import reconstruction_metrics_for
from ganvas.errors import GanvasError
from ganvas.generators.labels import class_of
from ganvas.generators.protocol import Generator, about_of
from ganvas.inversion.features import bundled_features
from ganvas.io.files import make_folder
from ganvas.metrics.features import load_features
from ganvas.metrics.imagenet import load_imagenet
from ganvas.metrics.likeness import likeness
from ganvas.reports.direction_comparison import markdown, write_comparison

DEFAULT_METHODS = ("resefa", "foreground", "lowrankgan-spectrum", "stylespace", "sefa", "ganspace", "random")
WINDOW = 600.0  # seconds over which the rate of long measurements is averaged

app = App(name="compare", help="Compare methods for directions, dragging and inversion on your own generator.")


@app.command
def drag(
    model: Model,
    /,
    *,
    quick: Flag = False,
    drags: numbers.Count | None = None,
    methods: Names = DragBenchmarkSettings.methods,
    truncation: numbers.Truncation = TRUNCATION,
    label: str | None = None,
    network: PerceptualOptions = PerceptualOptions(),
    out: Out = Path("compare-drag"),
    loading: Loading = Loading(),
) -> None:
    """Drag many images by DragGAN and FreeDrag, forward and back, and measure the results.

    May be started by torchrun, in several processes that share --out.

    Args:
        quick: Some minutes: 12 drags by each method.
        drags: Drags by each method (200 by default).
        methods: draggan, freedrag, and draggan with other supervision: draggan-start, draggan-gated.
        truncation: Truncation psi of the images: 1 is none, 0 the average image.
        label: Class, for generators that have classes: a number or a name.
    """
    if quick and drags is not None:
        raise GanvasError("--quick and --drags both say how many drags; give one of them.")
    settings = QUICK if quick else DragBenchmarkSettings() if drags is None else of_size(drags)
    generator = loading.load(model)
    chosen = class_of(generator, label)
    features = network.features(generator) or bundled_features(generator.device)
    alike = likeness(generator, load_features(device=generator.device))
    chosen_settings = replace(settings, truncation=truncation, methods=methods)
    bench = DragBenchmark(generator, features, chosen_settings, out, chosen, alike)
    bench.open(settings.first_seed)  # refuses a label that the generator does not have
    make_folder(out)
    name = _name(generator, model)
    with progress(window=WINDOW) as report:
        done = run_benchmark(bench, name, report)
    if done is not None:
        loading.show("compare drag", done[0].splitlines(), done[1])


@app.command
def directions(
    model: Model,
    /,
    *,
    region: Texts,
    methods: Names = DEFAULT_METHODS,
    images: numbers.Count = 50,
    level: Numbers = DirectionComparison.levels,
    count: numbers.Count = DirectionComparison.directions,
    seeds: Seeds | None = None,
    layers: Layers | None = None,
    truncation: numbers.Truncation = TRUNCATION,
    confined: Flag = False,
    data: Path | None = None,
    imagenet: Flag = False,
    network: PerceptualOptions = PerceptualOptions(),
    out: Out = Path("compare-directions"),
    loading: Loading = Loading(),
) -> None:
    """Compare methods for directions: what changes outside a region where they change it equally inside.

    Every method finds directions at the same images; each is moved on held-out images to the strengths that change the
    region by the same amount. Writes comparison.html, which holds all of comparison.md, comparison.json, comparison.png
    and an image of the same faces for each region. With --perceptual the tables have that distance inside and outside
    too, also those of a comparison that is finished. May be started by torchrun, in several processes that share --out.

    Args:
        region: A region that is the same for every image; may be given several times.
        methods: resefa, foreground, lowrankgan (minutes), lowrankgan-spectrum, stylespace, stylespace-overlap, lelsd
            (minutes), panda, panda-learned (minutes), sefa, ganspace, localbasis, random, with commas between; those
            that take seconds by default.
        images: Held-out images; more go on from those that are measured.
        level: Changes inside, as root mean squares of image values (black to white is 2).
        count: How many of each method's first directions.
        seeds: Images at which directions are found; 0-15 by default.
        layers: Layers that are edited, for all regions; those that the generator recommends by default.
        truncation: Truncation psi of all images.
        confined: Confine every edit to its region.
        data: A folder or a zip of real images, to which the edited ones are compared as a set; by default they are
            compared to as many generated ones.
        imagenet: Compare sets of images by an ImageNet network besides Ganvas's own (extra imagenet).
    """
    generator = loading.load(model)
    settings = DirectionComparison(
        regions=tuple(region),
        methods=methods,
        found_on=tuple(seeds or DirectionComparison.found_on),
        images=images,
        levels=tuple(level),
        directions=count,
        truncation=truncation,
        layers=layers,
        confined=confined,
    )
    perceptual = network.features(generator)
    make_folder(out)
    with progress(window=WINDOW) as report:
        second = load_imagenet(loading.on()) if imagenet else None
        found = compare_directions(generator, settings, out, data, second, perceptual, report)
    if found is not None:
        paths = write_comparison(out, found, {"generator": model, "command": COMMAND_LINE.get()})
        loading.show("compare directions", markdown(found).splitlines(), paths)


@app.command
def inversion(
    model: Model,
    /,
    *photos: Path,
    baseline: str | None = None,
    count: numbers.Count = 20,
    steps: numbers.Steps = TableSettings.steps,
    optimizer: Literal["adam", "lbfgs"] = "adam",
    start: str = TableSettings.start,
    seed: numbers.Seed = 0,
    network: PerceptualOptions = PerceptualOptions(),
    out: Out = Path("compare-inversion"),
    preparation: PhotoOptions = PhotoOptions(),
    loading: Loading = Loading(),
) -> None:
    """Invert photos into every space of a generator by two losses, and write the table that compares them.

    Args:
        photos: Image files, or one folder or zip of them.
        baseline: Another generator to compare with, such as a DCGAN, in rows above.
        count: Photos of a folder or zip, evenly spread.
        steps: Synthesis passes with gradients.
        optimizer: adam or lbfgs.
        start: mean, random, or random:8 (the nearest of eight).
        seed: Random seed of random starts.
    """
    if not photos:
        raise GanvasError("No photo was given; name image files, a folder or a zip after the generator.")
    settings = TableSettings(steps, optimizer, start, seed)
    models = [name for name in (baseline, model) if name]
    loaded = {name: loading.load(name) for name in models}
    check_comparison(list(loaded.values()), settings)
    by_size, names = {}, []
    for generator in loaded.values():
        images, names = comparison_photos(photos, generator, preparation.settings(), count)
        by_size[generator.resolution] = images
    smallest = min(loaded.values(), key=lambda generator: generator.resolution)
    metrics = reconstruction_metrics_for(loaded[model], model, loading.on(), network.features(smallest))
    make_folder(out)
    titled = {_name(generator, name): generator for name, generator in loaded.items()}
    with progress() as report:
        text, paths = compare_inversions(titled, by_size, names, out, settings, metrics, report)
    facts = {"photos": names, "perceptual_distance": metrics.features.name}
    loading.show("compare inversion", text.splitlines(), paths, **facts)


def _name(generator: Generator, model: str) -> str:
    """Return the generator's name, or that of its file."""
    return about_of(generator).name or Path(model).stem
