"""One step in a child process before a long run: a kernel that crashes ends the child, not the run.

Some kernels of CPU libraries crash with a signal for certain shapes, data types and numbers of threads
(docs/decisions.md has one). A run whose step crashes in bfloat16 is trained in float32 instead, which is slower; its
snapshots and settings record that precision, so that it is resumed in it.
"""

import json
import math
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from ganvas.errors import TrainingError
from ganvas.training.distributed import ProcessGroup
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.starting import settings_of
from ganvas.training.gan.step import Step
from ganvas.training.gan.task import GANSettings
from ganvas.training.randomness import Randomness, Shard

LONG_RUN_STEPS = 200
LONGEST_SECONDS = 900.0
CRASHES = ("SIGFPE", "SIGSEGV", "SIGILL", "SIGBUS", "SIGABRT")
CHILD = (sys.executable, "-m", "ganvas.training.gan.probe")


def safe_settings(
    settings: GANSettings,
    augmentation: Augmentation,
    device: torch.device,
    processes: ProcessGroup,
    steps: int,
    *,
    may_change: bool,
) -> tuple[GANSettings, str]:
    """Return the settings to train with, and a message where they had to change, else "": float32 where a step in the
    given precision crashes. All processes return the same.

    Only runs of at least 200 steps on a CPU are probed. Raises `TrainingError` where no precision works, or where
    another one works and `may_change` is false.
    """
    if device.type != "cpu" or steps < LONG_RUN_STEPS:
        return settings, ""
    crash = crash_of_step(settings, augmentation, processes.shard) if processes.is_main else ""
    if not processes.any(bool(crash)):
        return settings, ""
    crash = crash or "a signal, found by rank 0"
    slower = replace(settings, precision="float32")
    works = slower != settings and not (processes.is_main and crash_of_step(slower, augmentation, processes.shard))
    works = not processes.any(not works)
    cause = (
        f"A training step in {settings.precision} crashes on this machine ({crash}, {torch.get_num_threads()} threads)"
    )
    if not works:
        raise TrainingError(f"{cause}. Give another number of --threads, or set ONEDNN_MAX_CPU_ISA=AVX2 and try again.")
    if not may_change:
        raise TrainingError(f"{cause}, one in float32 does not: give --precision float32 or auto, or other --threads.")
    return slower, f"{cause}: training in float32, which is slower"


def crash_of_step(
    settings: GANSettings, augmentation: Augmentation, shard: Shard = Shard(), child: Sequence[str] | None = None
) -> str:
    """Do one step in a child process, on random images; return the name of the signal that ended it, "" for none.

    Errors of other kinds do not count: the run itself raises them, with their message.
    """
    try:
        return _crash(run_child(order_of(settings, augmentation, shard), child or CHILD).returncode)
    except (OSError, subprocess.TimeoutExpired):
        return ""


def order_of(settings: GANSettings, augmentation: Augmentation, shard: Shard = Shard()) -> dict[str, Any]:
    """Return the order for a child, in JSON's types."""
    return {
        "settings": asdict(settings),
        "augmentation": asdict(augmentation),
        "shard": asdict(shard),
        "threads": torch.get_num_threads(),
    }


def run_child(order: Mapping[str, Any], child: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a child on an order and return how it ended."""
    return subprocess.run(child, input=json.dumps(order), capture_output=True, text=True, timeout=LONGEST_SECONDS)


def _crash(code: int) -> str:
    """Return the crash that an exit code stands for: a signal, or one of Windows' exceptions (0xC0000000 and above)."""
    if code >= 0xC0000000:
        return f"exception {code:#x}"
    names = {-number: number.name for number in signal.Signals if number.name in CRASHES}
    return names.get(code, "")


def do_step(order: Mapping[str, Any]) -> None:
    """Do the step that `crash_of_step` asks for: one with every penalty, in which both networks learn."""
    torch.set_num_threads(order["threads"])
    settings, augmentation = settings_of(order["settings"]), Augmentation(**order["augmentation"])
    device, shard = torch.device("cpu"), Shard(**order["shard"])
    every = math.lcm(*(getattr(settings, name, 1) for name in ("penalty_every", "path_every")))
    index = -(-(settings.discriminator_warmup or 0) // every) * every
    draws = Randomness(settings.seed, index, shard, device)
    networks = settings.build(device)
    augmentation.prepare(networks.extra, device)
    real = draws.normal(settings.batch, 3, settings.resolution, settings.resolution).clamp(-1, 1)
    classes = torch.arange(len(real), device=device) % max(1, len(getattr(settings, "classes", ())))
    augment = augmentation.before_discriminator(networks.extra)
    settings.step(networks, Step(index, real, draws, augment, classes=classes))


if __name__ == "__main__":
    do_step(json.load(sys.stdin))
