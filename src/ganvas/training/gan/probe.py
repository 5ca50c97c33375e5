"""One step of a run in a child process, before a long run: a kernel that crashes ends the child, not the run.

Some kernels of a CPU's libraries die of a signal for certain shapes, types and numbers of threads, without a word
(docs/decisions.md has one). A run that dies in bfloat16 is trained in float32 instead, which is slower; its snapshots
and settings name that precision, so that it is resumed in it.
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
from ganvas.training.distributed import Team
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.run import Recipe
from ganvas.training.gan.starting import recipe_of
from ganvas.training.randomness import Randomness, Share

LONG_RUN_STEPS = 200
LONGEST_SECONDS = 900.0
CRASHES = ("SIGFPE", "SIGSEGV", "SIGILL", "SIGBUS", "SIGABRT")
CHILD = (sys.executable, "-m", "ganvas.training.gan.probe")


def safe_recipe(
    recipe: Recipe, augmentation: Augmentation, device: torch.device, team: Team, steps: int, *, may_change: bool
) -> tuple[Recipe, str]:
    """Return the recipe to train with and a message, "" where nothing had to change: float32 where a step in the given
    precision crashes. All processes of the team return the same.

    Runs of fewer than 200 steps, and runs on other devices than a CPU, are not probed. Raises `TrainingError` where no
    precision works, or where another one works and `may_change` is false.
    """
    if device.type != "cpu" or steps < LONG_RUN_STEPS:
        return recipe, ""
    crash = crash_of_step(recipe, augmentation, team.share) if team.leads else ""
    if not team.any(bool(crash)):
        return recipe, ""
    crash = crash or "a signal, as the leading process found"
    slower = replace(recipe, precision="float32")
    works = slower != recipe and not (team.leads and crash_of_step(slower, augmentation, team.share))
    works = not team.any(not works)
    cause = (
        f"A training step in {recipe.precision} crashes on this machine ({crash}, {torch.get_num_threads()} threads)"
    )
    if not works:
        raise TrainingError(f"{cause}. Give another number of --threads, or set ONEDNN_MAX_CPU_ISA=AVX2 and try again.")
    if not may_change:
        raise TrainingError(f"{cause}, one in float32 does not: give --precision float32 or auto, or other --threads.")
    return slower, f"{cause}: training in float32, which is slower"


def crash_of_step(
    recipe: Recipe, augmentation: Augmentation, share: Share = Share(), child: Sequence[str] | None = None
) -> str:
    """Do one step in a child process, on random images; return the name of the signal it crashed with, "" for none.

    An error of another kind counts as none: the run itself will raise it, with its message.
    """
    try:
        return _crash(run_child(order_of(recipe, augmentation, share), child or CHILD).returncode)
    except (OSError, subprocess.TimeoutExpired):
        return ""


def order_of(recipe: Recipe, augmentation: Augmentation, share: Share = Share()) -> dict[str, Any]:
    """Return what a child is told, in JSON's types."""
    return {
        "recipe": asdict(recipe),
        "augmentation": asdict(augmentation),
        "share": asdict(share),
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
    recipe, augmentation = recipe_of(order["recipe"]), Augmentation(**order["augmentation"])
    device, share = torch.device("cpu"), Share(**order["share"])
    every = math.lcm(*(getattr(recipe, name, 1) for name in ("penalty_every", "path_every")))
    index = -(-recipe.discriminator_warmup // every) * every
    draws = Randomness(recipe.seed, index, share, device)
    networks = recipe.build(device)
    augmentation.prepare(networks.extra, device)
    real = draws.normal(recipe.batch, 3, recipe.resolution, recipe.resolution).clamp(-1, 1)
    recipe.step(networks, real, index, draws, augmentation.of_networks(networks.extra), Team())


if __name__ == "__main__":
    do_step(json.load(sys.stdin))
