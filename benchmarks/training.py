"""Training steps against steps as they are commonly written, in turn in one run: medians of the ratios."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.plain_training import PlainDCGAN, PlainStyleGAN2
from ganvas.training.gan import averaging
from ganvas.training.gan.channels import standard_channels
from ganvas.training.gan.dcgan import DCGANSettings
from ganvas.training.gan.networks import Networks
from ganvas.training.gan.step import Step
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.randomness import Randomness

DCGAN_ROUNDS, STYLE_ROUNDS = 12, 4
STYLE_BATCH = 16
CPU = torch.device("cpu")
Action = Callable[[], object]


def in_turn(steps: dict[str, Action], rounds: int, warm_ups: int = 2) -> dict[str, list[float]]:
    """Return seconds of each step in each round, in which all have their turn: what else the machine does hits all."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + warm_ups):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= warm_ups:
                times[name].append(time.perf_counter() - start)
    return times


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of how many times as long theirs took."""
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def our_step(settings: DCGANSettings | StyleGAN2Settings, networks: Networks, real: Tensor, index: int) -> None:
    """Do one of our steps as a run does it, with the average of weights."""
    settings.step(networks, Step(index, real, Randomness(0, index)))
    averaging.update(networks.average, networks.generator, 0.99)


def dcgan(batch: int = 64) -> Iterator[str]:
    """Yield a table: DCGAN at 64 px against the standard example's loop."""
    real = torch.rand(batch, 3, 64, 64) * 2 - 1
    ours = real.contiguous(memory_format=torch.channels_last)
    plain = PlainDCGAN()
    steps: dict[str, Action] = {"the example's loop, float32": lambda: plain.step(real)}
    for precision in ("float32", "bfloat16"):
        settings = DCGANSettings(batch=batch, precision=precision)
        networks = settings.build(CPU)
        steps[f"ours, {precision}"] = lambda r=settings, n=networks: our_step(r, n, ours, 0)
    yield from ("| DCGAN, 64 px, batch 64 | images a second | ratio |", "|---|---|---|")
    times = in_turn(steps, DCGAN_ROUNDS)
    reference = next(iter(times.values()))
    for name, taken in times.items():
        yield f"| {name} | {batch / statistics.median(taken):.0f} | **{ratio(taken, reference):.2f}** |"


def stylegan2(resolution: int = 128, batch: int = STYLE_BATCH) -> Iterator[str]:
    """Yield a table: StyleGAN2 against plain steps; one step of sixteen has the gradient penalty."""
    channels = standard_channels(resolution)
    settings = StyleGAN2Settings(channels, channels, batch=batch)
    real = torch.rand(batch, 3, resolution, resolution) * 2 - 1
    ours = real.contiguous(memory_format=torch.channels_last)
    names = {True: "plain, weights modulated, grouped convolutions", False: "plain, activations scaled"}
    plain = {name: PlainStyleGAN2(channels, 256, 4, grouped=grouped) for grouped, name in names.items()}
    own = {f"ours, {precision}": replace(settings, precision=precision) for precision in ("float32", "bfloat16")}
    built = {name: settings.build(CPU) for name, settings in own.items()}
    parts = []
    for penalty, rounds in ((False, STYLE_ROUNDS), (True, STYLE_ROUNDS // 2)):
        steps: dict[str, Action] = {
            name: lambda step=example.step, penalty=penalty: step(real, penalty=penalty)
            for name, example in plain.items()
        }
        for name, settings in own.items():
            index = 0 if penalty else 1
            steps[name] = lambda r=settings, n=built[name], i=index: our_step(r, n, ours, i)
        parts.append(in_turn(steps, rounds, warm_ups=1))
    # One step in sixteen has the penalty; rounds of the two kinds are put together in their order.
    whole = {name: [15 * a + b for a, b in zip(parts[0][name], 2 * parts[1][name], strict=True)] for name in parts[0]}
    first, second = names.values()
    yield f"| StyleGAN2, {resolution} px, batch {batch} | images a second | ratio to the first | to the second |"
    yield "|---|---|---|---|"
    for name, taken in whole.items():
        rate = 16 * batch / statistics.median(taken)
        yield f"| {name} | {rate:.1f} | **{ratio(taken, whole[first]):.2f}** | {ratio(taken, whole[second]):.2f} |"


def run() -> Iterator[str]:
    """Yield both tables."""
    yield from dcgan()
    yield ""
    yield from stylegan2()
