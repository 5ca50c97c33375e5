"""What a run says at first: what it trains on, its speed, the next sheet, what to expect, and an offer to start."""

from pathlib import Path

import pytest

from ganvas.images.datasets import DatasetSummary
from ganvas.reports.training_lines import OFFER, TrainingLines
from ganvas.training.adapt.photo_similarity import SIMILARITY
from ganvas.training.events import ALARM, BEGUN, SHEET, STEP, TrainingEvent
from ganvas.training.expectations import MEASURED, Expectation, expectation_of
from ganvas.training.gan.task import RunSchedule

ROOT = Path(__file__).resolve().parents[2]


def summary(count: int) -> DatasetSummary:
    return DatasetSummary("made", 64, count, {}, 0, 0, {})


class Said:
    """The lines of a run of batches of 10 images, 1 second a step."""

    def __init__(self, images: int = 2_000, first: int = 0, count: int = 500, **options) -> None:
        self.text: list[str] = []
        self.now, self.images = 0.0, first
        schedule = RunSchedule(images, sheet_every=options.pop("sheet_every", 5_000))
        self.lines = TrainingLines(Path("mine"), schedule, self.text.append, clock=lambda: self.now, **options)
        self.lines.add(TrainingEvent(BEGUN, first, data=summary(count)))

    def steps(self, count: int) -> list[str]:
        """Do steps and return what was said in them."""
        before = len(self.text)
        for _ in range(count):
            self.now, self.images = self.now + 1, self.images + 10
            self.lines.add(TrainingEvent(STEP, self.images))
        return self.text[before:]

    def sheet(self, **metrics: float) -> list[str]:
        """Write a sheet and return what was said of it."""
        before = len(self.text)
        self.lines.add(TrainingEvent(SHEET, self.images, metrics, paths=(Path(f"mine/sheet-{self.images}.png"),)))
        return self.text[before:]


def test_the_first_line_says_what_is_trained_on():
    assert Said().text == ["training on 500 images at 64 pixels, until 2,000 are shown; Ctrl-C saves and ends"]
    assert Said(count=1).text[0].startswith("training on 1 image at")
    assert "going on after 640 of 2,000 are shown" in Said(first=640).text[0]


def test_speed_is_measured_without_the_first_step_and_said_once():
    run = Said()
    assert run.steps(4) == []
    run.now += 100  # the first step is slow, and a sheet takes its time
    assert Said().steps(60) == [
        "10.0 images a second: 3 minutes to go; the next sheet of samples in 55 seconds: mine/sheet-*.png"
    ]


def test_the_next_sheet_may_come_by_its_images():
    assert "sheet of samples in 15 seconds" in Said(sheet_every=200).steps(9)[0]


def test_without_sheets_none_is_promised():
    assert Said(sheet_every=0).steps(9) == ["10.0 images a second: 3 minutes to go"]


def test_what_to_expect_is_said_in_minutes_of_this_run():
    run = Said(20_000, expected=Expectation(8_000, "faces"))
    assert run.steps(9)[1] == "in our runs faces could be recognized after 8,000 images: here in about 13 minutes"
    assert len(Said(20_000, first=9_000, expected=Expectation(8_000, "faces")).steps(9)) == 1
    assert "more than this run shows (--images)" in Said(expected=Expectation(8_000, "faces")).steps(9)[1]


def test_a_start_is_offered_to_new_runs_on_few_images():
    assert OFFER in Said(offer_below=1_000).text
    assert OFFER not in Said(offer_below=500).text
    assert OFFER not in Said(first=640, offer_below=1_000).text


def test_sheets_are_named_with_the_progress_of_an_adaptation():
    run = Said()
    assert run.sheet() == ["after 0 images, 0 seconds: mine/sheet-0.png"]
    run.steps(60)
    assert run.sheet(**{SIMILARITY: 0.456}) == [
        "after 600 images, 60 seconds: mine/sheet-600.png; 46% of the way to the photos"
    ]
    run.steps(5)
    assert run.sheet() == []  # a fast machine would fill the screen


def test_alarms_are_said_at_once():
    run = Said()
    run.lines.add(TrainingEvent(ALARM, 1_234, text="mode collapse"))
    assert run.text[-1] == "alarm after 1,234 images: mode collapse"


@pytest.mark.parametrize(("kind", "expected"), MEASURED.items(), ids=str)
def test_expectations_are_those_of_the_results_page(kind: tuple[str, bool], expected: Expectation):
    assert expectation_of(kind[0], started=kind[1]) is expected
    page = (ROOT / "docs/results/training.md").read_text("utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `train {kind[0]}") and expected.what in line)
    assert f" {expected.images:,} " in row


def test_nothing_is_said_of_what_was_not_measured():
    assert expectation_of("stylegan3", started=False) is None
