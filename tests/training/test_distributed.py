"""Several processes train as one does: the same weights, a common stop, and only rank 0 writes."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganvas.errors import TrainingError
from ganvas.training.distributed import ProcessGroup, check_batch, local_device
from ganvas.training.gan import starting
from ganvas.training.gan.networks import tensors
from ganvas.training.randomness import Shard
from tests.training.tiny import CPU
from tests.training.worker import SETTINGS, STOPS_AT, task_in

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
    folder = tmp_path_factory.mktemp("processes")
    about = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.training.worker", str(folder)]
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
    run = starting.begin(task_in(tmp_path_factory.mktemp("one")))
    for _ in run.events():
        pass
    return tensors(run.networks)


@pytest.mark.slow
def test_two_processes_reach_the_weights_of_one(trained, alone: dict[str, torch.Tensor]):
    folder, _ = trained
    for rank in range(2):
        found = torch.load(folder / f"{rank}.pt", weights_only=True)
        for name, expected in alone.items():
            if not name.startswith("optimizer"):
                assert float((found[name] - expected).abs().max()) < TOLERANCE, name
    moved = (
        SETTINGS.build(CPU).generator.synthesis.blocks["b16"].conv1.weight
        - alone["generator.synthesis.blocks.b16.conv1.weight"]
    )
    assert moved.abs().max() > 100 * TOLERANCE


@pytest.mark.slow
def test_weights_of_two_processes_are_bit_identical(trained):
    folder, _ = trained
    one, other = (torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert [name for name in one if name != "kinds" and not torch.equal(one[name], other[name])] == []


def test_only_rank_0_writes_files(trained):
    folder, _ = trained
    assert (folder / "run" / "log.jsonl").read_text().count("\n") == 4
    assert list((folder / "stopped-1").iterdir()) == []


def test_processes_stop_at_the_same_step(trained):
    folder, _ = trained
    assert [(folder / f"stopped-{rank}.txt").read_text() for rank in range(2)] == [f"{STOPS_AT} True"] * 2


def test_lost_process_raises_an_error_in_the_other(trained):
    folder, _ = trained
    assert (folder / "lost.txt").read_text().startswith("TrainingError: Another of the processes")


def test_group_of_one_averages_nothing():
    values = [torch.ones(3), torch.zeros(2, 2)]
    ProcessGroup().average(values)
    assert float(sum(value.sum() for value in values)) == 3
    assert (ProcessGroup().any(True), ProcessGroup().any(False), ProcessGroup().is_main) == (True, False, True)
    assert not ProcessGroup(Shard(1, 2)).is_main


def test_batch_that_groups_do_not_divide_is_refused():
    check_batch(32, Shard(0, 4), 4)
    with pytest.raises(
        TrainingError, match="24 cannot be divided into groups of 4 for 4 processes; give a multiple of 16"
    ):
        check_batch(24, Shard(0, 4), 4)


def test_each_process_gets_its_own_gpu(monkeypatch: pytest.MonkeyPatch):
    assert local_device(torch.device("cuda:0")) == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert local_device(torch.device("cuda:0")) == local_device(torch.device("cuda")) == torch.device("cuda:3")
    assert local_device(torch.device("cpu")) == torch.device("cpu")
    assert local_device(torch.device("cuda:1")) == torch.device("cuda:1")
