"""A session: one page's document, what is shown of it, and what is kept to answer quickly.

Everything here runs in the engine's thread, but for `receive` and the outbox. It holds no mathematics: what is shown is
what `ganvas.render` makes of the document's recipe.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ganvas.edits.confine import ConfinedImages
from ganvas.edits.preview import Previews
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import States, confined_images, evaluate, render
from ganvas.errors import GanvasError, RegionError
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import resize
from ganvas.latents.latent import Latent, sample
from ganvas.metrics.locality import rms_change
from ganvas.regions import Region
from ganvas.studio.areas import MOST_AREAS, name_of
from ganvas.studio.document import Area, Document
from ganvas.studio.engine import Engine, Job, Urgency
from ganvas.studio.models import Jacobians, Models, SearchSettings, default_layers
from ganvas.studio.rows import Row
from ganvas.studio.wire import Outbox, encoded, encoded_mask, frame

THUMBNAIL = 72
TRUNCATION = 0.7
FIRST_SEED = 4
Handler = Callable[["Session", Mapping[str, Any]], None]


@dataclass(frozen=True)
class Shared:
    """What all sessions of a process share."""

    engine: Engine
    models: Models
    jacobians: Jacobians
    folder: Path


@dataclass(eq=False)
class Session:
    """One page's document and its caches."""

    id: str
    shared: Shared
    handlers: Mapping[str, tuple[Handler, str | None]]
    model: str
    outbox: Outbox = field(default_factory=Outbox)
    document: Document = field(default_factory=Document)
    states: States = field(default_factory=States)
    previews: Previews = field(default_factory=Previews)
    search: SearchSettings = SearchSettings()
    row: Row | None = None
    heat: bool = False
    image: Tensor | None = None
    before: Tensor | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    thumbnails: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    tuned: tuple[Latent, Generator] | None = None
    asked_for: Hashable = None  # the Jacobian of a large image, which is not computed unasked
    searching: tuple[Hashable, Job] | None = None
    base_image: tuple[Latent, Tensor] | None = None
    clicking: Any = None  # `ganvas.studio.handlers.clicks.Clicking`
    comparison: Any = None  # `ganvas.studio.handlers.compare.Comparison`
    resumes: str = ""
    seen: float = field(default_factory=time.monotonic)

    def receive(self, message: Mapping[str, Any], trusted: bool = False) -> None:
        """Take a message of the page, or one of our own about a file that the page sent; from any thread."""
        self.seen = time.monotonic()
        name = message.get("do")
        if name not in self.handlers or (str(name).startswith("upload.") and not trusted):
            self.say_error(f"The studio knows no '{str(name)[:40]}'.")
            return
        handler, channel = self.handlers[name]
        self.submit(lambda job: self._handle(handler, message), channel=channel)

    def _handle(self, handler: Handler, message: Mapping[str, Any]) -> None:
        if self.document.current < 0:
            raise GanvasError("No image is open yet; wait a moment, or reload the page.")
        try:
            handler(self, message)
        except ValueError as reason:  # what a message holds that is no number, or not within its limits
            raise GanvasError(f"'{message['do']}': {reason}.") from reason

    def submit(
        self,
        work: Callable[[Job], None],
        label: str = "",
        urgency: Urgency = Urgency.AT_ONCE,
        channel: str | None = None,
    ) -> Job:
        """Put work into the engine's queue."""
        return self.shared.engine.submit(Job(self.id, label, work, urgency, channel))

    def say_error(self, text: str) -> None:
        """Show an error on the page, as the library says it."""
        self.outbox.say("error", f"error {time.monotonic()}", text=text)

    @property
    def generator(self) -> Generator:
        """The generator, loaded when it is needed."""
        return self.shared.models.load(self.model)

    def adopt(self, model: str, document: Document, thumbnails: Mapping[int, bytes]) -> None:
        """Go on with a document from disk."""
        self.model, self.document, self.states, self.row, self.tuned = model, document, States(), None, None
        self.search = SearchSettings(layers=default_layers(self.generator))
        self.thumbnails = OrderedDict(thumbnails)
        self.send_everything()

    def start(self, model: str) -> None:
        """Begin a document with the first image of a generator."""
        self.shared.models.load(model)  # fails here, where nothing is lost
        self.model = model
        self.document, self.states, self.row, self.tuned = Document(), States(), None, None
        self.thumbnails.clear()
        self.search = SearchSettings(layers=default_layers(self.generator))
        self.begin(Recipe(sample(self.generator, [FIRST_SEED], truncation=TRUNCATION)), f"Seed {FIRST_SEED}")

    def begin(self, recipe: Recipe, title: str) -> None:
        """Show a new base, which keeps the areas."""
        areas, chosen = ((), None) if self.document.current < 0 else (self.document.now.areas, self.document.now.chosen)
        if self.document.current < 0:
            self.document.start(title, recipe, areas, chosen)
        else:
            self.document.change(title, recipe=recipe)
        self.shown()

    @property
    def recipe(self) -> Recipe:
        """The recipe that is shown."""
        return self.document.now.recipe

    @property
    def is_large(self) -> bool:
        """Whether images are too large to follow a slider."""
        return self.generator.resolution > self.previews.side

    @property
    def painter(self) -> Generator:
        """The generator of the base's images: with the weights that were tuned for its photo."""
        base = self.recipe.base
        if not base.tuned:
            return self.generator
        if self.tuned is None or self.tuned[0].tuned is not base.tuned:
            self.tuned = base, base.generator_for(self.generator)
        return self.tuned[1]

    def commit(self, title: str, **changes: Any) -> None:
        """Make a new version of the document and show it."""
        self.document.change(title, **changes)
        self.shown()

    def shown(self) -> None:
        """Show the present version: image, thumbnail, mask, numbers, directions, and the state of everything."""
        self.paint(self.recipe)
        self.keep_thumbnail()
        self.send_mask()
        self.publish()
        self.prepare_directions()
        self.save_soon()

    def paint(self, recipe: Recipe, moving: bool = False) -> None:
        """Send the image of a recipe, its numbers, and the image without its operations where that changed."""
        small = self.previews.of(self.painter, recipe, self.states) if moving and self.is_large else None
        images = self._images(recipe) if small is None else small
        header = {"type": "image", "moving": moving, "version": self.document.current, "numbers": self.numbers}
        self.outbox.put("image", frame(header, encoded(images, moving)), moving)
        if not moving:
            self.image = images
            before = self.before_of(recipe)
            if before is not self.before:
                self.before = before
                self.outbox.put("before", frame({"type": "before"}, encoded(before)))
        if self.heat and not moving:
            self.send_heat(images)

    def show_moving(self, image: Tensor) -> None:
        """Send an image of something that is under way."""
        header = {"type": "image", "moving": True, "version": self.document.current, "numbers": {}}
        self.outbox.put("image", frame(header, encoded(image, moving=True)), moving=True)

    def add_area(self, name: object, region: Region) -> Area:
        """Add a region to the document, and choose it."""
        areas = self.document.now.areas
        if len(areas) >= MOST_AREAS:
            raise RegionError(f"There are {MOST_AREAS} regions already; delete one first.")
        number = max((one.number for one in areas), default=-1) + 1
        area = Area(number, name_of(name, areas, number), region)
        self.mask_of(region)  # fails here where the region does not fit the images
        self.commit(f"Region {area.name}", areas=(*areas, area), chosen=number)
        return area

    def _images(self, recipe: Recipe) -> Tensor:
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

    def before_of(self, recipe: Recipe) -> Tensor:
        """Return the image of a recipe's base; synthesized once."""
        if self.base_image is None or self.base_image[0] is not recipe.base:
            self.base_image = recipe.base, render(self.painter, replace(recipe, operations=()))
        return self.base_image[1]

    def mask_of(self, region: Any) -> Tensor:
        """Return a region's mask at the images' size."""
        return region.mask(self.generator.resolution, self.generator.resolution)

    def send_mask(self) -> None:
        """Send the mask of the chosen area, or that there is none."""
        area = self.document.now.area
        payload = b"" if area is None else encoded_mask(self.mask_of(area.region))
        self.outbox.put("mask", frame({"type": "mask", "area": area and area.number}, payload))

    def send_heat(self, images: Tensor | None = None) -> None:
        """Send how much each pixel changed, a gray image whose white is a change of half the range."""
        images = self.image if images is None else images
        if images is not None:
            change = (images - self.before_of(self.recipe)).abs().amax(dim=1)
            self.outbox.put("heat", frame({"type": "heat"}, encoded_mask(change)))

    def keep_thumbnail(self) -> None:
        """Keep and send a small image of the present version."""
        number = self.document.current
        if number not in self.thumbnails and self.image is not None:
            self.thumbnails[number] = encoded(resize(self.image, THUMBNAIL, THUMBNAIL), moving=True)
            self.send_thumbnail(number)

    def send_thumbnail(self, number: int) -> None:
        """Send the small image of a version."""
        self.outbox.put(f"thumb {number}", frame({"type": "thumb", "version": number}, self.thumbnails[number]))

    def send_everything(self) -> None:
        """Show everything again, to a page that comes back."""
        self.before = None
        for number in self.thumbnails:
            self.send_thumbnail(number)
        self.paint(self.recipe)
        self.send_mask()
        self.publish()
        if self.row is not None:
            self.row.send(self)
        else:
            self.prepare_directions()

    def publish(self) -> None:
        """Send the state of everything but images."""
        from ganvas.studio.state import state_of

        self.outbox.say("state", **state_of(self))

    def prepare_directions(self) -> None:
        """Show the directions of the chosen area, computing the Jacobian in the background where there is none yet."""
        latent = self.recipe.base
        key = self.search.key(self.painter, latent)
        search = self.shared.jacobians.find(key)
        if search is None:
            self.row = None
            self.outbox.say("row", row=None)
            if not self.is_large or self.asked_for == key:
                self._compute_jacobian(key, self.painter, latent)
        elif self.document.now.area is not None:
            Row.show(self, search)
        else:
            self.row = None
            self.outbox.say("row", row=None)

    def _compute_jacobian(self, key: Hashable, painter: Generator, latent: Latent) -> None:
        if self.searching is not None and self.searching[0] == key and not self.searching[1].canceled.is_set():
            return
        settings = self.search

        def work(job: Job) -> None:
            self.shared.jacobians.keep(key, settings.jacobian(painter, latent, job.progress))
            self.searching = None
            self.submit(lambda _: self._directions_ready(), channel="row")

        self.searching = key, self.submit(work, "Preparing directions", Urgency.BACKGROUND, "jacobian")

    def _directions_ready(self) -> None:
        self.prepare_directions()
        self.publish()

    def save_soon(self) -> None:
        """Keep the document on disk, when nothing else is to be done."""
        from ganvas.studio.store import save_session

        self.submit(lambda job: save_session(self), "", Urgency.ASKED, "save")


def _numbers(confined: ConfinedImages) -> dict[str, float]:
    inside, outside, seam = confined.inside_change, confined.outside_change, confined.seam
    return {"inside": float(inside), "outside": float(outside), "seam": float(seam)}
