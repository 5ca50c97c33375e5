"""What a training run says in its first seconds and at every sheet: what it trains on, how fast, how long, and when
there is something to see.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ganvas.io.progress import in_words
from ganvas.training.adapt.photo_similarity import SIMILARITY
from ganvas.training.events import ALARM, BEGUN, SHEET, STEP, TrainingEvent
from ganvas.training.expectations import Expectation
from ganvas.training.gan.task import RunSchedule

SETTLED = 4.0  # seconds of steps after which the speed is known
QUIET = 20.0  # seconds between two lines about sheets
FEW_IMAGES = 20_000
OFFER = (
    "Training from scratch on few images or without a GPU is slow: --start faces or --start cats begins with a trained "
    "generator."
)


@dataclass
class TrainingLines:
    """Says in lines what a run does, by its events.

    ``expected`` is what similar runs needed. A start from trained networks is offered for fewer than ``offer_below``
    images.
    """

    folder: Path
    schedule: RunSchedule
    say: Callable[[str], None]
    expected: Expectation | None = None
    offer_below: int = 0
    clock: Callable[[], float] = time.monotonic
    _begun: float = 0.0
    _stepped: tuple[float, int] | None = field(default=None, repr=False)
    _speed: float = 0.0
    _said: float = float("-inf")

    def add(self, event: TrainingEvent) -> None:
        """Say what is new."""
        if event.kind == BEGUN:
            self._begin(event)
        elif event.kind == STEP and not self._speed:
            self._measure(event.images)
        elif event.kind == SHEET:
            self._show_sheet(event)
        elif event.kind == ALARM:
            self.say(f"alarm after {event.images:,} images: {event.text}")

    def _begin(self, event: TrainingEvent) -> None:
        self._begun, data = self.clock(), event.data
        assert data is not None
        source = f"{data.count:,} image{'' if data.count == 1 else 's'} at {data.resolution} pixels"
        done = f"going on after {event.images:,} of" if event.images else "until"
        self.say(f"training on {source}, {done} {self.schedule.images:,} are shown; Ctrl-C saves and ends")
        if not event.images and data.count < self.offer_below:
            self.say(OFFER)

    def _measure(self, images: int) -> None:
        """Measure the speed after the first step, which is slower than the others, and say what follows from it."""
        now = self.clock()
        if self._stepped is None:
            self._stepped = now, images
        elif now - self._stepped[0] >= SETTLED:
            self._speed = (images - self._stepped[1]) / (now - self._stepped[0])
            self.say(self._forecast(images))
            if self.expected and images < self.expected.images:
                self.say(self._expectation(self.expected, images))

    def _forecast(self, images: int) -> str:
        schedule = self.schedule
        text = f"{self._speed:.1f} images a second: {in_words((schedule.images - images) / self._speed)} to go"
        waits = [schedule.sheet_seconds - (self.clock() - self._begun)] if schedule.sheet_seconds else []
        if not schedule.sheet_every:
            return text
        waits.append((schedule.sheet_every - images % schedule.sheet_every) / self._speed)
        return f"{text}; the next sheet of samples in {in_words(max(1.0, min(waits)))}: {self.folder / 'sheet-*.png'}"

    def _expectation(self, expected: Expectation, images: int) -> str:
        text = f"in our runs {expected.what} could be recognized after {expected.images:,} images"
        if expected.images > self.schedule.images:
            return f"{text}, more than this run shows (--images)"
        return f"{text}: here in about {in_words((expected.images - images) / self._speed)}"

    def _show_sheet(self, event: TrainingEvent) -> None:
        now = self.clock()
        if now - self._said < QUIET:
            return
        self._said = now
        text = f"after {event.images:,} images, {in_words(now - self._begun)}: {event.paths[0]}"
        if SIMILARITY in event.metrics:
            text += f"; {event.metrics[SIMILARITY]:.0%} of the way to the photos"
        self.say(text)
