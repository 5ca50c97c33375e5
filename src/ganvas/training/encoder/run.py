"""An encoder's training run in a folder: steps, log lines, sheets, snapshots, and resuming after an interruption.

It yields events and prints nothing. As in `ganvas.training.gan.run`, all random draws of a step follow from the seed
and the step's number, so that a resumed run is, bit for bit, the one that was never stopped.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Every, Steps
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.images import pixels, sheets
from ganvas.images.datasets import ImageSet, shuffled
from ganvas.inversion.encoder import Encoder, save_encoder
from ganvas.io.tensor_files import hash_tensors, read_tensors, write_tensors
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.perceptual import perceptual_distance
from ganvas.training import events
from ganvas.training.alarms import check_finite
from ganvas.training.encoder.training import EncoderSettings, new_encoder, step
from ganvas.training.events import TrainingEvent
from ganvas.training.gan.networks import adam, moments, restore_moments
from ganvas.training.log import LOG, RunningMeans, write_line
from ganvas.training.randomness import Randomness
from ganvas.training.sheet_clock import SheetClock

KIND = "encoder snapshot"
SNAPSHOT, ENCODER, SHEET = "snapshot.safetensors", "encoder.safetensors", "sheet.png"
BETAS = (0.9, 0.99)
SHEET_COLUMNS = 12


@checked_as(TrainingError)
@dataclass(frozen=True)
class EncoderSchedule:
    """After how many steps a log line is written, and after how many a snapshot, a sheet and the encoder; in the first
    ten minutes there is a sheet at least every ``sheet_seconds``, 0 for never.
    """

    log_every: Steps = 50
    save_every: Steps = 500
    sheet_seconds: Every = 60


@dataclass(frozen=True)
class EncoderTask:
    """What an encoder's run trains: the encoder of a generator, on which images, into which folder."""

    settings: EncoderSettings
    schedule: EncoderSchedule
    folder: Path
    generator: StyleGAN2
    data: ImageSet
    features: FeatureNetwork


@dataclass
class EncoderTrainingRun:
    """A run in progress; ``stopping`` may be set at any time, ``done`` counts steps."""

    task: EncoderTask
    encoder: Encoder
    optimizer: torch.optim.Adam
    done: int = 0
    stopping: bool = False

    def events(self) -> Iterator[TrainingEvent]:
        """Train to the settings' number of steps, or until ``stopping`` is set, and save.

        Raises `TrainingError` when a loss, a weight or a moment is not finite, or a file cannot be written.
        """
        schedule, means, began, saved = self.task.schedule, RunningMeans(), time.perf_counter(), -1
        clock = SheetClock(schedule.sheet_seconds)
        while self.done < self.task.settings.steps and not self.stopping:
            means.add(self.step())
            yield TrainingEvent(events.STEP, self.images)
            if self.done % schedule.log_every == 0:
                yield self._log(means, time.perf_counter() - began)
                began = time.perf_counter()
            if self.done % schedule.save_every == 0:
                yield self.save()
                saved = self.done
                clock.restart()
            elif clock.due:
                yield TrainingEvent(events.SHEET, self.images, paths=(self._write_sheet(),))
                clock.restart()
        if saved != self.done:
            yield self.save()

    @property
    def images(self) -> int:
        """Images shown so far."""
        return self.done * self.task.settings.batch

    def step(self) -> dict[str, Tensor]:
        """Do one step; returns its losses."""
        task, settings, device = self.task, self.task.settings, self.task.generator.device
        draws = Randomness(settings.seed, self.done, device=device)
        indices = shuffled(settings.seed, self.images, self.images + settings.batch, len(task.data))
        real = task.data.batch(indices, device)
        mirrored = draws.bernoulli(0.5, len(real))[:, None, None, None]
        real = torch.where(mirrored, real.flip(3), real)
        distance = partial(perceptual_distance, task.features)
        losses = step(settings, self.encoder, task.generator, self.optimizer, real, self.done, draws, distance)
        self.done += 1
        return losses

    def save(self) -> TrainingEvent:
        """Write the encoder for other commands, a sheet of photos above their reconstructions, and a snapshot."""
        task, digest = self.task, hash_of(self.task.generator)
        held = {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}
        held |= moments(self.optimizer, "optimizer")
        check_finite(held, f"{self.done} steps")
        header = {"settings": asdict(task.settings), "done": self.done, "generator": digest}
        facts = {"steps": self.done, "images": self.images, "data": task.data.summary.source}
        paths = (
            write_tensors(task.folder / SNAPSHOT, KIND, held, header, TrainingError),
            save_encoder(task.folder / ENCODER, self.encoder, digest, facts),
            self._write_sheet(),
        )
        return TrainingEvent(events.SNAPSHOT, self.images, paths=paths)

    @torch.no_grad()
    def _write_sheet(self) -> Path:
        generator, data = self.task.generator, self.task.data
        real = data.batch(data.spread(SHEET_COLUMNS), generator.device)
        reconstruction = generator.synthesize(self.encoder(real), "w+")
        sheet = sheets.grid(torch.cat([real, reconstruction]).cpu().float(), len(real))
        return pixels.write_image(self.task.folder / SHEET, sheet)

    def _log(self, means: RunningMeans, seconds: float) -> TrainingEvent:
        losses, steps = means.take()
        check_finite({name: torch.tensor(value) for name, value in losses.items()}, f"{self.done} steps")
        line: dict[str, Any] = {"step": self.done, "images": self.images}
        line |= {name: round(value, 5) for name, value in losses.items()}
        rate = steps * self.task.settings.batch / seconds
        line |= {"images_per_second": round(rate, 2), "seconds": round(seconds, 2)}
        write_line(self.task.folder, line)
        return TrainingEvent(events.LOGGED, self.images, line)


