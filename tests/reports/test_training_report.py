"""The report of a run: curves where matplotlib is installed, a timelapse, metrics for TensorBoard."""

import json
import sys
import types
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganvas.images import pixels
from ganvas.reports import training_report
from ganvas.reports.tensorboard import board
from ganvas.reports.training_report import write_training_report

LINES = [{"images": 1000 * i, "D": 1.0 / i, "G": 0.7 + 0.1 * i, "D(x)": 0.6, "D(G(z))": 0.4} for i in range(1, 30)]


def write_log(folder: Path, lines: list[dict]) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def write_sheets(folder: Path, count: int) -> None:
    for number in range(count):
        shade = torch.full((1, 3, 8, 16), 2 * number / max(count - 1, 1) - 1)
        pixels.write_image(folder / f"sheet-{1000 * number:09d}.png", shade)


def test_report_has_loss_curves_and_a_timelapse(tmp_path: Path):
    write_log(tmp_path, LINES)
    write_sheets(tmp_path, 3)
    assert write_training_report(tmp_path) == [tmp_path / "losses.png", tmp_path / "timelapse.webp"]
    with Image.open(tmp_path / "timelapse.webp") as video:
        assert video.n_frames == 3
    with Image.open(tmp_path / "losses.png") as plot:
        assert plot.size[0] > 1000


def test_kernel_mmd_is_plotted_from_two_evaluations_on(tmp_path: Path):
    def measured(images: int) -> dict:
        return {"event": "evaluation", "images": images, "kernel_mmd": 0.3, "kernel_mmd_error": 0.02}

    write_log(tmp_path, [measured(1000)])
    assert write_training_report(tmp_path) == []  # a point is no curve
    write_log(tmp_path, [measured(1000), measured(2000)])
    assert write_training_report(tmp_path) == [tmp_path / "kernel-mmd.png"]


def test_timelapse_of_many_sheets_is_short_and_ends_with_the_newest(tmp_path: Path):
    write_sheets(tmp_path, 150)
    (path,) = write_training_report(tmp_path)
    with Image.open(path) as video:
        assert video.n_frames == training_report.MOST_FRAMES
        shades = []
        for number in (0, video.n_frames - 1):
            video.seek(number)
            shades.append(video.convert("L").getpixel((4, 4)))
    assert shades[0] < 5
    assert shades[1] > 250


def test_report_of_an_empty_run_writes_nothing(tmp_path: Path):
    assert write_training_report(tmp_path) == []
    write_sheets(tmp_path, 1)
    write_log(tmp_path, [{"event": "joined", "images": 0}])
    assert write_training_report(tmp_path) == []


def test_report_without_matplotlib_has_only_the_timelapse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_log(tmp_path, LINES)
    write_sheets(tmp_path, 2)
    monkeypatch.setattr(training_report, "can_plot", lambda: False)
    assert write_training_report(tmp_path) == [tmp_path / "timelapse.webp"]


class FakeWriter:
    made: list["FakeWriter"] = []  # noqa: RUF012 (read by the test)

    def __init__(self, log_dir: str, purge_step: int | None = None) -> None:
        self.folder, self.purge_step, self.closed = log_dir, purge_step, False
        self.scalars: list[tuple[str, float, int]] = []
        FakeWriter.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeWriter]:
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = FakeWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    FakeWriter.made = []
    return FakeWriter


def test_metrics_go_to_tensorboard_without_counts(tmp_path: Path, fake: type[FakeWriter]):
    with board(tmp_path) as record:
        record(1000, {"images": 1000, "D": 0.5, "G": 1.5, "images_per_second": 30.0, "seconds": 33.0})
    (writer,) = fake.made
    assert writer.folder == str(tmp_path / "tensorboard")
    assert writer.purge_step == 1000
    assert writer.scalars == [("D", 0.5, 1000), ("G", 1.5, 1000), ("images_per_second", 30.0, 1000)]
    assert writer.closed


def test_resumed_run_replaces_later_metrics_and_closes_its_log_when_interrupted(tmp_path: Path, fake: type[FakeWriter]):
    for images in (1000, 4000):
        with suppress(KeyboardInterrupt), board(tmp_path) as record:
            record(images, {"D": 1.0})
            raise KeyboardInterrupt
    assert [writer.purge_step for writer in fake.made] == [1000, 4000]
    assert all(writer.closed for writer in fake.made)


def test_run_without_metrics_opens_no_tensorboard_log(tmp_path: Path, fake: type[FakeWriter]):
    with board(tmp_path):
        pass
    assert fake.made == []


def test_metrics_are_dropped_without_tensorboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: type[FakeWriter]
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with board(tmp_path) as record:
        record(1, {"D": 1.0})
    assert fake.made == []
    assert list(tmp_path.iterdir()) == []
