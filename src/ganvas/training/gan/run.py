"""A training run in a folder: steps, log lines, sample sheets, snapshots, alarms, and going on after an interruption.

Yields what happened as events; prints nothing. All that a step draws follows from the seed and the step's number, so
that a run resumed from a whole snapshot is, bit for bit, the run that was never stopped.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.own_format import save_generator
from ganvas.errors import GanvasError, TrainingError
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import pixels, sheets
from ganvas.images.datasets import ImageSet
from ganvas.io.tensor_files import hash_tensors
from ganvas.latents.latent import sample
from ganvas.training import alarms
from ganvas.training.adapt.adaptation import AdaptationRecipe
from ganvas.training.distributed import Team, check_batch
from ganvas.training.gan import averaging, snapshots
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.dcgan import DCGANRecipe
from ganvas.training.gan.discriminator_files import DISCRIMINATOR, save_discriminator
from ganvas.training.gan.discriminators import StyleDiscriminator
from ganvas.training.gan.held_out import Yardstick
from ganvas.training.gan.networks import Networks, cooling, scale_rates, warming
from ganvas.training.gan.snapshots import Progress
from ganvas.training.gan.stylegan2 import StyleGAN2Recipe
from ganvas.training.log import Means, write_line
from ganvas.training.randomness import Randomness, shuffled
from ganvas.training.settings import check_range

Recipe = StyleGAN2Recipe | DCGANRecipe | AdaptationRecipe
GENERATOR, TIMELAPSE = "generator.safetensors", "timelapse.webp"
DISTANCE = "distance"
SHEET_ROWS, SHEET_COLUMNS = 4, 8
REAL_TO_SEE = 256


@dataclass(frozen=True)
class Plan:
    """What a run writes where and when, all counted in images shown to the discriminator.

    ``images`` is where it ends; whole snapshots come every ``snapshot_every`` of which the newest ``keep`` stay;
    ``slim_every`` (0: never) those that stay all; a run with a yardstick is measured every ``test_every``. Over the
    last ``cool`` images the learning rates fall to nothing. Raises `TrainingError` for numbers that make no sense.
    """

    folder: Path
    images: int
    log_every: int = 1_000
    sheet_every: int = 5_000
    test_every: int = 0
    snapshot_every: int = 10_000
    slim_every: int = 0
    keep: int = 3
    cool: int = 0
    name: str = "trained"
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_range(1, images=self.images, keep=self.keep)
        check_range(0, log_every=self.log_every, sheet_every=self.sheet_every, test_every=self.test_every)
        check_range(0, snapshot_every=self.snapshot_every, slim_every=self.slim_every, cool=self.cool)


@dataclass(frozen=True)
class Event:
    """Something that happened: ``kind`` is "step", "log", "sheet", "distance", "snapshot" or "alarm"; ``numbers`` are
    means since the last log line or what was measured, ``text`` a message, ``paths`` what was written.
    """

    kind: str
    images: int
    numbers: Mapping[str, float | int] = field(default_factory=dict)
    text: str = ""
    paths: tuple[Path, ...] = ()


@dataclass
class Run:
    """A run under way; `ganvas.training.gan.starting` makes one. ``stopping`` may be set at any time, in any process
    of the team; ``saved`` is where it last wrote a whole snapshot, ``made`` the generator last made to be kept,
    and after how many images.
    """

    recipe: Recipe
    plan: Plan
    data: ImageSet
    networks: Networks
    augmentation: Augmentation
    device: torch.device
    team: Team = Team()
    progress: Progress = Progress()
    yardstick: Yardstick | None = None
    stopping: bool = False
    saved: int | None = None
    made: tuple[int, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_batch(self.recipe.batch, self.team.share, self.recipe.group)
        if isinstance(self.recipe, StyleGAN2Recipe) and self.recipe.match_noise:
            self.recipe.see(self.networks, self._some_of_data())

    def events(self) -> Iterator[Event]:
        """Train until the plan's number of images, or until ``stopping`` is set, and save.

        Raises `TrainingError` when a loss is no longer a number or a file cannot be written, naming the snapshot to go
        back to.
        """
        sums, began = Means(), time.perf_counter()
        if self.progress.images == 0:
            yield from self._show(None)
        watch = alarms.Watch(alarms.spread(self._some_of_data()))
        while self.progress.images < self.plan.images and not self._stops():
            before = self.progress.images
            sums.add(self.step())
            yield Event("step", self.progress.images)
            if self._passes(before, self.plan.log_every):
                yield from self._log(sums.take(self.team), time.perf_counter() - began, watch)
                began = time.perf_counter()
            if self._passes(before, self.plan.sheet_every):
                yield from self._show(watch)
            if self._passes(before, self.plan.test_every):
                yield from self._measure()
            if self._passes(before, self.plan.snapshot_every):
                yield self.save()
            if self._passes(before, self.plan.slim_every):
                yield self.save(small=True)
        if self.saved != self.progress.images:
            yield self.save()

    def _kept(self) -> Any:
        """Return the generator to keep, as it is now; made once for the sheet, measurement and snapshot of a step."""
        if self.made is None or self.made[0] != self.progress.images:
            self.made = self.progress.images, self.recipe.usable(self.networks)
        return self.made[1]

    def _some_of_data(self) -> Tensor:
        """Return some real images, always the same ones."""
        return self.data.batch(shuffled(0, 0, REAL_TO_SEE, len(self.data)))

    def _stops(self) -> bool:
        """Whether to stop before the next step: all processes of the team at the same one."""
        self.stopping = self.team.any(self.stopping)
        return self.stopping

    def step(self) -> dict[str, Tensor]:
        """Do one step; returns its numbers."""
        recipe, progress, share = self.recipe, self.progress, self.team.share
        draws = Randomness(recipe.seed, progress.step, share, self.device)
        indices = shuffled(recipe.seed, progress.images, progress.images + recipe.batch, len(self.data))
        real = self.data.batch(indices[share.rows(recipe.batch)], self.device)
        real = self.augmentation.of_data(real, draws)
        self._set_rates()
        augment = self.augmentation.of_networks(self.networks.extra)
        seen = recipe.step(self.networks, real, progress.step, draws, augment, self.team)
        if progress.step >= recipe.discriminator_warmup:
            factor = averaging.decay(recipe.batch, recipe.half_life, progress.images)
            averaging.update(self.networks.average, self.networks.generator, factor)
        self.augmentation.adjust(self.networks.extra, seen, recipe.batch, self.team)
        self.progress = replace(progress, step=progress.step + 1, images=progress.images + recipe.batch)
        return seen

    def _set_rates(self) -> None:
        """Let the rates rise after a fresh start on trained networks, and fall towards the end of the plan."""
        progress, plan = self.progress, self.plan
        warm_generator = warm_discriminator = 1.0
        if progress.fresh_since is not None:
            warm_generator = warming(progress.step - max(progress.fresh_since, self.recipe.discriminator_warmup))
            warm_discriminator = warming(progress.step - progress.fresh_since)
        cool = cooling(plan.images - progress.images, plan.cool)
        scale_rates(self.networks, generator=cool * warm_generator, discriminator=cool * warm_discriminator)

    def save(self, *, small: bool = False) -> Event:
        """Write a snapshot, with `small` a slim one, and the generator as the other commands read it.

        Raises `TrainingError` where a weight is no longer a number: such a state is never written.
        """
        folder, images = self.plan.folder, self.progress.images
        for network in (self.networks.generator, self.networks.discriminator):
            self._refuse_broken(dict(network.named_parameters()))
        paths: list[Path] = []
        if self.team.leads:
            path = snapshots.path_of(folder, images, small=small)
            data = described_data(self.data, self.augmentation)
            with self._naming_last_good():
                snapshots.write(path, self.networks, self.progress, asdict(self.recipe), data, small=small)
                paths += [path, *self._export()]
            snapshots.retire(folder, self.plan.keep)
        self.saved = self.saved if small else images
        return Event("snapshot", images, paths=tuple(paths))

    def _export(self) -> list[Path]:
        """Write the generator to be kept, and a discriminator that others may go on with."""
        generator, discriminator = self._kept(), self.networks.discriminator
        facts = {**self.plan.source, "images": self.progress.images, "data": self.data.survey.source}
        about = replace(
            about_of(generator), name=self.plan.name, hash=hash_tensors(generator.state_dict()), source=facts
        )
        paths = [save_generator(self.plan.folder / GENERATOR, generator, about)]
        if isinstance(discriminator, StyleDiscriminator):
            paths.append(save_discriminator(self.plan.folder / DISCRIMINATOR, discriminator, about.hash))
        return paths

    def _passes(self, before: int, every: int) -> bool:
        """Whether the last step passed a multiple of `every` images (0: none)."""
        return bool(every) and before // every < self.progress.images // every

    def _log(self, numbers: dict[str, float], seconds: float, watch: alarms.Watch) -> Iterator[Event]:
        steps = numbers.pop("steps")
        self._refuse_broken({name: torch.tensor(value) for name, value in numbers.items()})
        line = {"images": self.progress.images, **{name: round(value, 5) for name, value in numbers.items()}}
        line |= {"rate": round(steps * self.recipe.batch / seconds, 2), "seconds": round(seconds, 2)}
        line |= {name: round(float(value), 5) for name, value in self.networks.extra.items() if name == "strength"}
        self._write(line)
        yield Event("log", self.progress.images, line)
        yield from self._raise_alarm(watch.line(numbers))

    def _show(self, watch: alarms.Watch | None) -> Iterator[Event]:
        """Write the sheet of fixed seeds, and look whether the samples still differ."""
        if not self.team.leads:
            return
        images = fixed_samples(self._kept())
        path = self.plan.folder / f"sheet-{self.progress.images:09d}.png"
        with self._naming_last_good():
            pixels.write_image(path, sheets.grid(images, SHEET_COLUMNS))
        yield Event("sheet", self.progress.images, paths=(path,))
        if watch:
            yield from self._raise_alarm(watch.images(images, self.progress.images))

    def _measure(self) -> Iterator[Event]:
        """Tell how far the average's images are from those that were held out."""
        if self.yardstick and self.team.leads:
            numbers = self.yardstick.measure(self._kept())
            self._write({"event": DISTANCE, "images": self.progress.images, **numbers})
            yield Event(DISTANCE, self.progress.images, numbers)

    def _raise_alarm(self, text: str) -> Iterator[Event]:
        if text:
            self._write({"event": "alarm", "images": self.progress.images, "text": text})
            yield Event("alarm", self.progress.images, text=text)

    def _write(self, line: Mapping[str, Any]) -> None:
        if self.team.leads:
            with self._naming_last_good():
                write_line(self.plan.folder, line)

    def _refuse_broken(self, numbers: Mapping[str, Tensor]) -> None:
        broken = alarms.first_broken(numbers)
        if broken:
            raise TrainingError(
                f"{broken} is no longer a number after {self.progress.images} images. {self._last_good()} A "
                "smaller --rate (with --change) or --precision float32 may help."
            )

    @contextmanager
    def _naming_last_good(self) -> Iterator[None]:
        """Say where to go on when a file cannot be written."""
        try:
            yield
        except GanvasError as reason:
            raise TrainingError(f"{reason} {self._last_good()}") from reason

    def _last_good(self) -> str:
        whole = snapshots.all_in(self.plan.folder)
        return f"Go on from '{whole[-1]}' with --resume auto." if whole else "No snapshot was written yet."


@torch.no_grad()
def fixed_samples(generator: Generator) -> Tensor:
    """Return the images of seeds 0-31, which every sheet shows, on the CPU in float32."""
    seeds = range(SHEET_ROWS * SHEET_COLUMNS)
    return torch.cat(list(sample(generator, seeds).images(generator))).float()


def described_data(data: ImageSet, augmentation: Augmentation) -> dict[str, Any]:
    """Return what a run learns from, as snapshots record it: how many images, and what happens to them."""
    return {"data": f"{len(data)} images", "augment": augmentation.kind, "flip": augmentation.flip}
