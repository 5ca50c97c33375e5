"""``ganvas train``: what it says, what it refuses, and that a killed run goes on bit for bit."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.training.gan import probe, snapshots
from tests.cli.conftest import Outcome, Run
from tests.generators.small import small_stylegan2
from tests.training.tiny import unequal, write_images

TINY = ("--resolution", "32", "--width", "4", "--batch", "8", "--precision", "float32", "--threads", "1")
SMALL = ("--resolution", "8", "--channel-base", "64", "--channel-max", "8", "--z-dim", "8", "--mapping-layers", "1")
OFTEN = ("--log-every", "16", "--sheet-every", "0", "--snapshot-every", "32", "--keep", "99")


@pytest.fixture(autouse=True)
def no_step_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dry runs of long plans do a step in a child process; `tests/training/test_probe.py` has tests of that."""
    monkeypatch.setattr(probe, "LONG_RUN_STEPS", 10**9)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), 20, (32, 32))


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.slow
def test_trained_generator_works_in_other_commands(run: Run, tmp_path: Path, images: Path):
    """What a run makes is read by the other commands."""
    (images / "notes.txt").write_text("not an image")
    options = (*SMALL, "--batch", "8", "--images", "32", "--sheet-every", "16", "--log-every", "8", "--threads", "1")
    outcome = run("train", "stylegan2", images, *options, "--out", tmp_path / "mine")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"20 images at 8 pixels from {images}\n")
    assert "finished after 32 images" in outcome.out
    for name in ("sheet-000000032.png", "snapshot-000000032.safetensors", "generator.safetensors", "timelapse.webp"):
        assert f"wrote {tmp_path / 'mine' / name}\n" in outcome.out
        assert (tmp_path / "mine" / name).stat().st_size > 0
    generator = tmp_path / "mine" / "generator.safetensors"
    about = json.loads(run("models", "info", generator, "--json").out)
    assert (about["name"], about["family"]) == ("mine", "stylegan2")
    assert about["source"]["command"] == "ganvas train stylegan2"
    assert run("sample", generator, "--seeds", "0-3", "--out", tmp_path / "sample").code == 0
    region = ("--region", "box:0.2,0.2,0.7,0.7", "--seeds", "0", "--count", "2", "--out", tmp_path / "found")
    assert run("directions", generator, *region).code == 0
    edit = run("edit", generator, tmp_path / "found" / "directions.safetensors", "--out", tmp_path / "edit")
    assert edit.code == 0, edit.err


@pytest.mark.slow
def test_adapted_generator_works_in_other_commands(run: Run, tmp_path: Path, images: Path):
    """A generator moves to three images, and goes through the other commands as any other."""
    small = save_generator(tmp_path / "small.safetensors", small_stylegan2(16), About("small", ""))
    few = tmp_path / "few"
    few.mkdir()
    for image in sorted(images.glob("*.png"))[:3]:
        (few / image.name).write_bytes(image.read_bytes())
    out = tmp_path / "moved"
    outcome = run("train", "adapt", small, few, "--images", "16", "--batch", "4", "--threads", "1", "--out", out)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("3 images at 16 pixels")
    assert outcome.err.startswith("training on 3 images at 16 pixels, until 16 are shown; Ctrl-C saves and ends\n")
    assert f"{out / 'sheet-000000000.png'}; 0% of the way to the photos\n" in outcome.err
    assert "finished after 16 images" in outcome.out
    about = json.loads(run("models", "info", out / "generator.safetensors", "--json").out)
    assert (about["name"], about["source"]["command"]) == ("moved", "ganvas train adapt")
    assert run("sample", out / "generator.safetensors", "--seeds", "0-3", "--out", tmp_path / "sample").code == 0
    again = run("train", "adapt", small, few, "--images", "24", "--batch", "4", "--threads", "1", "--out", out)
    assert (again.code, "holds a run already" in again.err) == (2, True)
    more = ("--images", "24", "--batch", "4", "--threads", "1", "--resume", "auto", "--out", out)
    assert "finished after 24 images" in run("train", "adapt", small, few, *more).out
    missing = run("train", "adapt", "no-such-generator", few, "--out", tmp_path / "other")
    assert (missing.code, "There is no generator" in missing.err) == (2, True)


