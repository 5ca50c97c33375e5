"""A training run in a folder: steps, log lines, sheets of samples, evaluations, snapshots and alarms.

It yields events and prints nothing. All random draws of a step follow from the seed and the step's number, so that a
run resumed from a complete snapshot is, bit for bit, the run that was never stopped.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.own_format import save_generator
from ganvas.errors import GanvasError, TrainingError
from ganvas.generators.labels import even_classes
from ganvas.generators.protocol import Generator, about_of
from ganvas.images import pixels, sheets
from ganvas.images.datasets import shuffled
from ganvas.io.tensor_files import hash_tensors
from ganvas.latents.latent import sample
from ganvas.training import alarms, events
from ganvas.training.events import TrainingEvent
from ganvas.training.gan import averaging, snapshots
from ganvas.training.gan.discriminator_files import DISCRIMINATOR, save_discriminator
from ganvas.training.gan.discriminators import StyleDiscriminator
from ganvas.training.gan.held_out import HeldOutEvaluation
from ganvas.training.gan.networks import Networks, SheetMeasure, lr_decay, lr_warmup, scale_learning_rates, tensors
from ganvas.training.gan.snapshots import TrainingState
from ganvas.training.gan.step import Step
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.task import TrainingTask
from ganvas.training.log import RunningMeans, write_line
from ganvas.training.randomness import Randomness
from ganvas.training.sheet_clock import SheetClock

GENERATOR = "generator.safetensors"
SHEET_ROWS, SHEET_COLUMNS = 4, 8
REAL_SAMPLES = 256


@dataclass
class TrainingRun:
    """A run in progress, made by `ganvas.training.gan.starting`.

    ``stopping`` may be set at any time, in any process: all processes stop before the same step and save. ``saved`` is
    the number of images at the last complete snapshot, ``export`` the last exported generator and its images.
    """

    task: TrainingTask
    networks: Networks
    state: TrainingState = TrainingState()
    held_out: HeldOutEvaluation | None = None
    stopping: bool = False
    saved: int | None = None
    export: tuple[int, Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        settings = self.task.settings
        if isinstance(settings, StyleGAN2Settings) and settings.match_noise:
            settings.measure_data(self.networks, self._real_samples())

    def events(self) -> Iterator[TrainingEvent]:
        """Train to the schedule's number of images, or until ``stopping`` is set, and save.

        Raises `TrainingError` when a loss is not finite or a file cannot be written, naming the snapshot to go back to.
        """
        schedule, means, began = self.task.schedule, RunningMeans(), time.perf_counter()
        yield TrainingEvent(events.BEGUN, self.state.images, data=self.task.data.summary)
        clock = SheetClock(schedule.sheet_seconds if schedule.sheet_every else 0)
        if self.state.images == 0:
            yield from self._write_sheet(None)
            clock.restart()
        monitor = alarms.AlarmMonitor(alarms.rms_difference(self._real_samples()))
        while self.state.images < schedule.images and not self._agree_to_stop():
            before = self.state.images
            means.add(self.step())
            yield TrainingEvent(events.STEP, self.state.images)
            if self._passed(before, schedule.log_every):
                yield from self._log(means, time.perf_counter() - began, monitor)
                began = time.perf_counter()
            if self._passed(before, schedule.sheet_every):
                yield from self._write_sheet(monitor)
                clock.restart()
            elif clock.due:
                self._write_early_export()
                yield from self._write_sheet(None)
                clock.restart()
            if self._passed(before, schedule.evaluate_every):
                yield from self._evaluate()
            if self._passed(before, schedule.snapshot_every):
                yield self.save()
            if self._passed(before, schedule.weights_every):
                yield self.save(weights=True)
        if self.saved != self.state.images:
            yield self.save()
        if not self._sheet_path.exists():
            yield from self._write_sheet(None)

    def step(self) -> dict[str, Tensor]:
        """Do one step; returns its metrics."""
        task, settings, state, shard = self.task, self.task.settings, self.state, self.task.processes.shard
        draws = Randomness(settings.seed, state.step, shard, task.device)
        real, classes = task.real_batch(state.images, task.device)
        real = task.augmentation.flip_real(real, draws)
        self._set_learning_rates()
        augment = task.augmentation.before_discriminator(self.networks.extra)
        given = Step(state.step, real, draws, augment, task.processes, classes)
        metrics = settings.step(self.networks, given)
        if state.step >= (settings.discriminator_warmup or 0):
            factor = averaging.decay(settings.batch, settings.half_life, state.images)
            averaging.update(self.networks.average, self.networks.generator, factor)
        task.augmentation.adapt(self.networks.extra, metrics, settings.batch, task.processes)
        self.state = replace(state, step=state.step + 1, images=state.images + settings.batch)
        return metrics

    def save(self, *, weights: bool = False) -> TrainingEvent:
        """Write a snapshot, with `weights` a weights-only one, and export the generator for other commands.

        Raises `NotFiniteError` where a weight or a moment is not finite: such a state is never written.
        """
        task, images = self.task, self.state.images
        self._check_finite(tensors(self.networks))
        paths: list[Path] = []
        if task.processes.is_main:
            path = snapshots.path_of(task.folder, images, weights=weights)
            described = asdict(task.settings), task.described_data()
            with self._naming_last_snapshot():
                snapshots.write(path, self.networks, self.state, *described, weights=weights)
                paths += [path, *self._write_export()]
            snapshots.retire(task.folder, task.schedule.keep)
        self.saved = self.saved if weights else images
        return TrainingEvent(events.SNAPSHOT, images, paths=tuple(paths))

    def _exported(self) -> Any:
        """Return the generator to keep as it is now, made once for the sheet, evaluation and snapshot of a step."""
        if self.export is None or self.export[0] != self.state.images:
            self.export = self.state.images, self.task.settings.exported(self.networks)
        return self.export[1]

    def _real_samples(self) -> Tensor:
        """Return some real images, always the same ones."""
        return self.task.data.batch(shuffled(0, 0, REAL_SAMPLES, len(self.task.data)))

    def _agree_to_stop(self) -> bool:
        """Return whether any process wants to stop before the next step."""
        self.stopping = self.task.processes.any(self.stopping)
        return self.stopping

    def _set_learning_rates(self) -> None:
        """Apply the warm-up of fresh optimizers on trained networks, and the decay at the end of the schedule."""
        state, schedule = self.state, self.task.schedule
        generator = discriminator = lr_decay(schedule.images - state.images, schedule.lr_decay_images)
        if state.fresh_since is not None:
            generator_start = max(state.fresh_since, self.task.settings.discriminator_warmup or 0)
            generator *= lr_warmup(state.step - generator_start)
            discriminator *= lr_warmup(state.step - state.fresh_since)
        scale_learning_rates(self.networks, generator=generator, discriminator=discriminator)

    def _write_export(self) -> list[Path]:
        """Write the generator to keep, and its companion discriminator."""
        task, generator, discriminator = self.task, self._exported(), self.networks.discriminator
        source = {
            "command": f"ganvas train {task.settings.family}",
            "images": self.state.images,
            "data": task.data.summary.source,
        }
        digest = hash_tensors(generator.state_dict())
        about = replace(about_of(generator), name=task.name, hash=digest, source=source)
        paths = [save_generator(task.folder / GENERATOR, generator, about)]
        if isinstance(discriminator, StyleDiscriminator):
            paths.append(save_discriminator(task.folder / DISCRIMINATOR, discriminator, about.hash))
        return paths

    def _passed(self, before: int, every: int) -> bool:
        """Return whether the last step passed a multiple of `every` images (0: never)."""
        return bool(every) and before // every < self.state.images // every

    def _log(self, means: RunningMeans, seconds: float, monitor: alarms.AlarmMonitor) -> Iterator[TrainingEvent]:
        metrics, steps = means.take(self.task.processes)
        self._check_finite({name: torch.tensor(value) for name, value in metrics.items()})
        line = {"images": self.state.images, **{name: round(value, 5) for name, value in metrics.items()}}
        rate = steps * self.task.settings.batch / seconds
        line |= {"images_per_second": round(rate, 2), "seconds": round(seconds, 2)}
        if "strength" in self.networks.extra:
            line["strength"] = round(float(self.networks.extra["strength"]), 5)
        self._write_line(line)
        yield TrainingEvent(events.LOGGED, self.state.images, line)
        yield from self._raise_alarm(monitor.check_metrics(metrics))

    @cached_property
    def _sheet_measure(self) -> SheetMeasure:
        return self.networks.sheet_measure(self.task.data, fixed_samples)

    @property
    def _sheet_path(self) -> Path:
        return self.task.folder / f"sheet-{self.state.images:09d}.png"

    def _write_sheet(self, monitor: alarms.AlarmMonitor | None) -> Iterator[TrainingEvent]:
        """Write the sheet of fixed seeds; a `monitor` checks that the samples differ, but not where the clock asked for
        the sheet, which must not enter the log.
        """
        if not self.task.processes.is_main:
            return
        images, path = fixed_samples(self._exported()), self._sheet_path
        with self._naming_last_snapshot():
            pixels.write_image(path, sheets.grid(images, SHEET_COLUMNS))
        yield TrainingEvent(events.SHEET, self.state.images, self._sheet_measure(images), paths=(path,))
        if monitor:
            yield from self._raise_alarm(monitor.check_samples(images, self.state.images))

    def _write_early_export(self) -> None:
        """Write the generator beside a sheet of the first minutes, so that nobody waits for the first snapshot."""
        if self.task.processes.is_main:
            self._check_finite(dict(self._exported().state_dict()))
            with self._naming_last_snapshot():
                self._write_export()

    def _evaluate(self) -> Iterator[TrainingEvent]:
        """Compare the exported generator with the held-out images."""
        if self.held_out and self.task.processes.is_main:
            metrics = self.held_out.metrics(self._exported())
            self._write_line({"event": events.EVALUATION, "images": self.state.images, **metrics})
            yield TrainingEvent(events.EVALUATION, self.state.images, metrics)

    def _raise_alarm(self, text: str) -> Iterator[TrainingEvent]:
        if text:
            self._write_line({"event": events.ALARM, "images": self.state.images, "text": text})
            yield TrainingEvent(events.ALARM, self.state.images, text=text)

    def _write_line(self, line: Mapping[str, Any]) -> None:
        if self.task.processes.is_main:
            with self._naming_last_snapshot():
                write_line(self.task.folder, line)

    def _check_finite(self, values: Mapping[str, Tensor]) -> None:
        help_ = "A smaller learning rate or weight (with --change) or --precision float32 may help."
        alarms.check_finite(values, f"{self.state.images} images", f"{self._last_snapshot()} {help_}")

    @contextmanager
    def _naming_last_snapshot(self) -> Iterator[None]:
        """Say where to resume when a file cannot be written."""
        try:
            yield
        except GanvasError as reason:
            raise TrainingError(f"{reason} {self._last_snapshot()}") from reason

    def _last_snapshot(self) -> str:
        complete = snapshots.all_in(self.task.folder)
        return f"Go on from '{complete[-1]}' with --resume auto." if complete else "No snapshot was written yet."


@torch.no_grad()
def fixed_samples(generator: Generator) -> Tensor:
    """Return the images of seeds 0-31, which every sheet shows, of all classes in turn, on the CPU in float32."""
    seeds = range(SHEET_ROWS * SHEET_COLUMNS)
    return torch.cat(
        list(sample(generator, seeds, label=even_classes(generator, len(seeds))).images(generator))
    ).float()
