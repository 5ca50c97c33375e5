"""A step in a child process before a long run: a crash becomes a message and float32, in which the run is resumed."""

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganvas.cli import main
from ganvas.errors import TrainingError
from ganvas.io.tensor_files import read_header
from ganvas.training import launch
from ganvas.training.distributed import ProcessGroup
from ganvas.training.gan import probe, snapshots
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.task import GANSettings
from tests.training.tiny import BIG, CPU, DC, R3, STYLE, STYLE3, unequal, write_images

pytestmark = pytest.mark.usefixtures("one_thread")
PLAIN = Augmentation("none")
HALF = replace(STYLE, precision="bfloat16")
SIZES = ("--resolution", "32", "--width", "4", "--batch", "8", "--threads", "1", "--snapshot-every", "16")


def dying(number: signal.Signals, where: str = "") -> tuple[str, ...]:
    """Return a command that dies of a signal where its order holds a text."""
    code = f"import os, sys\nif {where!r} in sys.stdin.read(): os.kill(os.getpid(), {int(number)})"
    return (sys.executable, "-c", code)


@pytest.mark.parametrize("number", [signal.SIGFPE, signal.SIGSEGV, signal.SIGILL])
def test_signal_that_ends_a_child_is_named(number: signal.Signals):
    assert probe.crash_of_step(HALF, PLAIN, child=dying(number)) == number.name


@pytest.mark.parametrize("child", [dying(signal.SIGKILL), dying(signal.SIGTERM), (sys.executable, "-c", "1 / 0")])
def test_child_that_is_killed_or_raises_is_no_crash(child: tuple[str, ...]):
    assert probe.crash_of_step(HALF, PLAIN, child=child) == ""


@pytest.mark.slow
def test_child_does_a_training_step():
    done = probe.run_child(probe.order_of(replace(HALF, path=2.0), Augmentation("adaptive")), probe.CHILD)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "settings",
    [replace(STYLE, discriminator_warmup=3, r2=1.0), DC, STYLE3, BIG, R3],
    ids=["stylegan2", "dcgan", "stylegan3", "biggan", "r3gan"],
)
def test_step_of_a_child_trains_both_networks_with_every_penalty(
    settings: GANSettings, monkeypatch: pytest.MonkeyPatch
):
    seen: dict = {}
    step = type(settings).step
    monkeypatch.setattr(type(settings), "step", lambda *arguments: seen.update(step(*arguments)) or seen)
    probe.do_step(probe.order_of(settings, Augmentation("diff")))
    assert {"D", "G"} | ({"R1", "R2"} if settings.family == "stylegan2" else set()) <= set(seen)


def test_only_long_runs_on_a_cpu_are_probed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "CHILD", ("no-such-program",))
    monkeypatch.setattr(probe, "crash_of_step", lambda *_: pytest.fail("a step was done"))
    for device, steps in ((CPU, probe.LONG_RUN_STEPS - 1), (torch.device("meta"), 10_000)):
        assert probe.safe_settings(HALF, PLAIN, device, ProcessGroup(), steps, may_change=True) == (HALF, "")


def test_float32_follows_where_half_precision_crashes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "CHILD", dying(signal.SIGFPE, "bfloat16"))
    settings, message = probe.safe_settings(HALF, PLAIN, CPU, ProcessGroup(), 10_000, may_change=True)
    assert settings == replace(HALF, precision="float32")
    assert f"bfloat16 crashes on this machine (SIGFPE, {torch.get_num_threads()} threads)" in message
    with pytest.raises(TrainingError, match="give --precision float32"):
        probe.safe_settings(HALF, PLAIN, CPU, ProcessGroup(), 10_000, may_change=False)


def test_run_that_crashes_in_every_precision_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "CHILD", dying(signal.SIGSEGV))
    for settings in (HALF, STYLE):
        with pytest.raises(TrainingError, match=r"SIGSEGV.*another number of --threads"):
            probe.safe_settings(settings, PLAIN, CPU, ProcessGroup(), 10_000, may_change=True)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Train on a machine whose faster precision is bfloat16, in which a step crashes."""
    source = write_images(tmp_path / "images", 20, (32, 32))
    monkeypatch.setattr(launch, "fastest_precision", lambda device: "bfloat16")
    monkeypatch.setattr(probe, "LONG_RUN_STEPS", 1)
    monkeypatch.setattr(probe, "CHILD", dying(signal.SIGFPE, "bfloat16"))

    def call(*options: object) -> int:
        return main([str(each) for each in ("train", "dcgan", source, *SIZES, *options)])

    return call


@pytest.mark.slow
def test_run_that_fell_back_is_resumed_bit_for_bit(
    train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert train("--images", 32, "--precision", "float32", "--out", whole) == 0
    assert "training in float32, which is slower" not in capsys.readouterr().err
    assert train("--images", 16, "--out", cut) == 0
    assert "training in float32, which is slower" in capsys.readouterr().err
    monkeypatch.setattr(probe, "CHILD", dying(signal.SIGFPE, "nothing"))  # as with other --threads
    assert train("--images", 32, "--resume", "auto", "--out", cut) == 0
    first, second = (snapshots.all_in(folder)[-1] for folder in (whole, cut))
    assert read_header(second, TrainingError)["settings"]["precision"] == "float32"
    assert unequal(snapshots.read(first).tensors, snapshots.read(second).tensors) == []


def test_precision_that_was_given_is_not_changed(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert train("--precision", "bfloat16", "--out", tmp_path / "mine") == 2
    assert "A training step in bfloat16 crashes on this machine (SIGFPE" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
