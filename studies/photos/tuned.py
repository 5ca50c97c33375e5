"""Photos tuned one by one from their w+ codes; each is kept when it is done."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.comparisons.reconstruction import ReconstructionMetrics
from ganvas.errors import GanvasError
from ganvas.generators.protocol import Generator
from ganvas.inversion.prepare import finish_inversion, prepare_inversion
from ganvas.inversion.settings import InversionSettings
from ganvas.inversion.tuning import TuningSettings
from ganvas.io.json_files import write_json
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent


@dataclass(frozen=True)
class TunedPhoto:
    """What became of a photo: numbers, seconds, and where its latent lies."""

    psnr: float
    perceptual: float
    ssim: float
    seconds: float
    latent: str
    discriminator: float | None = None

    def load(self, folder: Path) -> Latent:
        """Return the latent with its changed weights."""
        return load_latent(folder / self.latent)


def tuned_folder(out: Path, tuning: TuningSettings) -> Path:
    """Return where photos tuned by these steps at this rate are kept, so that others are not taken for them."""
    return out / f"tuned-{tuning.steps}-{tuning.rate:g}"


def tune_all(
    generator: Generator,
    photos: Float[Tensor, "n 3 r r"],
    pivots: Latent,
    tuning: TuningSettings,
    folder: Path,
    metrics: ReconstructionMetrics,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[TunedPhoto]:
    """Tune the generator for every photo alone, where `folder` does not hold it yet; returns all."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(len(photos)):
        place = folder / f"photo-{row:03d}.json"
        if not place.is_file():
            write_json(
                place, asdict(_tune(generator, photos[row : row + 1], pivots.rows([row]), tuning, place, metrics))
            )
        progress("Tuning", row + 1, len(photos))
    return [_read(folder / f"photo-{row:03d}.json") for row in range(len(photos))]


def _tune(
    generator: Generator,
    photo: Float[Tensor, "1 3 r r"],
    pivot: Latent,
    tuning: TuningSettings,
    place: Path,
    metrics: ReconstructionMetrics,
) -> TunedPhoto:
    settings = InversionSettings("w+", steps=1, start=pivot)
    run = prepare_inversion(generator, photo, settings, features=metrics.features, names=pivot.captions)
    step, begun = next(run.steps()), time.perf_counter()
    *_, last = run.tuning(step, tuning)
    done = finish_inversion(run, step, time.perf_counter() - begun, last)
    latent = done.latent.save(place.with_suffix(".safetensors"))
    near = {name: value for name, (value,) in metrics.measure(done.images, photo).items()}
    return TunedPhoto(seconds=done.metrics[0].seconds, latent=latent.name, **near)


def _read(place: Path) -> TunedPhoto:
    try:
        return TunedPhoto(**json.loads(place.read_text("utf-8")))
    except (ValueError, TypeError) as reason:
        raise GanvasError(f"'{place}' is damaged ({reason}); remove it to tune for that photo again.") from reason


def images_of_tuned(tuned: Sequence[TunedPhoto], generator: Generator, folder: Path) -> Float[Tensor, "n 3 r r"]:
    """Return the images of tuned photos."""
    return torch.cat([image for one in tuned for image in one.load(folder).images(generator)])
