"""Many sketches, each with one or several settings, one after the other: what is done stays there when somebody breaks
off.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.inversion.batch import joined
from ganvas.inversion.sketch.nearest import Nearest, look_at_random
from ganvas.inversion.sketch.paint import RANDOM, Painter, Painting, ScribbleSettings, begin, check_candidates
from ganvas.inversion.sketch.sketch import Sketch
from ganvas.inversion.terms import FeatureMaps
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent


@dataclass
class Scribbling:
    """The images of sketches by one generator, with each of `variants`, which differ in the dial and in the steps;
    `through` makes them. ``paintings`` are those that there are, by sketch and variant.
    """

    generator: Generator
    sketches: Sequence[Sketch]
    variants: Sequence[ScribbleSettings]
    look: FeatureMaps
    random: int = RANDOM
    nearest: Nearest | None = None
    paintings: dict[tuple[int, int], Painting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first = self.variants[0]
        for one in self.variants:
            check_candidates(one.candidates, self.random)
        if any((one.terms, one.label) != (first.terms, first.label) for one in self.variants):
            raise GanvasError("Variants are measured by one distance; give all the same terms and label.")

    def through(self, progress: Progress = lambda what, done, total: None) -> bool:
        """Do the work; returns whether it was done, False after Ctrl-C, with what there is kept."""
        first = self.variants[0]
        here = [sketch.on(self.generator) for sketch in self.sketches]
        self.nearest = look_at_random(
            self.generator, here, self.random, first.terms, self.look, label=first.label, progress=progress
        )
        try:
            for row, sketch in enumerate(here):
                for column, settings in enumerate(self.variants):
                    painter = begin(self.generator, sketch, settings, self.look, self.nearest, row)
                    self._paint(row, column, painter, progress)
        except KeyboardInterrupt:
            if not self.paintings:
                raise
            return False
        return True

    def latent(self) -> Latent:
        """Return the codes of all candidates."""
        return joined([painting.latent for painting in self.paintings.values()])

    def _paint(self, row: int, column: int, painter: Painter, progress: Progress) -> None:
        """Go through a search; a search that somebody breaks off counts as far as it came."""
        before = row * sum(one.steps for one in self.variants) + sum(one.steps for one in self.variants[:column])
        total = len(self.sketches) * sum(one.steps for one in self.variants)
        try:
            for step in painter.steps():
                progress("Scribbling", before + step.number, total)
        finally:
            if painter.last is not None and painter.last.number:
                self.paintings[row, column] = painter.painting()
