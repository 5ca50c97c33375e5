"""The directions of an area as the page shows them: a strip of small images each, first linear, then exact."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.cached import CachedSearch
from ganvas.directions.direction import Direction, Directions
from ganvas.edits.render import render
from ganvas.images.pixels import resize
from ganvas.latents.latent import Latent
from ganvas.studio.document import Area
from ganvas.studio.engine import Job, Urgency
from ganvas.studio.session import Session
from ganvas.studio.wire import encoded

COUNT = 6
SIDE = 96
MARGIN = 0.3  # of the region's larger side, shown around it
STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)  # of the strength that is shown
SHOWN_STDS, SHOWN_DISTANCE = 4.0, 4.0
MOST_STDS = 8.0
EXACT_AFTER = 0.3  # seconds without another row


@dataclass(eq=False)
class Row:
    """The directions of one area at one base, and their strips [count, steps, 3, side, side]."""

    area: Area
    base: Latent
    directions: Directions
    strips: list[Float[Tensor, "steps 3 s s"]]
    exact: list[bool]
    source: str = ""  # what the directions were loaded from or found by, where not by the search of the page

    @classmethod
    def show(cls, session: Session, search: CachedSearch) -> None:
        """Find the directions of the chosen area, show what they would do, and prepare what they do."""
        area, base = session.document.now.area, session.recipe.base
        assert area is not None
        if session.row is None or session.row.area.region is not area.region or session.row.base is not base:
            search = replace(search, search=replace(search.search, method=session.search.method()))
            found = named(search.find(area.region, COUNT), area.name)
            strips = linear_strips(search, found, crop_around(session.mask_of(area.region)))
            session.row = cls(area, base, found, strips, [False] * len(found))
        assert isinstance(session.row, Row)
        session.row.begin(session)

    @classmethod
    def show_found(cls, session: Session, area: Area, found: Directions, source: str) -> None:
        """Show directions from elsewhere for an area, at first as the image is without them."""
        found = found.rows(range(min(COUNT, len(found))))
        image = session.before_of(session.recipe).expand(len(STEPS), -1, -1, -1)
        strips = [crop_around(session.mask_of(area.region))(image)] * len(found)
        session.row = row = cls(area, session.recipe.base, found, strips, [False] * len(found), source)
        row.begin(session)

    def begin(self, session: Session) -> None:
        """Show the row, and make the strips exact when nothing else is to be done: not at once, for a region that is
        moved about is followed by the next one, which would wait for an image.
        """
        self.send(session)
        session.submit(lambda job: self._make_exact(session, job), "", Urgency.BACKGROUND, "exact", EXACT_AFTER)

    def send(self, session: Session) -> None:
        """Send all strips as one image, and the numbers of the directions."""
        session.outbox.say("row", row=self.described())
        sheet = torch.cat([torch.cat(list(strip), dim=-1) for strip in self.strips], dim=-2)
        session.outbox.show("strips", encoded(sheet[None], moving=True), area=self.area.number, side=SIDE)

    def described(self) -> dict[str, object]:
        """Return what the page shows of the directions beside images."""
        listed = [
            {"index": index, "ratio": one.predicted_ratio, "std": one.std, "shown": shown_strength(one)}
            for index, one in enumerate(self.directions)
        ]
        return {"area": self.area.number, "name": self.area.name, "source": self.source, "directions": listed}

    def _make_exact(self, session: Session, job: Job) -> None:
        """Replace the linear strips by what `ganvas.render` makes, one direction after the other; not while a strong
        edit is still to be computed, after which the row begins anew.
        """
        cut = crop_around(session.mask_of(self.area.region))
        for index, direction in enumerate(self.directions):
            if self.exact[index]:
                continue
            images = []
            for step in STEPS:
                job.check()
                if session.row is not self or session.is_slow(session.recipe):
                    return
                strength = strength_of(direction, step * shown_strength(direction))
                recipe = session.recipe.move(direction, strength, inside=self.area.region) if step else session.recipe
                images.append(render(session.painter, recipe, states=session.states))
            self.strips[index], self.exact[index] = cut(torch.cat(images)), True
            self.send(session)


def linear_strips(
    search: CachedSearch, found: Directions, cut: Callable[[Tensor], Tensor]
) -> list[Float[Tensor, "steps 3 s s"]]:
    """Return ``x + alpha J n`` around a region; each J n is computed, enlarged and cut once for all its steps."""
    image, side = search.images[:1], search.search.generator.resolution
    changes = cut(resize(search.linear_images(found, [1.0])[:, 0] - image, side, side))
    steps = torch.tensor(STEPS, device=changes.device).reshape(-1, 1, 1, 1)
    lengths = [shown_length(direction) for direction in found]
    image = cut(resize(image, side, side))
    return [image + length * steps * change for length, change in zip(lengths, changes, strict=True)]


def shown_strength(direction: Direction) -> float:
    """Return the strength that strips show: standard deviations where they are known, else a distance."""
    return SHOWN_STDS if counts_in_stds(direction) else SHOWN_DISTANCE


def shown_length(direction: Direction) -> float:
    """Return the same as a Euclidean distance."""
    return direction.length(strength_of(direction, shown_strength(direction)))


def counts_in_stds(direction: Direction) -> bool:
    """Whether strengths of a direction count in standard deviations."""
    return math.isfinite(direction.std) and direction.std > 0


def strength_of(direction: Direction, amount: float) -> str | float:
    """Return a strength as recipes hold it."""
    return f"{amount:g}s" if counts_in_stds(direction) else amount


def crop_around(mask: Float[Tensor, "1 h w"]) -> Callable[[Tensor], Tensor]:
    """Return the function that cuts a square around a region out of images, at the size of a strip."""
    rows, columns = (mask[0] >= mask.max() / 2).nonzero().unbind(1)
    top, bottom, left, right = int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1
    height, width = mask.shape[-2:]
    side = min(height, width, round(max(bottom - top, right - left) * (1 + 2 * MARGIN)) + 2)
    first = max(0, min((top + bottom - side) // 2, height - side))
    start = max(0, min((left + right - side) // 2, width - side))
    return lambda images: resize(images[..., first : first + side, start : start + side], SIDE, SIDE)


def named(found: Directions, name: str) -> Directions:
    """Return directions that say the name of their region."""
    return replace(found, origin=replace(found.origin, region_name=name))
