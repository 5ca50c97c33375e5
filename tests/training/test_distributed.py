"""Several processes train as one does: the same weights, one stop, one voice."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas.errors import TrainingError
from ganvas.training.distributed import Team, check_batch, own_device
from ganvas.training.gan import starting
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.networks import tensors
from ganvas.training.gan.run import Plan
from ganvas.training.randomness import Share
from tests.training.teammate import RECIPE, STEPS, STOPS_AT
from tests.training.tiny import CPU, images_at

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """Return the folder in which two processes trained, and how they ended."""
    folder = tmp_path_factory.mktemp("team")
    about = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.teammate", str(folder)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=os.environ | about | {"RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    codes = [process.returncode for process in processes]
    assert codes == [0, -signal.SIGKILL], b"\n".join(errors).decode()
    return folder, codes


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    plan = Plan(tmp_path_factory.mktemp("one"), STEPS * RECIPE.batch, log_every=80, sheet_every=0, snapshot_every=0)
    run = starting.begin(RECIPE, plan, images_at(RECIPE.resolution), Augmentation("adaptive"), CPU, Team())
    for _ in run.events():
        pass
    return tensors(run.networks)


def test_two_processes_come_to_the_same_weights_as_one(trained, alone: dict[str, torch.Tensor]):
    folder, _ = trained
    for rank in range(2):
        found = torch.load(folder / f"{rank}.pt", weights_only=True)
        for name, expected in alone.items():
            if not name.startswith("optimizer"):
                assert float((found[name] - expected).abs().max()) < TOLERANCE, name
    moved = (
        RECIPE.build(CPU).generator.synthesis.blocks["b16"].conv1.weight
        - alone["generator.synthesis.blocks.b16.conv1.weight"]
    )
    assert moved.abs().max() > 100 * TOLERANCE


def test_processes_stay_bit_for_bit_the_same(trained):
    folder, _ = trained
    one, other = (torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert [name for name in one if name != "kinds" and not torch.equal(one[name], other[name])] == []


def test_only_the_first_writes(trained):
    folder, _ = trained
    assert (folder / "run" / "log.jsonl").read_text().count("\n") == 4
    assert list((folder / "stopped-1").iterdir()) == []


def test_all_stop_at_the_same_step(trained):
    folder, _ = trained
    assert [(folder / f"stopped-{rank}.txt").read_text() for rank in range(2)] == [f"{STOPS_AT} True"] * 2


def test_a_lost_process_is_told(trained):
    folder, _ = trained
    assert (folder / "lost.txt").read_text().startswith("TrainingError: Another of the processes")


def test_alone_nothing_is_asked():
    values = [torch.ones(3), torch.zeros(2, 2)]
    Team().average(values)
    assert float(sum(value.sum() for value in values)) == 3
    assert (Team().any(True), Team().any(False), Team().leads) == (True, False, True)
    assert not Team(Share(1, 2)).leads


def test_batches_are_cut_into_whole_groups():
    check_batch(32, Share(0, 4), 4)
    with pytest.raises(TrainingError, match="24 cannot be cut into groups of 4 for 4 processes; give a multiple of 16"):
        check_batch(24, Share(0, 4), 4)


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch):
    assert own_device(torch.device("cuda:0")) == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert own_device(torch.device("cuda:0")) == own_device(torch.device("cuda")) == torch.device("cuda:3")
    assert own_device(torch.device("cpu")) == torch.device("cpu")
    assert own_device(torch.device("cuda:1")) == torch.device("cuda:1")
