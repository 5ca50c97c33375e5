"""A sketch to images in one call."""

import warnings
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.errors.arguments import checked
from ganvas.generators.protocol import Generator
from ganvas.images.paper import read_drawn
from ganvas.inversion.features import FeatureExtractor, bundled_features
from ganvas.inversion.sketch.nearest import compare_random_images
from ganvas.inversion.sketch.realness import Realness
from ganvas.inversion.sketch.search import SketchResult, SketchSettings, check_candidates, start_search
from ganvas.inversion.sketch.target import Sketch
from ganvas.io.progress import Progress, silent

RANDOM_IMAGES = 200
Drawing = str | Path | tuple[Float[Tensor, "1 3 h w"], Float[Tensor, "1 alpha_h alpha_w"]]


@checked
def sketch(
    generator: Generator,
    drawing: Drawing,
    settings: SketchSettings = SketchSettings(),
    *,
    features: FeatureExtractor | None = None,
    random: int = RANDOM_IMAGES,
    paper: str = "auto",
    realness: Realness | None = None,
    progress: Progress | None = None,
) -> SketchResult:
    """Find images of a generator that match a drawing where it is opaque.

    Args:
        generator: The generator.
        drawing: An RGBA image file, or its colors [1, 3, r, r] in [-1, 1] and alpha [1, r, r] in [0, 1] as
            `ganvas.read_sketch` returns them.
        settings: The loss, the number of candidates and the optimizer.
        features: The feature extractor of the perceptual term; Ganvas' own network by default.
        random: Random images of the generator that are compared first: candidates start from the nearest, which is
            also the baseline of the metrics.
        paper: What of an image file is paper, which is free as transparency is: "auto" looks for it in an opaque image
            and says by a warning what it found, "none" counts everything, or a color such as "white".
        realness: Images to numbers [n], larger for more real ones, such as a discriminator: the most real of the
            candidates whose loss is at most 35 % above the smallest is chosen. Without it the loss decides alone.
        progress: Called with what is being done, steps done, all steps.

    Returns:
        The `SketchResult` with the images, codes and metrics of all candidates, the best first.

    Raises:
        ImageError: The drawing cannot be read, is transparent everywhere or has another size than the generator's.
        GanvasError: There are more candidates than random images to start from.
        LatentError: The generator lacks the space, or needs a label.

    Example:
        >>> import ganvas, torch
        >>> G = ganvas.load("faces-dcgan")
        >>> side = G.resolution
        >>> red = torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, side, side)
        >>> settings = ganvas.SketchSettings(space="z", candidates=1, steps=1)
        >>> found = ganvas.sketch(G, (red, torch.ones(1, side, side)), settings, random=1)
        >>> len(found.metrics)
        1
    """
    report = progress or silent
    check_candidates(settings.candidates, random)
    target = read_drawing(drawing, generator, paper).on(generator)
    if target.note:
        warnings.warn(target.note, stacklevel=2)
    extractor = features or bundled_features(generator.device)
    random_images = compare_random_images(
        generator, [target], random, settings.terms, extractor, label=settings.label, progress=report
    )
    search = start_search(generator, target, settings, extractor, random_images, realness=realness)
    for step in search.steps():
        report("Sketching", step.number, settings.steps)
    return search.result()


def read_drawing(drawing: object, generator: Generator, paper: str = "auto") -> Sketch:
    """Return a file without its `paper`, or colors and alpha, as a sketch; raises `ImageError` for anything else."""
    if isinstance(drawing, str | Path):
        read = read_drawn(drawing, generator.resolution, paper)
        return Sketch(Path(drawing).stem, read.colors, read.alpha, str(drawing), read.note)
    if not isinstance(drawing, tuple) or len(drawing) != 2 or not all(isinstance(one, Tensor) for one in drawing):
        raise ImageError(
            "A drawing is an image file, or colors and alpha as ganvas.read_sketch returns them; you gave "
            f"{type(drawing).__name__}."
        )
    return Sketch("sketch", *drawing)
