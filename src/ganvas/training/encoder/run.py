"""Training a companion encoder in a folder: steps, log lines, sheets, snapshots, and going on after an interruption.

Yields what happened as events; prints nothing. As in `ganvas.training.gan.run`, all that a step draws follows from the
seed and the step's number, so that a resumed run is, bit for bit, the one that was never stopped.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.images import pixels, sheets
from ganvas.images.datasets import ImageSet
from ganvas.inversion.encoder import Encoder, save_encoder
from ganvas.io.tensor_files import hash_tensors, read_tensors, write_tensors
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.perceptual import perceptual_distance
from ganvas.training.alarms import first_broken
from ganvas.training.encoder.training import Distance, EncoderRecipe, new_encoder, step
from ganvas.training.gan.networks import adam, moments, restore_moments
from ganvas.training.gan.run import Event
from ganvas.training.log import LOG, Means, write_line
from ganvas.training.randomness import Randomness, shuffled

KIND = "encoder snapshot"
SNAPSHOT, ENCODER, SHEET = "snapshot.safetensors", "encoder.safetensors", "sheet.png"
BETAS = (0.9, 0.99)
SHOWN = 12


@dataclass(frozen=True)
class EncoderPlan:
    """What is written where, and after how many steps each; a log line and a sheet, and a snapshot that goes on."""

    folder: Path
    log_every: int = 50
    save_every: int = 500


@dataclass
class EncoderRun:
    """A training under way: ``stopping`` may be set at any time; ``done`` counts steps."""

    recipe: EncoderRecipe
    plan: EncoderPlan
    generator: StyleGAN2
    data: ImageSet
    features: FeatureNetwork
    encoder: Encoder
    optimizer: torch.optim.Adam
    done: int = 0
    stopping: bool = False

    def events(self) -> Iterator[Event]:
        """Train to the recipe's number of steps, or until ``stopping`` is set, and save.

        Event counts are images shown. Raises `TrainingError` when a loss is no longer a number or a file cannot be
        written.
        """
        means, began, saved = Means(), time.perf_counter(), -1
        while self.done < self.recipe.steps and not self.stopping:
            means.add(self.step())
            yield Event("step", self.images)
            if self.done % self.plan.log_every == 0:
                yield self._log(means, time.perf_counter() - began)
                began = time.perf_counter()
            if self.done % self.plan.save_every == 0:
                yield self.save()
                saved = self.done
        if saved != self.done:
            yield self.save()

    @property
    def images(self) -> int:
        """Images shown so far."""
        return self.done * self.recipe.batch

    def step(self) -> dict[str, Tensor]:
        """Do one step; returns its losses."""
        draws = Randomness(self.recipe.seed, self.done, device=self.generator.device)
        rows = shuffled(self.recipe.seed, self.images, self.images + self.recipe.batch, len(self.data))
        real = self.data.batch(rows, self.generator.device)
        mirrored = draws.chance(0.5, len(real))[:, None, None, None]
        real = torch.where(mirrored, real.flip(3), real)
        looks = _looks(self.features)
        seen = step(self.recipe, self.encoder, self.generator, self.optimizer, real, self.done, draws, looks)
        self.done += 1
        return seen

    def save(self) -> Event:
        """Write the encoder as other commands read it, a sheet of photos over what it makes of them, and a snapshot."""
        broken = first_broken(dict(self.encoder.named_parameters()))
        if broken:
            raise TrainingError(f"{broken} is no longer a number after {self.done} steps; take a smaller --rate.")
        folder, of = self.plan.folder, hash_of(self.generator)
        held = {f"encoder.{name}": tensor for name, tensor in self.encoder.state_dict().items()}
        held |= moments(self.optimizer, "optimizer")
        header = {"recipe": asdict(self.recipe), "done": self.done, "generator": of}
        facts = {"steps": self.done, "images": self.images, "data": self.data.survey.source}
        paths = (
            write_tensors(folder / SNAPSHOT, KIND, held, header, TrainingError),
            save_encoder(folder / ENCODER, self.encoder, of, facts),
            pixels.write_image(folder / SHEET, self._sheet()),
        )
        return Event("snapshot", self.images, paths=paths)

    @torch.no_grad()
    def _sheet(self) -> Tensor:
        # Spread over the set, for neighbors in it are often alike.
        rows = np.linspace(0, len(self.data) - 1, min(SHOWN, len(self.data)), dtype=int)
        real = self.data.batch(rows, self.generator.device)
        again = self.generator.synthesize(self.encoder(real), "w+")
        return sheets.grid(torch.cat([real, again]).cpu().float(), len(real))

    def _log(self, means: Means, seconds: float) -> Event:
        numbers = means.take()
        steps = numbers.pop("steps")
        line: dict[str, Any] = {"step": self.done, "images": self.images}
        line |= {name: round(value, 5) for name, value in numbers.items()}
        line |= {"rate": round(steps * self.recipe.batch / seconds, 2), "seconds": round(seconds, 2)}
        write_line(self.plan.folder, line)
        return Event("log", self.images, line)


def hash_of(generator: StyleGAN2) -> str:
    """Return the hash by which an encoder knows its generator."""
    return hash_tensors(generator.state_dict()) if generator.about is None else generator.about.hash


def begin(
    recipe: EncoderRecipe, plan: EncoderPlan, generator: StyleGAN2, data: ImageSet, features: FeatureNetwork
) -> EncoderRun:
    """Return a training from the start; raises `TrainingError` where the folder holds one already."""
    if (plan.folder / SNAPSHOT).exists() or (plan.folder / LOG).exists():
        raise TrainingError(f"'{plan.folder}' holds a training already: go on with --resume, or give another --out.")
    encoder = new_encoder(generator, recipe.seed)
    return EncoderRun(recipe, plan, generator, data, features, encoder, adam(encoder, recipe.rate, BETAS))


def resume(
    recipe: EncoderRecipe, plan: EncoderPlan, generator: StyleGAN2, data: ImageSet, features: FeatureNetwork
) -> EncoderRun:
    """Return the training that goes on from the snapshot in the plan's folder.

    Raises `TrainingError` where there is none, or where it was made with other settings or for another generator.
    """
    path = plan.folder / SNAPSHOT
    if not path.exists():
        raise TrainingError(f"'{plan.folder}' holds no snapshot to go on from; start without --resume.")
    held, header = read_tensors(path, KIND, TrainingError)
    if header.get("generator") != hash_of(generator):
        raise TrainingError(f"'{path}' was made for another generator (hash {header.get('generator')}); give that one.")
    if header.get("recipe") != asdict(recipe):
        before, now = dict(header.get("recipe", {})), asdict(recipe)
        other = ", ".join(f"{name} {before.get(name)}" for name in now if before.get(name) != now[name])
        raise TrainingError(f"'{path}' was made with other settings ({other}); go on with those.")
    encoder = new_encoder(generator, recipe.seed)
    optimizer = adam(encoder, recipe.rate, BETAS)
    try:
        encoder.load_state_dict(
            {name.removeprefix("encoder."): t for name, t in held.items() if name.startswith("encoder.")}
        )
        restore_moments(optimizer, "optimizer", held)
        done = int(header["done"])
    except (KeyError, ValueError, TypeError, RuntimeError) as reason:
        raise TrainingError(f"'{path}' is a damaged snapshot ({reason}); start anew.") from reason
    return EncoderRun(recipe, plan, generator, data, features, encoder, optimizer, done)


def _looks(features: FeatureNetwork) -> Distance:
    """Return the perceptual distance by a network, of rows of images."""
    return lambda images, others: perceptual_distance(features, images, others)
