"""One process of several that train together: ``python -m tests.training.worker FOLDER``."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from ganvas.training.distributed import process_group
from ganvas.training.gan import starting
from ganvas.training.gan.networks import tensors
from ganvas.training.gan.stylegan2 import StyleGAN2Settings
from ganvas.training.gan.task import TrainingTask
from tests.training.tiny import CPU, STYLE, task_of

SETTINGS: StyleGAN2Settings = replace(STYLE, batch=16, penalty_images=8, r2=0.5, path=2.0, path_every=4, mixing=0.9)
STEPS = 20
STOPS_AT = 4


def task_in(folder: Path) -> TrainingTask:
    """Return the task that one process and several do."""
    return task_of(SETTINGS, folder, STEPS * SETTINGS.batch, "adaptive", log_every=80, snapshot_every=0)


def main(folder: Path) -> None:
    """Train; then begin another run, which the second process wants to stop; then lose the second process."""
    torch.set_num_threads(1)
    with process_group(CPU) as processes:
        rank = processes.shard.rank
        run = starting.begin(replace(task_in(folder / "run"), processes=processes))
        kinds = [event.kind for event in run.events()]
        torch.save({**tensors(run.networks), "kinds": len(kinds)}, folder / f"{rank}.pt")

        second = starting.begin(replace(task_in(folder / f"stopped-{rank}"), processes=processes))
        for event in second.events():
            if rank == 1 and event.kind == "step" and second.state.step == STOPS_AT:
                second.stopping = True
        (folder / f"stopped-{rank}.txt").write_text(f"{second.state.step} {second.stopping}")
        if rank == 1:
            signal.raise_signal(signal.SIGKILL)
        try:
            processes.any(False)
        except Exception as error:
            (folder / "lost.txt").write_text(f"{type(error).__name__}: {error}")
        os._exit(0)  # without gloo's end, which may abort where another process has been killed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
