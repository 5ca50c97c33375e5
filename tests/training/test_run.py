"""A run: what it writes and when, what stops it, and that no broken or partial file is left."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.errors import GanvasError, NotFiniteError, TrainingError
from ganvas.training.gan import run as running
from ganvas.training.gan import snapshots
from ganvas.training.gan.run import TrainingRun, fixed_samples
from ganvas.training.gan.task import GANSettings, RunSchedule
from ganvas.training.log import read_log
from tests.training.tiny import BIG, DC, R3, STYLE, STYLE3, AlwaysDue, begin, differing, finish, go_on

pytestmark = pytest.mark.usefixtures("one_thread")
EACH = pytest.mark.parametrize(
    "settings", [STYLE, DC, BIG, STYLE3, R3], ids=["stylegan2", "dcgan", "biggan", "stylegan3", "r3gan"]
)


def names(folder: Path, pattern: str = "*") -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


@pytest.mark.slow
def test_files_and_events_follow_the_schedule(tmp_path: Path):
    run = begin(DC, tmp_path / "run", 100, log_every=24, sheet_every=50, snapshot_every=40, weights_every=64)
    events = [(event.kind, event.images) for event in finish(run)]
    counts = {kind: [n for what, n in events if what == kind] for kind in ("log", "sheet", "snapshot")}
    assert counts == {"log": [24, 48, 72, 96], "sheet": [0, 56, 104], "snapshot": [40, 64, 80, 104]}
    assert names(tmp_path / "run") == [
        "generator.safetensors",
        "log.jsonl",
        "settings.json",
        "sheet-000000000.png",
        "sheet-000000056.png",
        "sheet-000000104.png",
        "snapshot-000000040.safetensors",
        "snapshot-000000080.safetensors",
        "snapshot-000000104.safetensors",
        "weights-000000064.safetensors",
    ]
    assert run.state.images == 104


def test_sheets_by_the_clock_change_nothing_but_image_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Weights, moments and log are bit for bit those of a run without them; the generator is there at once."""
    plain = begin(DC, tmp_path / "plain", 40, kind="adaptive", sheet_every=24)
    finish(plain)
    monkeypatch.setattr(running, "SheetClock", AlwaysDue)
    clocked = begin(DC, tmp_path / "clocked", 40, kind="adaptive", sheet_every=24)
    for event in clocked.events():
        assert event.images < 8 or (tmp_path / "clocked/generator.safetensors").exists() or event.kind != "sheet"
    assert differing(plain.networks, clocked.networks) == []
    without = {"images_per_second", "seconds"}
    logs = [[{k: v for k, v in line.items() if k not in without} for line in read_log(tmp_path / name)]
            for name in ("plain", "clocked")]  # fmt: skip
    assert logs[0] == logs[1]
    assert names(tmp_path / "clocked", "sheet-*") == [f"sheet-{n:09d}.png" for n in range(0, 48, 8)]
    assert names(tmp_path / "plain", "sheet-*") == [f"sheet-{n:09d}.png" for n in (0, 24, 40)]


