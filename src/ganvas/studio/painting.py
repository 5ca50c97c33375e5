"""What a document looks like: the images of its recipes, with what is kept to paint the next ones quickly.

Holds no mathematics: what is painted is what `ganvas.render` makes.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from ganvas.edits.confine import ConfinedImages
from ganvas.edits.operations import Move
from ganvas.edits.passes import Passes
from ganvas.edits.preview import Previews
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import States, confined_images, evaluate, render
from ganvas.generators.protocol import Generator
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent
from ganvas.metrics.locality import rms_change
from ganvas.regions import Region
from ganvas.studio.document import Document
from ganvas.studio.engine import Engine
from ganvas.studio.models import Jacobians, Models

PREVIEW, LEAST_PREVIEW = 256, 64  # pixels of the previews of larger images
LONGEST_PREVIEW = 0.5  # seconds; previews are made smaller where they take longer


class Slow(Exception):  # noqa: N818 - no error: it ends an evaluation that would take seconds
    """The way of a strong edit is not known yet."""


@dataclass(frozen=True)
class Shared:
    """What all sessions of a process share."""

    engine: Engine
    models: Models
    jacobians: Jacobians
    folder: Path


@dataclass(eq=False, kw_only=True)
class Painting:
    """A document with its generator. `numbers` say how much the image that was painted last changed, and where."""

    shared: Shared
    model: str
    document: Document = field(default_factory=Document)
    states: States = field(default_factory=States)
    previews: Previews = field(default_factory=lambda: Previews(PREVIEW))
    numbers: dict[str, float] = field(default_factory=dict)
    tuned: tuple[Latent, Generator] | None = None
    base_image: tuple[Latent, Tensor] | None = None

    @property
    def generator(self) -> Generator:
        """The generator, loaded when it is needed."""
        return self.shared.models.load(self.model)

    @property
    def recipe(self) -> Recipe:
        """The recipe that is shown."""
        return self.document.now.recipe

    @property
    def is_large(self) -> bool:
        """Whether images are too large to follow a slider."""
        return self.generator.resolution > PREVIEW

    @property
    def painter(self) -> Generator:
        """The generator of the base's images: with the weights that were tuned for its photo."""
        base = self.recipe.base
        if not base.tuned:
            return self.generator
        if self.tuned is None or self.tuned[0].tuned is not base.tuned:
            self.tuned = base, base.generator_for(self.generator)
        return self.tuned[1]

    def fresh_states(self) -> States:
        """Return an empty store of states; the maps of large images take hundreds of megabytes."""
        return States(passes=Passes(most=1 if self.is_large else 3))

    def image_of(self, recipe: Recipe) -> Tensor:
        """Return the image of a recipe, the same bits as `ganvas.render`; notes how much changed, and where."""
        self.numbers = {}
        state = evaluate(self.painter, recipe, self.states)
        if state.confined:
            confined = confined_images(self.painter, recipe, self.states)
            self.numbers = _numbers(confined)
            return confined.images.cpu()
        images = render(self.painter, recipe, states=self.states)
        area = self.document.now.area
        if area is not None and recipe.active:
            mask, before = self.mask_of(area.region), self.before_of(recipe)
            inside, outside = (float(rms_change(images, before, part)) for part in (mask, 1 - mask))
            self.numbers = {"inside": inside, "outside": outside}
        return images

    @contextmanager
    def reporting(self, progress: Progress) -> Iterator[None]:
        """Report to `progress` while the ways of strong edits are found."""
        before, self.states.progress = self.states.progress, progress
        try:
            yield
        finally:
            self.states.progress = before

    def is_slow(self, recipe: Recipe) -> bool:
        """Whether a recipe has a strong edit whose way takes seconds to find."""

        def refuse(what: str, done: int, total: int) -> None:
            raise Slow

        try:
            with self.reporting(refuse):
                evaluate(self.painter, recipe, self.states)
        except Slow:
            return True
        return False

    def preview_of(self, recipe: Recipe) -> Tensor | None:
        """Return a small image of a recipe, None where the generator has none; half the size from then on where a pass
        took too long on this machine.
        """
        self.previews.of(self.painter, replace(recipe, operations=()), self.states)
        begun = time.monotonic()
        small = self.previews.of(self.painter, recipe, self.states)
        if time.monotonic() - begun > LONGEST_PREVIEW and self.previews.side > LEAST_PREVIEW:
            self.previews = Previews(self.previews.side // 2)
        return small

    def before_of(self, recipe: Recipe) -> Tensor:
        """Return the image of a recipe's base; synthesized once."""
        if self.base_image is None or self.base_image[0] is not recipe.base:
            self.base_image = recipe.base, render(self.painter, replace(recipe, operations=()))
        return self.base_image[1]

    def mask_of(self, region: Region) -> Tensor:
        """Return a region's mask at the images' size."""
        return region.mask(self.generator.resolution, self.generator.resolution)


def straight(recipe: Recipe) -> Recipe:
    """Return a recipe whose directions are all gone straight."""
    operations = [
        replace(one, change=replace(one.change, method=None)) if isinstance(one.change, Move) else one
        for one in recipe.operations
    ]
    return replace(recipe, operations=tuple(operations))


def _numbers(confined: ConfinedImages) -> dict[str, float]:
    inside, outside, seam = confined.inside_change, confined.outside_change, confined.seam
    return {"inside": float(inside), "outside": float(outside), "seam": float(seam)}
