"""A session: one page's document, what is shown of it, and what is kept to answer quickly.

Everything here runs in the engine's thread, but for `receive` and the outbox. It holds no mathematics: what is shown is
what `ganvas.render` makes of the document's recipe.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from ganvas.directions.cached import CachedSearch
from ganvas.directions.direction import Directions
from ganvas.edits.preview import Previews
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import evaluate
from ganvas.errors import GanvasError, RegionError
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import resize
from ganvas.latents.latent import Latent, sample
from ganvas.regions import Region
from ganvas.studio.areas import MOST_AREAS, name_of
from ganvas.studio.document import Area, Document
from ganvas.studio.engine import Job, JobCanceledError, Urgency
from ganvas.studio.models import SearchSettings, default_layers
from ganvas.studio.painting import PREVIEW, Painting, straight
from ganvas.studio.wire import Outbox, encoded, encoded_mask

THUMBNAIL = 72
TRUNCATION = 0.7
FIRST_SEED = 4
Handler = Callable[["Session", Mapping[str, Any]], None]


@runtime_checkable
class ShownRow(Protocol):
    """The directions of an area that the page shows: `ganvas.studio.rows.Row`."""

    area: Area
    base: Latent
    directions: Directions

    def send(self, session: "Session") -> None:
        """Send them again."""
        ...


@dataclass(frozen=True)
class Services:
    """What is done for sessions by the modules above this one.

    Attributes:
        handlers: What a page may ask for, each with the channel in which a newer message replaces an older one.
        state_of: Returns the state of everything but images, as JSON.
        show_row: Finds and shows the directions of the chosen area.
        save: Keeps the document on disk.
        set_aside: Keeps what is on disk under another name, before another document begins.
    """

    handlers: Mapping[str, tuple[Handler, str | None]]
    state_of: Callable[["Session"], dict[str, Any]]
    show_row: Callable[["Session", CachedSearch], None]
    save: Callable[["Session"], None]
    set_aside: Callable[["Session"], None]


@dataclass(frozen=True, eq=False)
class Rested:
    """The image that is shown at rest, with what it was made of: a change of the regions alone paints nothing."""

    recipe: Recipe
    area: Area | None
    images: Tensor
    data: bytes
    numbers: dict[str, float]


@dataclass(eq=False, kw_only=True)
class Session(Painting):
    """One page's document and its caches."""

    id: str
    services: Services
    outbox: Outbox = field(default_factory=Outbox)
    search: SearchSettings = SearchSettings()
    row: ShownRow | None = None
    heat: bool = False
    image: Tensor | None = None
    rested: Rested | None = None
    measured: tuple[Recipe, str, float] | None = None  # of an image: how like its base it is, and the measure's name
    before: Tensor | None = None
    thumbnails: dict[int, bytes] = field(default_factory=dict)
    asked_for: Hashable = None  # the Jacobian of a large image, which is not computed unasked
    searching: tuple[Hashable, Job] | None = None
    clicking: Any = None  # `ganvas.studio.handlers.clicks.Clicking`
    tried: list[Latent] = field(default_factory=list)  # photos on which edits were tried
    dragging: Any = None  # `ganvas.studio.handlers.drags.Dragging`
    sketched: Any = None  # `ganvas.inversion.sketch.search.SketchResult`
    comparison: Any = None  # `ganvas.studio.handlers.compare.Comparison`
    resumes: str = ""
    seen: float = field(default_factory=time.monotonic)

    @property
    def is_paused(self) -> bool:
        """Whether a drag of the present version waits to go on."""
        return self.dragging is not None and self.dragging.paused and self.dragging.version == self.document.current

    def receive(self, message: Mapping[str, Any], trusted: bool = False) -> None:
        """Take a message of the page, or one of our own about a file that the page sent; from any thread."""
        self.seen = time.monotonic()
        name = message.get("do")
        if name not in self.services.handlers or (str(name).startswith("upload.") and not trusted):
            self.say_error(f"The studio knows no '{str(name)[:40]}'.")
            return
        handler, channel = self.services.handlers[name]
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
        work: Callable[[Job], object],
        label: str = "",
        urgency: Urgency = Urgency.AT_ONCE,
        channel: str | None = None,
        after: float = 0.0,
    ) -> Job:
        """Put work into the engine's queue, to begin after some seconds at the earliest."""
        return self.shared.engine.submit(Job(self.id, label, work, urgency, channel, time.monotonic() + after))

    def say_error(self, text: str) -> None:
        """Show an error on the page, as the library says it."""
        self.outbox.say("error", f"error {time.monotonic()}", text=text)

    def adopt(self, model: str, document: Document, thumbnails: Mapping[int, bytes]) -> None:
        """Go on with a document from disk."""
        self._take(model, document)
        self.thumbnails = dict(thumbnails)
        self.send_everything()

    def start(self, model: str) -> None:
        """Begin a document with the first image of a generator."""
        self.shared.models.load(model)  # fails here, where nothing is lost
        self.services.set_aside(self)
        self._take(model, Document())
        self.begin(Recipe(sample(self.generator, [FIRST_SEED], truncation=TRUNCATION)), f"Seed {FIRST_SEED}")

    def _take(self, model: str, document: Document) -> None:
        self.model, self.document, self.thumbnails, self.row, self.tuned = model, document, {}, None, None
        self.sketched, self.tried, self.previews = None, [], Previews(PREVIEW)
        self.states = self.fresh_states()
        self.search = SearchSettings(layers=default_layers(self.generator))

    def begin(self, recipe: Recipe, title: str) -> None:
        """Show a new base, which keeps the areas."""
        if self.document.current < 0:
            self.document.start(title, recipe)
        else:
            self.document.change(title, recipe=recipe)
        self.shown()

    def commit(self, title: str, **changes: Any) -> None:
        """Make a new version of the document and show it; a recipe that cannot be rendered is not kept."""
        self.document.change(title, **changes)
        with self.document.withdrawn_if_refused():
            self.paint(self.recipe)
        self._tell()

    def shown(self) -> None:
        """Show the present version: image, thumbnail, mask, numbers, directions, and the state of everything."""
        self.paint(self.recipe)
        self._tell()

    def _tell(self) -> None:
        self.keep_thumbnail()
        self.send_mask()
        self.publish()
        self.prepare_directions()
        self.save_soon()

    def paint(self, recipe: Recipe) -> None:
        """Send the image of a recipe, its numbers, and the image without its operations where that changed; of one with
        a strong edit that is still to be computed the straight one meanwhile.
        """
        if self.is_slow(recipe):
            self.show_moving(self.image_of(straight(recipe)))
            version = self.document.current
            self.submit(lambda job: self._strengthen(recipe, version, job), "Strong edit", Urgency.ASKED, "task")
            return
        area, known = self.document.now.area, self.rested
        is_free = any(one.inside is None for one in recipe.active)  # the numbers are then those of the area
        if known is None or known.recipe is not recipe or (known.area is not area and is_free):
            images = self.image_of(recipe)
            known = self.rested = Rested(recipe, area, images, encoded(images), self.numbers)
        self.image, self.numbers = known.images, known.numbers
        self._send_image(known.data, self.numbers)
        before = self.before_of(recipe)
        if before is not self.before:
            self.before = before
            self.outbox.show("before", encoded(before))
        if self.heat:
            self.send_heat(known.images)
        if recipe.active and not self.is_large:  # eight images are looked at for faces first
            self.submit(lambda job: self._measure(recipe, known.images), "", Urgency.ASKED, "likeness")

    def _measure(self, recipe: Recipe, images: Tensor) -> None:
        """Say how like the base's image an edited one is."""
        if self.measured is None or self.measured[0] is not recipe:
            measure = self.shared.models.likeness(self.model)
            self.measured = recipe, measure.name, measure.measure(images, self.before_of(recipe))
        if self.recipe is recipe:
            self.outbox.say("likeness", name=self.measured[1], value=self.measured[2])

    def _strengthen(self, recipe: Recipe, version: int, job: Job) -> None:
        """Find the ways of strong edits and show the version; one that was stopped is undone."""

        def progress(what: str, done: int, total: int) -> None:
            job.progress(what, done, total)
            if self.document.current != version:
                raise JobCanceledError

        try:
            with self.reporting(progress):
                evaluate(self.painter, recipe, self.states)
        except (JobCanceledError, GanvasError):
            if self.document.current == version:
                self.document.undo()
                self.shown()
            raise
        if self.document.current == version:
            self.shown()

    def undo_strong(self) -> None:
        """Undo a strong edit that is not computed yet, whether its job runs or waits."""
        if self.is_slow(self.recipe):
            self.document.undo()
            self.shown()

    def paint_moving(self, recipe: Recipe) -> None:
        """Send the image of a recipe that is changing, a smaller one of large images, and straight where it is slow."""
        recipe = straight(recipe) if self.is_slow(recipe) else recipe
        small = self.preview_of(recipe) if self.is_large else None
        image = self.image_of(recipe) if small is None else small
        self._send_image(encoded(image, moving=True), self.numbers, moving=True)

    def show_moving(self, image: Tensor) -> None:
        """Send an image of something that is under way."""
        self._send_image(encoded(image, moving=True), {}, moving=True)

    def _send_image(self, data: bytes, numbers: dict[str, float], moving: bool = False) -> None:
        self.outbox.show("image", data, moving=moving, version=self.document.current, numbers=numbers)

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

    def send_mask(self) -> None:
        """Send the mask of the chosen area, or that there is none."""
        area = self.document.now.area
        payload = b"" if area is None else encoded_mask(self.mask_of(area.region))
        self.outbox.show("mask", payload, area=area and area.number)

    def send_heat(self, images: Tensor | None = None) -> None:
        """Send how much each pixel changed, a gray image whose white is a change of half the range."""
        images = self.image if images is None else images
        if images is not None:
            change = (images - self.before_of(self.recipe)).abs().amax(dim=1)
            self.outbox.show("heat", encoded_mask(change))

    def keep_thumbnail(self) -> None:
        """Keep and send a small image of the present version."""
        number = self.document.current
        new = number not in self.thumbnails and self.document.is_edit(self.document.now)
        if new and self.image is not None and self.rested is not None and self.rested.recipe is self.recipe:
            self.thumbnails[number] = encoded(resize(self.image, THUMBNAIL, THUMBNAIL), moving=True)
            self.send_thumbnail(number)

    def send_thumbnail(self, number: int) -> None:
        """Send the small image of a version."""
        self.outbox.show("thumb", self.thumbnails[number], f"thumb {number}", version=number)

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
        self.outbox.say("state", **self.services.state_of(self))

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
            self.services.show_row(self, search)
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
        if not self.is_large:
            self.submit(lambda _: self.shared.models.likeness(self.model), "", Urgency.BACKGROUND, "measure")

    def _directions_ready(self) -> None:
        self.prepare_directions()
        self.publish()

    def save_soon(self) -> None:
        """Keep the document on disk, when nothing else is to be done."""
        self.submit(lambda job: self.services.save(self), "", Urgency.ASKED, "save")
