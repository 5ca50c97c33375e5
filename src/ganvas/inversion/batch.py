"""Many photos inverted, some at a time, and then each tuned for: what is done stays there when somebody breaks off, and
whoever wants to keep it is told after every part.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.inversion.invert import Inversion, InversionSettings, Run, finish, prepare
from ganvas.inversion.optimize import Step
from ganvas.inversion.report_card import Card
from ganvas.inversion.starts import Encode
from ganvas.inversion.terms import FeatureMaps, bundled_features
from ganvas.inversion.tuning import Tuning
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent

PIXELS_AT_ONCE = 2**18
MOST_MOVING = 6  # photos in the video


@dataclass
class Part:
    """Photos that are inverted side by side: the last step, and the losses of every step."""

    run: Run
    last: Step | None = None
    losses: list[Float[Tensor, "n"]] = field(default_factory=list)
    seconds: float = 0.0
    _found: tuple[Step, Inversion] | None = None

    def inversion(self) -> Inversion:
        """Return what the photos came to at the last step; painted and measured once."""
        assert self.last is not None, "take a step first"
        if self._found is None or self._found[0] is not self.last:
            self._found = self.last, finish(self.run, self.last, self.seconds)
        return self._found[1]


@dataclass
class Work:
    """The inversion of photos [n, 3, h, w] by one generator with one `InversionSettings`; `through` does it.

    ``kept`` are the numbers of the steps at which the first photos' images are kept for a video, in ``moments``; with
    ``tuning`` the weights are tuned for each photo alone afterwards. ``sources`` are the files of the photos. ``saved``
    is called with the work after each part and after each photo that was tuned for, so that it can be kept.
    """

    generator: Generator
    photos: Float[Tensor, "n 3 h w"]
    names: Sequence[str]
    settings: InversionSettings
    mask: Float[Tensor, "1 h w"] | None = None
    look: FeatureMaps | None = None
    kept: set[int] = field(default_factory=set)
    tuning: Tuning | None = None
    parts: list[Part] = field(default_factory=list)
    tuned: dict[int, Inversion] = field(default_factory=dict)
    moments: list[Float[Tensor, "n 3 h w"]] = field(default_factory=list)
    sources: Sequence[str] = ()
    saved: Callable[["Work"], object] = lambda work: None

    def through(self, progress: Progress = lambda what, done, total: None) -> bool:
        """Do the work; returns whether it was done, False after Ctrl-C, with what there is kept."""
        try:
            self._invert(progress)
            if self.tuning is not None:
                self._tune(self.tuning, progress)
        except KeyboardInterrupt:
            if not self.finished:
                raise
            return False
        return True

    @property
    def finished(self) -> list[Part]:
        """The parts that took at least one step."""
        return [part for part in self.parts if part.last is not None]

    def inversions(self) -> list[Inversion]:
        """Return what became of the photos, part by part, before tuning."""
        return [part.inversion() for part in self.finished]

    def latent(self) -> Latent:
        """Return the codes of all photos that were inverted, and of one photo its tuned weights."""
        if len(self.tuned) == 1 and len(self.photos) == 1:
            return self.tuned[0].latent
        return joined([one.latent for one in self.inversions()])

    def curves(self) -> dict[str, list[float]]:
        """Return the loss of every photo at every step."""
        return {
            name: torch.stack(part.losses)[:, row].tolist()
            for part in self.finished
            for row, name in enumerate(part.run.names)
        }

    def video(self) -> list[Float[Tensor, "n 3 h w"]]:
        """Return the images of the first photos at the moments that were kept, the end last."""
        first = self.finished[0].last
        assert first is not None
        # L-BFGS may end before the step that was to be kept.
        return self.moments if first.number in self.kept else [*self.moments, first.images[:MOST_MOVING].cpu()]

    def cards(self) -> list[tuple[str, Card]]:
        """Return the numbers of every photo, and again after tuning."""
        before = [("inverted", card) for one in self.inversions() for card in one.cards]
        return before + [("tuned", card) for one in self.tuned.values() for card in one.cards]

    def _invert(self, progress: Progress) -> None:
        at_once = max(1, PIXELS_AT_ONCE // self.generator.resolution**2)
        for rows in torch.arange(len(self.photos)).split(at_once):
            chosen = rows.tolist()
            begun = time.perf_counter()
            part = Part(self._prepared(chosen))
            self.parts.append(part)
            what = "Inverting" if at_once >= len(self.photos) else f"Inverting photos {chosen[0]}-{chosen[-1]}"
            for step in part.run.steps():
                part.last, part.seconds = step, time.perf_counter() - begun
                part.losses.append(step.losses.cpu())
                if step.number in self.kept and part is self.parts[0]:
                    self.moments.append(step.images[:MOST_MOVING].cpu())
                progress(what, step.number, self.settings.steps)
            self.saved(self)

    def _prepared(self, rows: list[int]) -> Run:
        self.look = self.look or bundled_features(self.generator.device)
        return prepare(
            self.generator,
            self.photos[rows],
            replace(self.settings, start=some_of(self.settings.start, rows)),
            mask=self.mask,
            look=self.look,
            names=[self.names[row] for row in rows],
            sources=[self.sources[row] for row in rows] if self.sources else (),
        )

    def _tune(self, settings: Tuning, progress: Progress) -> None:
        row = 0
        for part in self.finished:
            assert part.last is not None
            for place in range(len(part.run.names)):
                begun, last = time.perf_counter(), None
                run, step = part.run.alone(place, part.last)
                try:
                    for last in run.tuning(step, settings):
                        progress(f"Tuning for photo {row + 1} of {len(self.photos)}", last.number, settings.steps)
                finally:
                    if last is not None and last.number:
                        seconds = part.seconds + time.perf_counter() - begun
                        self.tuned[row] = finish(run, step, seconds, last)
                        self.saved(self)
                row += 1


def some_of(start: str | Latent | Encode, rows: Sequence[int]) -> str | Latent | Encode:
    """Return the start of some of the photos: of a latent with several codes theirs, else the same for all."""
    return start.rows(rows) if isinstance(start, Latent) and len(start) > 1 else start


def joined(latents: Sequence[Latent]) -> Latent:
    """Return the rows of latents that were made alike as one."""
    first = latents[0]
    noise: Mapping[str, Tensor] = {name: torch.cat([one.noise[name] for one in latents]) for name in first.noise}
    if any(one.tuned for one in latents):
        raise GanvasError("Latents with tuned weights cannot be joined: each has a generator of its own.")
    return replace(
        first,
        codes=torch.cat([one.codes for one in latents]),
        names=tuple(name for one in latents for name in one.names),
        source=", ".join(one.source for one in latents),
        noise=noise,
    )
