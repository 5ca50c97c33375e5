"""``python -m studies.alignment.train_heads HEADS --others IMAGES... --out FILE``: how the network that finds the heads
of cats was trained. See docs/results/alignment.md.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from cyclopts import Parameter
from jaxtyping import Float, UInt8
from torch import Tensor

from ganvas.checkpoints.load import load
from ganvas.errors import TrainingError
from ganvas.images.datasets import ImageSet, open_images
from ganvas.images.head_network import HeadNetwork, save_head_network
from ganvas.images.pixels import resize, to_bytes
from ganvas.latents.latent import sample
from ganvas.training.alarms import check_finite
from ganvas.training.randomness import Randomness
from studies.alignment.windows import Windows, draw_windows
from studies.command import Threads, main, show_line

RESOLUTION = 80  # pixels of images of heads: a little more than those of a window
REPORT_EVERY = 50
SEEDS_AT_ONCE = 32
PLACE_WEIGHT = 6.0  # of the similarity's loss beside that of the logit
SMOOTH = 0.03  # below which the similarity's loss is quadratic


@dataclass(frozen=True)
class HeadTrainingSettings:
    """Settings of the head network's training.

    Attributes:
        steps: Steps to do.
        batch: Windows of a step.
        learning_rate: AdamW's largest learning rate; it rises for 100 steps and falls along half a cosine.
        decay: AdamW's weight decay.
        half_life: Steps after which the average that is kept has forgotten half.
        samples: Images of the generator among the heads.
        other_images: Images taken from each of the other sets.
        seed: Random seed.
    """

    steps: int = 1300
    batch: int = 128
    learning_rate: float = 3e-3
    decay: float = 1e-3
    half_life: int = 100
    samples: int = 512
    other_images: int = 2500
    seed: int = 0


DEFAULT = HeadTrainingSettings()


def study(
    heads: Annotated[Path, Parameter(help="Folder or zip of heads, framed as the generator has them.")],
    /,
    *,
    others: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, help="Folders or zips of other things.")],
    out: Annotated[Path, Parameter(help="The file to write.")],
    model: str = "cats",
    steps: int = DEFAULT.steps,
    batch: int = DEFAULT.batch,
    seed: int = DEFAULT.seed,
    threads: Threads = None,
) -> list[Path]:
    """Train a head network and write it.

    Args:
        model: The generator whose samples are heads too.
        steps: Steps to do.
        batch: Windows of a step.
        seed: Random seed.
    """
    settings = HeadTrainingSettings(steps, batch, seed=seed)
    own = open_images(heads, RESOLUTION)
    sets = [open_images(source, RESOLUTION) for source in others]
    framed = torch.cat([_values(own), _samples(model, settings.samples)])
    foreign = torch.cat([_values(each, settings.other_images) for each in sets])
    network = train(framed, foreign, settings, _reporter(settings))
    data = {each.summary.source: len(each) for each in (own, *sets)}
    return [save_head_network(out, network, {"data": data, "samples of": model, "settings": asdict(settings)})]


def _values(images: ImageSet, most: int | None = None) -> UInt8[Tensor, "n 3 r r"]:
    """Return at most so many images, spread over all of them."""
    chosen = images.values[images.spread(most or len(images))]
    return torch.from_numpy(chosen).movedim(3, 1).contiguous()


def _samples(model: str, count: int) -> UInt8[Tensor, "n 3 r r"]:
    """Return images of a generator, half of them truncated."""
    generator, parts = load(model), []
    for first in range(0, count, SEEDS_AT_ONCE):
        seeds = range(first, min(first + SEEDS_AT_ONCE, count))
        truncation = 0.7 if first % (2 * SEEDS_AT_ONCE) else 1.0
        images = generator.synthesize(sample(generator, seeds, truncation=truncation))
        parts.append(to_bytes(resize(images, RESOLUTION, RESOLUTION)).movedim(3, 1))
    return torch.cat(parts)


def train(
    heads: UInt8[Tensor, "n 3 r r"],
    others: UInt8[Tensor, "m 3 r r"],
    settings: HeadTrainingSettings,
    report: Callable[[int, dict[str, float]], None],
) -> HeadNetwork:
    """Return a network trained to find heads; raises `TrainingError` where a loss is not finite."""
    if settings.steps < 1:
        raise TrainingError("Training takes at least one step.")
    torch.manual_seed(settings.seed)
    network = HeadNetwork()
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.decay)
    for step in range(1, settings.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.steps)
        windows = draw_windows(heads, others, settings.batch, Randomness(settings.seed, step))
        with torch.autocast("cpu", torch.bfloat16):
            found = network(windows.images)
        losses = losses_of(found, windows)
        loss = losses["head"] + PLACE_WEIGHT * losses["place"]
        check_finite({"loss": loss.detach()}, f"{step} steps")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _follow(average, network, 0.5 ** (1 / min(settings.half_life, step)))
        report(step, {name: float(value.detach()) for name, value in losses.items()})
    return average.eval()


def losses_of(found: Float[Tensor, "n 5"], windows: Windows) -> dict[str, Float[Tensor, ""]]:
    """Return the losses of logits and similarities; centers count in sides of the head, as scales and angles do."""
    head = F.binary_cross_entropy_with_logits(found[:, 0], windows.heads.float())
    known, given = windows.similarities[windows.heads], found[windows.heads, 1:]
    units = torch.cat([(-known[:, 2:3]).exp().expand(-1, 2), torch.ones_like(known[:, :2])], dim=1)
    return {"head": head, "place": F.smooth_l1_loss(given * units, known * units, beta=SMOOTH)}


def _schedule(step: int, steps: int) -> float:
    return min(1.0, step / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def _follow(average: HeadNetwork, network: HeadNetwork, kept: float) -> None:
    for old, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        old.lerp_(new, 1 - kept) if old.is_floating_point() else old.copy_(new)


def _reporter(settings: HeadTrainingSettings) -> Callable[[int, dict[str, float]], None]:
    start, past = time.perf_counter(), list[dict[str, float]]()

    def report(step: int, losses: dict[str, float]) -> None:
        past.append(losses)
        if step % REPORT_EVERY == 0 or step == settings.steps:
            shown = ", ".join(f"{name} {_mean(past, name):.4f}" for name in losses)
            left = (time.perf_counter() - start) / step * (settings.steps - step)
            show_line(f"step {step} of {settings.steps}: {shown}, {left / 60:.0f} minutes left")
            past.clear()

    return report


def _mean(past: Sequence[dict[str, float]], name: str) -> float:
    return sum(one[name] for one in past) / len(past)


if __name__ == "__main__":
    main("studies.alignment.train_heads:study")