def test_sheets_by_the_clock_raise_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An alarm enters the log, which must not depend on the clock."""
    monkeypatch.setattr(running, "SheetClock", AlwaysDue)
    monkeypatch.setattr(running.alarms.AlarmMonitor, "check_samples", lambda *_: "collapse")
    alarmed = [event.images for event in finish(begin(DC, tmp_path / "run", 40, sheet_every=24)) if event.text]
    assert alarmed == [24]


def test_stopped_run_ends_with_a_sheet(tmp_path: Path):
    run = begin(DC, tmp_path / "run", 1000, sheet_every=500)
    for event in run.events():
        run.stopping = run.stopping or (event.kind, event.images) == ("step", 16)
    assert names(tmp_path / "run", "sheet-*") == ["sheet-000000000.png", "sheet-000000016.png"]


def test_the_first_event_says_what_is_trained_on(tmp_path: Path):
    first = next(iter(begin(DC, tmp_path / "run", 16).events()))
    assert (first.kind, first.images, first.data.count) == ("begun", 0, 40)


@pytest.mark.slow
def test_only_the_newest_snapshots_of_a_run_are_kept(tmp_path: Path):
    finish(begin(DC, tmp_path / "run", 96, snapshot_every=16, keep=2))
    assert names(tmp_path / "run", "snapshot-*") == [f"snapshot-{n:09d}.safetensors" for n in (80, 96)]


@pytest.mark.slow
@EACH
def test_log_lines_have_losses_scores_and_speed(tmp_path: Path, settings: GANSettings):
    finish(begin(settings, tmp_path / "run", 48, kind="adaptive"))
    lines = read_log(tmp_path / "run")
    assert [line["images"] for line in lines] == [16, 32, 48]
    for line in lines:
        assert {"D", "G", "D(x)", "D(G(z))", "sign", "images_per_second", "seconds", "strength"} <= line.keys()
        assert 0 <= line["D(x)"] <= 1
        assert line["images_per_second"] > 0
    assert any("R1" in line for line in lines) is (settings in (STYLE, STYLE3, R3))


def test_truncated_log_line_is_skipped(tmp_path: Path):
    (tmp_path / "log.jsonl").write_text('{"images": 1}\n{"images": 2, "D": 0.\n{"images": 3}\n{"pict', "utf-8")
    assert [line["images"] for line in read_log(tmp_path)] == [1, 3]
    assert read_log(tmp_path / "none") == []


def test_settings_schedule_and_augmentation_are_written(tmp_path: Path):
    begin(STYLE, tmp_path / "run", 48, kind="diff")
    written = json.loads((tmp_path / "run" / "settings.json").read_text("utf-8"))
    assert written["settings"]["channels"] == [8, 8, 8]
    assert (written["schedule"]["images"], written["augmentation"]) == (48, {"kind": "diff", "flip": True, "parts": []})


@pytest.mark.slow
@EACH
def test_sheet_shows_the_exported_generator(tmp_path: Path, settings: GANSettings):
    run = begin(settings, tmp_path / "run", 16, sheet_every=16)
    finish(run)
    sheet = np.array(Image.open(tmp_path / "run" / "sheet-000000016.png"))
    assert sheet.shape[0] * 2 == pytest.approx(sheet.shape[1], rel=0.1)  # 4 rows of 8
    exported = ganvas.load(tmp_path / "run" / "generator.safetensors")
    expected = fixed_samples(settings.exported(run.networks))
    torch.testing.assert_close(fixed_samples(exported), expected, atol=1e-5, rtol=1e-5)
    assert exported.about.name == "trained"
    assert exported.about.source["images"] == 16
    assert exported.about.source["data"] == "made"


def test_sheet_samples_are_the_images_of_the_seeds():
    networks = STYLE.build(torch.device("cpu"))
    generator = networks.average
    z = generator.sample(range(32))
    torch.testing.assert_close(fixed_samples(generator), generator.synthesize(z, "z"), atol=1e-5, rtol=1e-5)


def test_stopped_run_saves_after_the_step(tmp_path: Path):
    run = begin(DC, tmp_path / "run", 1000)
    for event in run.events():
        run.stopping = run.stopping or (event.kind, event.images) == ("step", 24)
    assert run.state.images == 24
    assert names(tmp_path / "run", "snapshot-*") == ["snapshot-000000024.safetensors"]
    assert finish(go_on(DC, tmp_path / "run", 32))[-1].images == 32


def test_last_snapshot_is_written_once(tmp_path: Path):
    saved = [event.images for event in finish(begin(DC, tmp_path / "run", 64)) if event.kind == "snapshot"]
    assert saved == [32, 64]


def set_to_nan(run: TrainingRun, part: str) -> None:
    with torch.no_grad():
        next(run.networks.modules[part].parameters()).fill_(float("nan"))


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_loss_that_is_not_finite_stops_and_writes_no_file(tmp_path: Path, settings: GANSettings, part: str):
    folder = tmp_path / "run"
    finish(begin(settings, folder, 32))
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".safetensors"}
    run = go_on(settings, folder, 100)
    set_to_nan(run, part)
    with pytest.raises(TrainingError, match=r"is not finite after 48 .* Go on from '.*snapshot-000000032.safeten"):
        finish(run)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".safetensors"} == before


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, part: str):
    run = begin(DC, tmp_path / "run", 32)
    set_to_nan(run, part)
    with pytest.raises(TrainingError, match=r"is not finite after 0 images. No snapshot was written yet"):
        run.save()
    assert names(tmp_path / "run", "*.safetensors") == []


@pytest.mark.parametrize("which", ["exp_avg", "exp_avg_sq"])
def test_moments_that_are_not_finite_are_not_saved(tmp_path: Path, which: str):
    """As `--r1 1e30` makes them: the weights are still finite, and the next step would not be."""
    run = begin(DC, tmp_path / "run", 32)
    run.step()
    state = run.networks.discriminator_optimizer.state
    next(iter(state.values()))[which].fill_(float("inf"))
    with pytest.raises(NotFiniteError, match=f"{which} is not finite after 8 images"):
        run.save()
    assert names(tmp_path / "run", "*.safetensors") == []


@pytest.mark.slow
@pytest.mark.parametrize("what", ["snapshots.write", "save_generator", "pixels.write_image"])
def test_full_disk_names_the_last_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str):
    folder = tmp_path / "run"
    finish(begin(DC, folder, 32))
    before = (folder / "snapshot-000000032.safetensors").read_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise GanvasError("'x' cannot be written: No space left on device.")

    owner, _, name = what.rpartition(".")
    monkeypatch.setattr(getattr(running, owner) if owner else running, name, refuse)
    with pytest.raises(TrainingError, match=r"No space left on device\. Go on from '.*-0000000(32|64).*--resume"):
        finish(go_on(DC, folder, 64, sheet_every=16))
    assert (folder / "snapshot-000000032.safetensors").read_bytes() == before


def test_full_disk_at_the_log_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = begin(DC, tmp_path / "run", 32)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(TrainingError, match=r"log\.jsonl' cannot be written: No space left on device"):
        finish(run)


@pytest.mark.slow
def test_alarm_is_raised_and_logged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    certain = {"D": torch.tensor(0.1), "G": torch.tensor(9.0), "D(x)": torch.tensor(1.0), "D(G(z))": torch.tensor(0.0)}
    monkeypatch.setattr(DC.__class__, "step", lambda *_: dict(certain))
    events = finish(begin(DC, tmp_path / "run", 200, sheet_every=40))
    told = [event for event in events if event.kind == "alarm"]
    assert [event.images for event in told] == [80]
    assert "98% certainty" in told[0].text
    assert [line for line in read_log(tmp_path / "run") if line.get("event") == "alarm"] == [
        {"event": "alarm", "images": 80, "text": told[0].text}
    ]


def test_mode_collapse_raises_an_alarm(tmp_path: Path):
    run = begin(DC, tmp_path / "run", 24, sheet_every=8, log_every=0)
    watched = [event.text for event in run.events() if event.kind == "alarm"]
    assert watched == []
    late = go_on(DC, tmp_path / "run", 40, sheet_every=8)
    late.state = replace(late.state, images=30_000)
    late.task = replace(late.task, schedule=replace(late.task.schedule, images=30_024))
    assert sum("mode collapse is likely" in event.text for event in late.events()) == 1


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"images": 0}, "images 0 is not possible; give 1 to"),
        ({"keep": 0}, "keep 0"),
        ({"log_every": -1}, "log every -1 is not possible; give 0 to"),
        ({"weights_every": -5}, "weights every"),
    ],
)
def test_schedule_out_of_range_is_refused(numbers: dict, said: str):
    with pytest.raises(TrainingError, match=said):
        RunSchedule(**numbers)


def test_batch_that_groups_do_not_divide_is_refused(tmp_path: Path):
    with pytest.raises(TrainingError, match=r"10 cannot be divided into groups of 4 for 1 process; .* multiple of 4"):
        begin(replace(STYLE, batch=10), tmp_path / "run", 10)


def test_partial_file_of_a_killed_process_is_removed(tmp_path: Path):
    folder = tmp_path / "run"
    finish(begin(DC, folder, 32))
    (folder / ".ganvas-abc.safetensors").write_bytes(b"a part")  # what kill -9 leaves
    assert finish(go_on(DC, folder, 40))[-1].images == 40
    assert names(folder, ".ganvas*") == []
    assert len(snapshots.all_in(folder)) == 2
