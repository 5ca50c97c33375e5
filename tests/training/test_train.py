"""The public training calls: what they return and report, how they stop and resume, and what a rehearsal writes."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

import ganvas
from ganvas.errors import TrainingError
from ganvas.training import launch
from ganvas.training.adapt.adaptation import AdaptationSettings
from ganvas.training.encoder.run import EncoderSchedule
from ganvas.training.encoder.train import train_encoder
from ganvas.training.encoder.training import EncoderSettings
from ganvas.training.gan import snapshots
from ganvas.training.gan.augmentation import Augmentation
from ganvas.training.gan.starting import newest, settings_of
from ganvas.training.interrupt import stop_on_signal
from ganvas.training.train import RunOptions, rehearse, train
from tests.training.tiny import DC, SCHEDULE, STYLE, unequal, write_images

pytestmark = pytest.mark.usefixtures("home", "one_thread")
OPTIONS = RunOptions(device="cpu", threads=1)
SHORT = replace(SCHEDULE, images=32)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_images(tmp_path / "photos", 20, (32, 32))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.slow
def test_training_reports_its_progress_and_returns_what_it_wrote(tmp_path: Path, photos: Path):
    events, progress = [], []
    result = train(
        photos,
        DC,
        tmp_path / "mine",
        schedule=replace(SHORT, sheet_every=16),
        options=OPTIONS,
        progress=lambda *report: progress.append(report),
        on_event=events.append,
    )
    assert (result.finished, result.images, result.steps, result.is_main) == (True, 32, 4, True)
    assert (result.data.count, result.data.resolution, result.alarms) == (20, 32, ())
    assert [path.name for path in result.files] == [
        "sheet-000000032.png",
        "snapshot-000000032.safetensors",
        "generator.safetensors",
    ]
    assert [report[1:] for report in progress if report[0] == "Packing images"] == [(i, 20) for i in range(1, 21)]
    assert progress[-1] == ("Training", 32, 32)
    assert [event.images for event in events if event.kind == "log"] == [16, 32]
    about = ganvas.load(tmp_path / "mine" / "generator.safetensors").about
    assert (about.name, about.source["command"]) == ("mine", "ganvas train dcgan")


@pytest.mark.slow
def test_stopped_call_saves_and_resumes_bit_for_bit(tmp_path: Path, photos: Path):
    seen = []
    whole = tmp_path / "whole"
    train(photos, DC, whole, schedule=SHORT, options=OPTIONS)
    cut = tmp_path / "cut"
    stopped = train(
        photos,
        DC,
        cut,
        schedule=SHORT,
        options=OPTIONS,
        on_event=seen.append,
        should_stop=lambda: any(one.kind == "step" for one in seen),
    )
    assert (stopped.finished, stopped.images) == (False, 8)
    resumed = train(photos, DC, cut, schedule=SHORT, options=replace(OPTIONS, resume="auto"))
    assert (resumed.finished, resumed.images) == (True, 32)
    assert unequal(*(snapshots.read(newest(folder)).tensors for folder in (whole, cut))) == []


def test_signal_stops_after_the_step():
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signal() as should_stop:
        assert not should_stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert should_stop()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_held_out_images_are_evaluated(tmp_path: Path, photos: Path):
    schedule, options = replace(SHORT, images=16, evaluate_every=16), replace(OPTIONS, held_out=photos)
    result = train(photos, DC, tmp_path / "mine", schedule=schedule, options=options)
    assert result.evaluation["kernel_mmd"] > 0


@pytest.mark.slow
def test_discriminator_learns_alone_first_where_none_fits_the_start(tmp_path: Path, photos: Path):
    undecided = replace(STYLE, discriminator_warmup=None)

    def warmup(folder: Path, start: Path | None) -> int | None:
        options = replace(OPTIONS, start=None if start is None else str(start))
        train(photos, undecided, folder, schedule=replace(SHORT, images=8), options=options)
        return settings_of(snapshots.read(newest(folder)).settings).discriminator_warmup

    assert warmup(tmp_path / "first", None) == 0
    generator = tmp_path / "first" / "generator.safetensors"
    assert warmup(tmp_path / "second", generator) == 0
    (tmp_path / "first" / "discriminator.safetensors").unlink()
    with pytest.warns(UserWarning, match="comes with no discriminator that fits"):
        assert warmup(tmp_path / "third", generator) == launch.DISCRIMINATOR_WARMUP


@pytest.mark.slow
def test_adapted_generator_and_encoder_are_written_by_one_call_each(tmp_path: Path, photos: Path):
    train(photos, STYLE, tmp_path / "old", schedule=replace(SHORT, images=8), options=OPTIONS)
    model = str(tmp_path / "old" / "generator.safetensors")
    few = write_images(tmp_path / "few", 3, (16, 16))
    settings = AdaptationSettings.of_model(model, batch=4)
    result = train(few, settings, tmp_path / "new", schedule=replace(SHORT, images=8), options=OPTIONS)
    assert (result.images, result.data.count) == (8, 3)
    assert ganvas.load(tmp_path / "new" / "generator.safetensors").about.name == "new"
    encoder = EncoderSettings(batch=4, steps=2, real_from=1)
    out = tmp_path / "encoder"
    result = train_encoder(model, photos, encoder, out, schedule=EncoderSchedule(1, 1), device="cpu", threads=1)
    assert (result.finished, result.steps, result.images) == (True, 2, 8)
    assert names(out) == ["encoder.safetensors", "log.jsonl", "sheet.png", "snapshot.safetensors"]


@pytest.mark.parametrize("settings", [DC, replace(STYLE, discriminator_warmup=500)], ids=["dcgan", "stylegan2"])
def test_rehearsal_measures_the_speed_and_writes_no_file(tmp_path: Path, photos: Path, settings, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ganvas.training.gan.probe.LONG_RUN_STEPS", 10**9)
    before = names(tmp_path)
    found = rehearse(photos, settings, augmentation=Augmentation("adaptive"), options=OPTIONS)
    assert found.images_per_second > 0
    assert found.parameters["generator"] == found.parameters["average"] > 1000
    assert (found.precision, found.device, found.data.count) == ("float32", "cpu", 20)
    assert set(names(tmp_path)) - {"home"} == set(before)


@pytest.mark.slow
def test_refused_call_writes_no_file(tmp_path: Path, photos: Path):
    out = tmp_path / "mine"
    for settings, options in ((replace(DC, batch=7), OPTIONS), (DC, replace(OPTIONS, held_out=tmp_path / "nowhere"))):
        with pytest.raises(TrainingError):
            train(photos, settings, out, options=options)
    with pytest.raises(TrainingError, match="give cpu, or one it has"):
        train(photos, DC, out, options=replace(OPTIONS, device="quantum"))
    with pytest.raises(TrainingError, match="threads -1 is not possible"):
        train(photos, DC, out, options=replace(OPTIONS, threads=-1))
    assert not out.exists()


def test_an_adaptation_starts_from_the_generator_of_its_settings(photos: Path, tmp_path: Path):
    adapting = AdaptationSettings.of_model("faces", batch=4, precision="float32")
    options = replace(OPTIONS, start="cats")
    with pytest.raises(TrainingError, match="'cats' was given to start from, but an adaptation starts"):
        train(photos, adapting, tmp_path / "new", options=options)
    assert not (tmp_path / "new").exists()
