"""The settings of the drag benchmark: how many drags, how long, and its short form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.methods import METHODS
from ganvas.drag.settings import DragSettings
from ganvas.errors import GanvasError

COMPARED: Mapping[str, DragSettings] = {
    **{name: settings() for name, settings in METHODS.items()},
    "draggan-start": DragGANSettings(supervision="start"),
    "draggan-gated": DragGANSettings(supervision="gated"),
}
"""What can be compared, by the names that files have: the methods, and DragGAN's other ways of supervision."""


@dataclass(frozen=True)
class DragBenchmarkSettings:
    """Settings of the benchmark.

    Each method does ``drags`` forward and in reverse, and ``pairs``, which have an image that they should lead to.
    ``lengths`` are those of the drags, in fractions of the width, in turn; two thirds of the handles are corners, one
    third lies on low texture. ``first_seed`` is that of the first image: every drag has an image of its own.
    A drag succeeds where its content ends within ``near`` of the way from its target, or within a pixel.

    Images of seeds around 5000 were looked at while the weights of masks were chosen; these were not.
    """

    drags: int = 200
    pairs: int = 60
    steps: int = 100
    lengths: tuple[float, ...] = (0.05, 0.1, 0.2)
    methods: tuple[str, ...] = tuple(METHODS)
    truncation: float = 0.7
    first_seed: int = 20000
    near: float = 0.25
    resamples: int = 2000

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in COMPARED:
                raise GanvasError(f"There is no drag method '{name[:40]}' to compare; there are {', '.join(COMPARED)}.")
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise GanvasError("A benchmark compares one method or several, each once.")
        if self.drags < 1 or self.pairs < 1 or self.steps < 1:
            raise GanvasError(
                f"{self.drags} drags, {self.pairs} pairs, {self.steps} steps: a benchmark has at least one of each."
            )

    def length(self, number: int) -> float:
        """Return how far the drag of this number goes, in fractions of the width."""
        return self.lengths[number % len(self.lengths)]

    def low_texture(self, number: int) -> bool:
        """Whether the handle of this number lies on low texture: every third of each length."""
        return number // len(self.lengths) % 3 == 2


def of_size(drags: int) -> DragBenchmarkSettings:
    """Return the benchmark of so many drags a method, with pairs in proportion."""
    default = DragBenchmarkSettings()
    return replace(default, drags=drags, pairs=max(1, round(drags * default.pairs / default.drags)))


QUICK = of_size(12)
"""Some minutes at 128 pixels."""
