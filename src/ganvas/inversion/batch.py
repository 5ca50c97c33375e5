"""Many photos inverted, a batch at a time, and then tuned for one by one. An interrupt keeps finished batches, and a
callback saves them as they are finished.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator
from ganvas.images.pixels import to_bytes
from ganvas.inversion.features import FeatureExtractor, bundled_features
from ganvas.inversion.metrics import InversionMetrics
from ganvas.inversion.optimizers import OptimizerStep
from ganvas.inversion.prepare import Inversion, PreparedInversion, finish_inversion, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.starts import ImageEncoder
from ganvas.inversion.tuning import INVERTING, TUNING, TuningSettings, with_tuning
from ganvas.io.progress import Progress, part_of, silent
from ganvas.latents.latent import Latent
from ganvas.latents.photo_origin import PhotoOrigin

PIXELS_PER_BATCH = 2**18
VIDEO_PHOTOS = 6


@dataclass
class InversionBatch:
    """Photos that are inverted side by side: the last step, and the losses of every step."""

    prepared: PreparedInversion
    last: OptimizerStep | None = None
    losses: list[Float[Tensor, "n"]] = field(default_factory=list)
    seconds: float = 0.0
    _result: tuple[OptimizerStep, Inversion] | None = None

    def inversion(self) -> Inversion:
        """Return the result of the last step; synthesized and measured once."""
        assert self.last is not None, "take a step first"
        if self._result is None or self._result[0] is not self.last:
            self._result = self.last, finish_inversion(self.prepared, self.last, self.seconds)
        return self._result[1]

    def release_images(self) -> None:
        """Keep the images of the last step once, as those of the result."""
        assert self.last is not None, "take a step first"
        result = self.inversion()
        self.last = replace(self.last, images=result.images.to(self.last.images.device))
        self._result = self.last, result


@dataclass
class BatchInversion:
    """The inversion of photos [n, 3, h, w] by one generator with one `InversionSettings`; ``run`` performs it.

    With ``tuning`` the weights are tuned for each photo alone afterwards. ``sources`` are the files of the photos,
    ``frames`` [n, 2, 3] the maps from fractions of the photos to those of the upright files. ``video_steps`` are the
    numbers of the steps whose images of the first photos are kept in ``video_images``.
    ``on_images`` is called with the images of every step. ``on_saved`` is called with this object after each batch and
    after each tuned photo, so that they can be written.
    """

    generator: Generator
    photos: Float[Tensor, "n 3 h w"]
    names: Sequence[str]
    settings: InversionSettings = InversionSettings()
    mask: Float[Tensor, "1 h w"] | None = None
    features: FeatureExtractor | None = None
    video_steps: set[int] = field(default_factory=set)
    tuning: TuningSettings | None = None
    sources: Sequence[str] = ()
    frames: Float[Tensor, "n 2 3"] | None = None
    on_saved: Callable[["BatchInversion"], object] = lambda inversion: None
    on_images: Callable[[Tensor], object] = lambda images: None
    batches: list[InversionBatch] = field(default_factory=list)
    tuned: dict[int, Inversion] = field(default_factory=dict)
    video_images: list[UInt8[Tensor, "n h w 3"]] = field(default_factory=list)

    def run(self, progress: Progress | None = None) -> bool:
        """Invert and tune; returns True when all is done, False after Ctrl-C, which keeps what is finished."""
        report = progress or silent
        if self.tuning is not None:
            report = with_tuning(report, self.settings.steps, self.tuning.steps, len(self.photos))
        try:
            self._invert(report)
            if self.tuning is not None:
                self._tune(self.tuning, report)
        except KeyboardInterrupt:
            if not self.started:
                raise
            return False
        return True

    @property
    def started(self) -> list[InversionBatch]:
        """The batches that took at least one step."""
        return [batch for batch in self.batches if batch.last is not None]

    def inversions(self) -> list[Inversion]:
        """Return the results batch by batch, before tuning."""
        return [batch.inversion() for batch in self.started]

    def latent(self) -> Latent:
        """Return the codes of all inverted photos; of a single photo with its tuned weights."""
        if len(self.tuned) == 1 and len(self.photos) == 1:
            return self.tuned[0].latent
        return self._with_photos(concatenate([one.latent for one in self.inversions()]), 0)

    def _with_photos(self, latent: Latent, first: int) -> Latent:
        """Return a latent with its photos, those from number `first`, where the maps into their files are known."""
        if self.frames is None:
            return latent
        samples = slice(first, first + len(latent))
        return replace(latent, photo=PhotoOrigin(self.photos[samples].cpu(), self.frames[samples]))

    def curves(self) -> dict[str, list[float]]:
        """Return the loss of every photo at every step."""
        return {
            name: torch.stack(batch.losses)[:, sample].tolist()
            for batch in self.started
            for sample, name in enumerate(batch.prepared.names)
        }

    def video(self) -> list[UInt8[Tensor, "n h w 3"]]:
        """Return the images of the first photos at the kept steps, of 8 bits, those of the end last."""
        last = self.started[0].last
        assert last is not None
        # L-BFGS may end before the last step that was to be kept.
        ends_kept = last.number in self.video_steps
        return self.video_images if ends_kept else [*self.video_images, _frames(last)]

    def metrics(self) -> list[tuple[str, InversionMetrics]]:
        """Return the metrics of every photo after the stages "inverted" and "tuned"."""
        inverted = [("inverted", metrics) for one in self.inversions() for metrics in one.metrics]
        return inverted + [("tuned", metrics) for one in self.tuned.values() for metrics in one.metrics]

    def _invert(self, progress: Progress) -> None:
        size = max(1, PIXELS_PER_BATCH // self.generator.resolution**2)
        parts, steps = torch.arange(len(self.photos)).split(size), self.settings.steps
        for number, samples in enumerate(parts):
            report = part_of(progress, number, len(parts))
            chosen = samples.tolist()
            begun = time.perf_counter()
            batch = InversionBatch(self._prepare(chosen))
            self.batches.append(batch)
            for step in batch.prepared.steps():
                batch.last, batch.seconds = step, time.perf_counter() - begun
                batch.losses.append(step.losses.cpu())
                if step.number in self.video_steps and batch is self.batches[0]:
                    self.video_images.append(_frames(step))
                self.on_images(step.images)
                report(INVERTING, step.number, steps)
            batch.release_images()
            self.on_saved(self)

    def _prepare(self, chosen: list[int]) -> PreparedInversion:
        self.features = self.features or bundled_features(self.generator.device)
        return prepare_inversion(
            self.generator,
            self.photos[chosen[0] : chosen[-1] + 1],  # a view: photos of 1024 pixels take 12 MB each
            replace(self.settings, start=select_start(self.settings.start, chosen)),
            mask=self.mask,
            features=self.features,
            names=[self.names[sample] for sample in chosen],
            sources=[self.sources[sample] for sample in chosen] if self.sources else (),
        )

    def _tune(self, settings: TuningSettings, progress: Progress) -> None:
        pairs = [(batch, place) for batch in self.started for place in range(len(batch.prepared.names))]
        for sample, (batch, place) in enumerate(pairs):
            report = part_of(progress, sample, len(pairs))
            assert batch.last is not None
            begun, last = time.perf_counter(), None
            prepared, step = batch.prepared.select(place, batch.last)
            try:
                for last in prepared.tuning(step, settings):
                    self.on_images(last.images)
                    report(TUNING, last.number, settings.steps)
            finally:
                if last is not None and last.number:
                    seconds = batch.seconds + time.perf_counter() - begun
                    tuned = finish_inversion(prepared, step, seconds, last)
                    self.tuned[sample] = replace(tuned, latent=self._with_photos(tuned.latent, sample))
                    self.on_saved(self)


def _frames(step: OptimizerStep) -> UInt8[Tensor, "n h w 3"]:
    return to_bytes(step.images[:VIDEO_PHOTOS].nan_to_num()).cpu()


def select_start(start: str | Latent | ImageEncoder, chosen: Sequence[int]) -> str | Latent | ImageEncoder:
    """Return the start of some photos: their codes of a latent with one per photo, else the same for all."""
    return start.rows(chosen) if isinstance(start, Latent) and len(start) > 1 else start


def concatenate(latents: Sequence[Latent]) -> Latent:
    """Return latents of one space, label and set of noise maps as one; raises `LatentError` for tuned ones."""
    first = latents[0]
    noise: Mapping[str, Tensor] = {name: torch.cat([one.noise[name] for one in latents]) for name in first.noise}
    if any(one.tuned for one in latents):
        raise LatentError("Latents with tuned weights cannot be joined: each has a generator of its own.")
    return replace(
        first,
        codes=torch.cat([one.codes for one in latents]),
        names=tuple(name for one in latents for name in one.names),
        source=", ".join(one.source for one in latents),
        noise=noise,
    )