def hash_of(generator: StyleGAN2) -> str:
    """Return the hash of the generator that an encoder file records."""
    return hash_tensors(generator.state_dict()) if generator.about is None else generator.about.hash


def begin(task: EncoderTask) -> EncoderTrainingRun:
    """Return a new run; raises `TrainingError` where the folder holds one already."""
    if (task.folder / SNAPSHOT).exists() or (task.folder / LOG).exists():
        raise TrainingError(f"'{task.folder}' holds a training already: go on with --resume, or give another --out.")
    return _new_run(task)


def resume(task: EncoderTask) -> EncoderTrainingRun:
    """Return the run that resumes from the snapshot in the task's folder.

    Raises `TrainingError` where there is none, or where it has other settings or another generator.
    """
    path = task.folder / SNAPSHOT
    if not path.exists():
        raise TrainingError(f"'{task.folder}' holds no snapshot to resume from; start without --resume.")
    held, header = read_tensors(path, KIND, TrainingError)
    if header.get("generator") != hash_of(task.generator):
        raise TrainingError(f"'{path}' belongs to another generator (hash {header.get('generator')}); give that one.")
    before, now = dict(header.get("settings", {})), asdict(task.settings)
    if before != now:
        other = ", ".join(f"{name} {before.get(name)}" for name in now if before.get(name) != now[name])
        raise TrainingError(f"'{path}' has other settings ({other}); go on with those.")
    run = _new_run(task)
    try:
        prefix = "encoder."
        run.encoder.load_state_dict({n.removeprefix(prefix): t for n, t in held.items() if n.startswith(prefix)})
        restore_moments(run.optimizer, "optimizer", held)
        run.done = int(header["done"])
    except (KeyError, ValueError, TypeError, RuntimeError) as reason:
        raise TrainingError(f"'{path}' is a damaged snapshot ({reason}); start again.") from reason
    return run


def _new_run(task: EncoderTask) -> EncoderTrainingRun:
    encoder = new_encoder(task.generator, task.settings.seed)
    return EncoderTrainingRun(task, encoder, adam(encoder, task.settings.learning_rate, BETAS))