@pytest.mark.slow
def test_training_reports_kernel_mmd_on_held_out_images(run: Run, tmp_path: Path, images: Path):
    test = ("--test", images, "--test-every", "8", "--images", "16")
    outcome = run("train", "dcgan", images, *TINY, *test, "--out", tmp_path / "mine")
    assert outcome.code == 0, outcome.err
    assert re.search(r"^kernel MMD \d+\.\d{4} after 16 images$", outcome.out, re.MULTILINE)
    assert f"wrote {tmp_path / 'mine' / 'kernel-mmd.png'}\n" in outcome.out
    for command, said in (
        (("stylegan2", images, *SMALL, *test), "8 pixels are too small"),
        (("dcgan", images, *TINY, "--test", tmp_path / "nowhere"), "does not exist"),
    ):
        refused = run("train", *command, "--out", tmp_path / "other")
        assert (refused.code, said in refused.err, held(tmp_path / "other")) == (2, True, [])


def test_training_prints_a_summary_as_json(run: Run, tmp_path: Path, images: Path):
    outcome = run("train", "dcgan", images, *TINY, "--images", "16", "--out", tmp_path / "mine", "--json")
    summary = json.loads(outcome.out)
    assert [summary[name] for name in ("command", "state", "images", "alarms")] == ["train", "finished", 16, []]
    assert summary["summary"]["count"] == 20
    assert all(Path(path).exists() for path in summary["files"])
    assert outcome.err == ""


@pytest.mark.slow
def test_biggan_of_three_folders_is_trained_and_sampled_by_class(run: Run, tmp_path: Path):
    for name in ("cats", "cars", "dogs"):
        write_images(tmp_path / "kinds" / name, 16, (24, 16))
    sizes = ("--resolution", "16", "--channels", "16,8,8", "--depth", "1", "--batch", "6", "--threads", "1")
    more = ("--images", "12", "--precision", "float32", "--out", tmp_path / "mine")
    outcome = run("train", "biggan", tmp_path / "kinds", *sizes, *more, "--fit", "pad")
    assert outcome.code == 0, outcome.err
    assert "48 were not square: black was added" in outcome.out
    generator, out = tmp_path / "mine" / "generator.safetensors", tmp_path / "samples"
    assert run("sample", generator, "--seeds", "0-1", "--label", "dogs", "--out", out).code == 0
    check(run("sample", generator, "--seeds", "0", "--label", "birds", "--out", out), "cars")
    check(run("train", "biggan", tmp_path / "kinds" / "cats", *sizes), "is in no class's folder: give a folder with")
    check(run("train", "biggan", tmp_path / "kinds", *sizes, *more, "--resume", "auto"), "fit was pad, now crop")


@pytest.mark.slow
def test_stylegan3_is_trained_and_its_images_can_be_moved(run: Run, tmp_path: Path, images: Path):
    sizes = ("--resolution", "16", "--channels", "8,8,8,8", "--batch", "4", "--z-dim", "8", "--threads", "1")
    more = ("--augment", "adaptive", "--precision", "float32", "--out", tmp_path / "mine")
    outcome = run("train", "stylegan3", images, *sizes, *more, "--images", "8")
    assert outcome.code == 0, outcome.err
    generator = tmp_path / "mine" / "generator.safetensors"
    assert run("sample", generator, "--seeds", "0", "--rotate", "10", "--out", tmp_path / "samples").code == 0
    check(run("train", "stylegan3", images, *sizes, *more, "--resume", "auto", "--rotation"), "rotation was False")
    check(run("train", "stylegan3", images, "--resolution", "48"), "power of two")
    check(run("train", "stylegan3", images, "--channels", "8,x"), "write a number for each")


@pytest.mark.parametrize("family", ["dcgan", "stylegan2"])
def test_dry_run_writes_nothing(run: Run, tmp_path: Path, images: Path, family: str):
    sizes = TINY if family == "dcgan" else (*SMALL, "--batch", "8", "--discriminator-warmup", "500")
    outcome = run("train", family, images, *sizes, "--out", tmp_path / "mine", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "images a second on cpu: 300,000 would take about" in outcome.out
    assert "dry run" in outcome.out
    assert not (tmp_path / "mine").exists()
    summary = json.loads(run("train", family, images, *sizes, "--dry-run", "--json").out)
    assert summary["rate"] > 0
    assert summary["parameters"]["generator"] > 1000


def test_skipped_images_are_reported(run: Run, tmp_path: Path):
    source = write_images(tmp_path / "in", 20, (40, 30))
    for number in range(7):
        (source / f"broken{number}.png").write_bytes(b"x")
    (source / "20.png").write_bytes((source / "03.png").read_bytes())
    outcome = run("train", "dcgan", source, *TINY, "--dry-run")
    assert "21 images at 32 pixels" in outcome.out
    assert "21 were not square: the middle was taken" in outcome.out
    assert "21 are smaller than 32 pixels and were enlarged" in outcome.out
    assert "1 are the same as others" in outcome.out
    assert "left out broken0.png and 6 more: Cannot read the image: it is text, not an image." in outcome.out


def check(outcome: Outcome, word: str) -> None:
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) <= 2, outcome.err
    assert "Traceback" not in outcome.err
    assert word in outcome.err


