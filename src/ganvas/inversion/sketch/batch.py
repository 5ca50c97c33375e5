"""Many sketches, each with one or several settings, one after the other; an interrupt keeps finished searches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.inversion.batch import concatenate
from ganvas.inversion.features import FeatureExtractor
from ganvas.inversion.sketch.nearest import RandomImages, compare_random_images
from ganvas.inversion.sketch.realness import Realness
from ganvas.inversion.sketch.search import SketchResult, SketchSearch, SketchSettings, check_candidates, start_search
from ganvas.inversion.sketch.sketch import RANDOM_IMAGES
from ganvas.inversion.sketch.target import Sketch
from ganvas.io.progress import Progress, silent
from ganvas.latents.latent import Latent


@dataclass
class BatchSketch:
    """The images of sketches by one generator with each of `variants`, settings that differ in the delta weight and in
    the steps; ``run`` finds them. ``realness`` says how real images are. ``results`` are the finished ones, by
    sketch and variant.
    """

    generator: Generator
    sketches: Sequence[Sketch]
    variants: Sequence[SketchSettings]
    features: FeatureExtractor
    random: int = RANDOM_IMAGES
    realness: Realness | None = None
    random_images: RandomImages | None = None
    results: dict[tuple[int, int], SketchResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first = self.variants[0]
        for one in self.variants:
            check_candidates(one.candidates, self.random)
        if any((one.terms, one.label) != (first.terms, first.label) for one in self.variants):
            raise GanvasError("Variants are compared by one distance; give all the same terms and label.")

    def run(self, progress: Progress | None = None) -> bool:
        """Run all searches; returns True when all are done, False after Ctrl-C, which keeps what is finished."""
        report, first = progress or silent, self.variants[0]
        targets = [sketch.on(self.generator) for sketch in self.sketches]
        self.random_images = compare_random_images(
            self.generator, targets, self.random, first.terms, self.features, label=first.label, progress=report
        )
        try:
            for row, target in enumerate(targets):
                for column, settings in enumerate(self.variants):
                    search = start_search(
                        self.generator, target, settings, self.features, self.random_images, row, self.realness
                    )
                    self._search(row, column, search, report)
        except KeyboardInterrupt:
            if not self.results:
                raise
            return False
        return True

    def latent(self) -> Latent:
        """Return the codes of all candidates."""
        return concatenate([result.latent for result in self.results.values()])

    def _search(self, row: int, column: int, search: SketchSearch, progress: Progress) -> None:
        """Run a search; an interrupted one counts up to its last step."""
        before = row * sum(one.steps for one in self.variants) + sum(one.steps for one in self.variants[:column])
        total = len(self.sketches) * sum(one.steps for one in self.variants)
        try:
            for step in search.steps():
                progress("Sketching", before + step.number, total)
        finally:
            if search.last is not None and search.last.number:
                self.results[row, column] = search.result()
