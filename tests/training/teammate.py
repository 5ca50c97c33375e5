"""One process of a team, for the test of teams: ``python -m tests.training.teammate FOLDER``."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from ganvas.training.distributed import team
from ganvas.training.gan import starting
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.networks import tensors
from ganvas.training.gan.run import Plan
from ganvas.training.gan.stylegan2 import StyleGAN2Recipe
from tests.training.tiny import CPU, STYLE, images_at

RECIPE: StyleGAN2Recipe = replace(STYLE, batch=16, penalty_images=8, r2=0.5, path=2.0, path_every=4, mixing=0.9)
STEPS = 20
STOPS_AT = 4


def main(folder: Path) -> None:
    """Train; then begin another run, which the second process wants to stop; then lose the second process."""
    torch.set_num_threads(1)
    with team(CPU) as members:
        rank = members.share.rank
        parts = images_at(RECIPE.resolution), Augmentation("adaptive"), CPU, members
        plan = Plan(folder / "run", STEPS * RECIPE.batch, log_every=80, sheet_every=0, snapshot_every=0)
        plan.folder.mkdir(exist_ok=True)
        run = starting.begin(RECIPE, plan, *parts)
        kinds = [event.kind for event in run.events()]
        torch.save({**tensors(run.networks), "kinds": len(kinds)}, folder / f"{rank}.pt")

        second = starting.begin(RECIPE, replace(plan, folder=folder / f"stopped-{rank}"), *parts)
        second.plan.folder.mkdir(exist_ok=True)
        for event in second.events():
            if rank == 1 and event.kind == "step" and second.progress.step == STOPS_AT:
                second.stopping = True
        (folder / f"stopped-{rank}.txt").write_text(f"{second.progress.step} {second.stopping}")
        if rank == 1:
            signal.raise_signal(signal.SIGKILL)
        try:
            members.any(False)
        except Exception as error:
            (folder / "lost.txt").write_text(f"{type(error).__name__}: {error}")
        os._exit(0)  # without gloo's end, which may abort where another process has been killed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