@pytest.mark.parametrize(
    ("family", "options", "word"),
    [
        ("dcgan", ["--resolution", "48"], "--resolution"),
        ("dcgan", ["--loss", "relativistic"], "--loss"),
        ("dcgan", ["--batch", "1"], "at least 2"),
        ("dcgan", ["--batch", "7"], "give a multiple of 2"),
        ("dcgan", ["--learning-rate", "0"], "--learning-rate: 0 is not possible; give above 0 to 1"),
        ("dcgan", ["--learning-rate", "nan"], "--learning-rate: nan is not possible"),
        ("dcgan", ["--width", "0"], "--width: 0 is not"),
        ("dcgan", ["--augment", "much"], "--augment"),
        ("dcgan", ["--images", "0"], "--images: 0 is not possible; give 1 to"),
        ("dcgan", ["--images", "many"], "many"),
        ("dcgan", ["--keep", "0"], "--keep: 0 is not"),
        ("dcgan", ["--threads", "-1"], "--threads: -1 is not"),
        ("dcgan", ["--device", "quantum"], "give cpu"),
        ("dcgan", ["--precision", "int8"], "--precision"),
        ("dcgan", ["--start", "nowhere"], "no generator 'nowhere'"),
        ("dcgan", ["--start", "faces"], "A dcgan starts from another dcgan, not from a stylegan2"),
        ("stylegan2", ["--resolution", "48"], "power of two"),
        ("stylegan2", ["--batch", "6"], "multiple of 4"),
        ("stylegan2", ["--mixing", "2"], "--mixing: 2 is not possible; give 0 to 1"),
        ("stylegan2", ["--penalty-every", "0"], "--penalty-every: 0 is not"),
        ("stylegan2", ["--channel-max", "0"], "--channel-max: 0 is not"),
        ("stylegan2", ["--r1", "-1"], "--r1: -1 is not"),
        (
            "stylegan2",
            ["--start", "faces", "--resolution", "32"],
            "z_dim is 256, not 8; hidden is",
        ),
        ("stylegn2", [], 'Did you mean "stylegan2"'),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["", "dry"])
def test_training_refuses_wrong_settings(
    run: Run, tmp_path: Path, images: Path, family: str, options: list[str], word: str, dry: tuple
):
    sizes = TINY if family == "dcgan" else SMALL
    given = dict(zip(sizes[::2], sizes[1::2], strict=True)) | dict(zip(options[::2], options[1::2], strict=True))
    parts = [part for pair in given.items() for part in pair]
    check(run("train", family, images, *parts, "--out", tmp_path / "mine", *dry), word)
    assert held(tmp_path / "mine") == []


def test_only_the_main_process_reports_wrong_input(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "1")
    outcome = run("train", "dcgan", tmp_path / "nowhere")
    assert (outcome.code, outcome.out, outcome.err) == (2, "", "")


def test_training_refuses_unusable_data(run: Run, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    check(run("train", "dcgan", tmp_path / "nowhere"), "does not exist; give a folder or a zip of images")
    check(run("train", "dcgan", tmp_path / "empty"), "holds no images")
    check(run("train", "dcgan", tmp_path / "text.zip"), "is neither; give a folder or a zip")
    check(run("train", "dcgan", write_images(tmp_path / "one", 1)), "1 readable image")
    check(run("train", "dcgan"), "DATA")
    assert not Path("training").exists()


@pytest.mark.slow
def test_training_refuses_used_folders_and_changed_settings(run: Run, tmp_path: Path, images: Path):
    train = ("train", "dcgan", images, *TINY, *OFTEN, "--out", tmp_path / "mine")
    check(run(*train, "--resume", "auto"), "holds no snapshot to resume from; start without --resume")
    assert run(*train, "--images", "32").code == 0
    check(run(*train), "holds a run already: go on with --resume auto, or give another --out")
    check(run(*train, "--resume", "auto", "--seed", "3"), "seed was 0, now 3. Give those, or --change")
    check(run(*train, "--resume", "auto", "--augment", "diff"), "augment was none, now diff")
    generator = tmp_path / "mine" / "generator.safetensors"
    check(run(*train, "--resume", generator), "holds generator, not training snapshot")
    assert run(*train, "--images", "40", "--resume", "auto", "--seed", "3", "--change").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("source", ["made", "cats"])
def test_killed_run_goes_on_bit_for_bit(
    run: Run, tmp_path: Path, images: Path, source: str, request: pytest.FixtureRequest
):
    data = images if source == "made" else request.getfixturevalue("shared") / "data" / "grumpy-cat-64.zip"
    train = ["train", "dcgan", data, *TINY, *OFTEN, "--augment", "adaptive"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start([*train, "--out", killed, "--images", "2000"])
    wait_for(lambda: len(snapshots.all_in(killed)) > 1, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    reached = int(snapshots.all_in(killed)[-1].stem.split("-")[1])
    goal = ["--images", str(reached + 48)]
    assert run(*train, "--out", killed, *goal, "--resume", "auto").code == 0
    assert run(*train, "--out", whole, *goal).code == 0
    names = [path.name for path in snapshots.all_in(whole)]
    assert names == [path.name for path in snapshots.all_in(killed)]
    for name in names[-3:]:
        assert unequal(*(snapshots.read(folder / name).tensors for folder in (killed, whole))) == []


@pytest.mark.slow
def test_interrupted_training_saves_and_ends(tmp_path: Path, images: Path):
    folder = tmp_path / "mine"
    process = start(["train", "dcgan", images, *TINY, "--out", folder, "--log-every", "8"])
    wait_for((folder / "log.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err.splitlines()[0] == "training on 20 images at 32 pixels, until 300,000 are shown; Ctrl-C saves and ends"
    assert err.splitlines()[-1] == "Stopped. Files that were finished are kept."
    reached = int(re.findall("stopped after ([0-9,]+) images", out)[0].replace(",", ""))
    assert (folder / f"sheet-{reached:09d}.png").exists()
    assert len(snapshots.all_in(folder)) == 1
    assert {"generator.safetensors", "losses.png", "log.jsonl", "settings.json"} <= set(held(folder))
    assert not any(name.startswith(".") for name in held(folder))


@pytest.mark.slow
def test_torchrun_trains_in_two_processes(tmp_path: Path, images: Path):
    """One of them speaks, and both end."""
    options = [*SMALL, "--batch", "8", "--images", "32", "--log-every", "8", "--threads", "1"]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ganvas"]
    process = start(["train", "stylegan2", images, *options, "--out", tmp_path / "mine"], launcher)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.count("finished after 32 images") == 1
    assert len((tmp_path / "mine" / "log.jsonl").read_text().splitlines()) == 4


def start(arguments: Sequence[object], launcher: Sequence[str] = ("-m", "ganvas")) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *launcher, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(condition, process: subprocess.Popen, seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.02)


@pytest.mark.slow
def test_trained_encoder_starts_inversions(run: Run, tmp_path: Path, images: Path):
    options = (
        "--resolution",
        "16",
        *SMALL[2:],
        "--batch",
        "8",
        "--images",
        "8",
        "--sheet-every",
        "0",
        "--threads",
        "1",
    )
    assert run("train", "stylegan2", images, *options, "--out", tmp_path / "mine").code == 0
    generator = tmp_path / "mine" / "generator.safetensors"
    often = ("--batch", "4", "--steps", "4", "--real-from", "2", "--log-every", "1", "--save-every", "2")
    train = ("train", "encoder", generator, images, *often, "--precision", "float32", "--out", tmp_path / "encoder")
    outcome = run(*train, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["state"], found["steps"]) == ("finished", 4)
    assert held(tmp_path / "encoder") == ["encoder.safetensors", "log.jsonl", "sheet.png", "snapshot.safetensors"]
    check(run(*train), "holds a training already: go on with --resume")
    assert "finished after 4 steps" in run(*train, "--resume").out
    start = ("--start", tmp_path / "encoder" / "encoder.safetensors")
    mine = (*start, "--steps", "1", "--frames", "0", "--tune", "0", "--ood", "off", "--out", tmp_path / "inverted")
    photo = next(path for path in sorted(images.iterdir()) if path.suffix == ".png")
    outcome = run("invert", generator, photo, *mine)
    assert outcome.code == 0, outcome.err
    check(run("invert", "faces", photo, *mine), "is the encoder of another generator")
    check(run(*train, "--resume", "--learning-rate", "1"), "other settings (learning_rate 0.001)")
    check(run("train", "encoder", generator, tmp_path / "nowhere", "--out", tmp_path / "other"), "does not exist")
    check(run("train", "encoder", "nowhere", images, "--out", tmp_path / "other"), "no generator 'nowhere'")
    check(run("train", "encoder", generator, images, "--steps", "0", "--out", tmp_path / "other"), "--steps: 0 is not")
    assert held(tmp_path / "other") == []
