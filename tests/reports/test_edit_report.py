"""What an edit leaves: single images at the generator's size, measured changes, videos; each as the images say."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import ganvas
from ganvas.directions.direction import Direction
from ganvas.generators.protocol import Generator
from ganvas.images.saving import ImageFiles
from ganvas.io.result_folder import ResultFolder
from ganvas.latents.latent import Latent, sample
from ganvas.reports import edit_report
from ganvas.reports.edit_report import EditRun, WrittenEdits
from ganvas.reports.region_report import Edit, compare_directions
from tests.generators.small import small_stylegan2

pytestmark = pytest.mark.usefixtures("one_thread")

STRENGTHS = (-2.0, 0.0, 3.0)


@pytest.fixture(scope="module")
def large() -> Generator:
    return small_stylegan2(512, channels=3)


def direction(space: str = "w", width: int = 6, layers: tuple[int, ...] | None = (3, 4, 5)) -> Direction:
    vector = torch.randn(width, generator=torch.Generator().manual_seed(0))
    return Direction(vector / vector.norm(), space, layers, 4.0, 5.0, 0.5)


def written(folder: Path, generator: Generator, latent: Latent, step: Edit, **options: object) -> WrittenEdits:
    run = EditRun(generator, latent, step, **{"mask": None, **options})
    return run.write(ResultFolder(folder), "an edit", {}, lambda *call: None)


@pytest.mark.slow
def test_every_image_has_a_file_at_the_generators_size(large: Generator, tmp_path: Path):
    found = written(tmp_path, large, sample(large, [7]), Edit(direction(), ("-2s", 3.0)))
    names = [f"seed0007{strength}.png" for strength in ("", "_-2s", "_+3")]
    assert sorted(path.name for path in (tmp_path / "images").glob("*.png")) == sorted(names)
    expected = large.synthesize(ganvas.edit(large, sample(large, [7]), direction(), 3.0))
    image = ganvas.read_image(tmp_path / "images" / "seed0007_+3.png")
    assert image.shape == (1, 3, 512, 512)
    assert (image - expected.clamp(-1, 1)).abs().max() <= 0.5 / 127.5 + 1e-4
    assert [change["sample"] for change in found.changes] == ["seed 7"]
    assert all(strip.images.shape[-1] == 512 for strip in found.strips)


@pytest.mark.slow
def test_videos_have_the_generators_size(large: Generator, tmp_path: Path):
    found = written(tmp_path, large, sample(large, [4]), Edit(direction(), (3.0,)), frames=2)
    for kind in ("gif", "webp"):
        assert tmp_path / "videos" / f"seed0004.{kind}" in found.files
        with Image.open(tmp_path / "videos" / f"seed0004.{kind}") as video:
            assert video.size == (512, 512)


def test_files_have_the_size_asked_for(tmp_path: Path):
    generator = small_stylegan2(32)
    files = ImageFiles(size=20)
    written(tmp_path, generator, sample(generator, [4]), Edit(direction(), (3.0,)), files=files, frames=3)
    for name in ("videos/seed0004.gif", "videos/seed0004.webp", "images/seed0004.png", "images/seed0004_+3.png"):
        with Image.open(tmp_path / name) as image:
            assert image.size == (20, 20)
            assert getattr(image, "n_frames", 1) == (4 if "videos" in name else 1)  # there and back


def test_sheet_shows_the_first_samples_and_files_hold_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(edit_report, "MOST_SHOWN", 2)
    generator = small_stylegan2(16)
    found = written(tmp_path, generator, sample(generator, range(5)), Edit(direction(), (1.0,)))
    assert (len(found.strips), len(found.changes)) == (2, 5)
    assert len(list((tmp_path / "images").glob("*.png"))) == 10
    assert "edit.png and edit.html show the first 2 of 5 samples" in found.lines
    assert len(ganvas.load_latent(tmp_path / "latent.safetensors")) == 5


def test_interrupt_keeps_finished_samples(tmp_path: Path):
    generator = small_stylegan2(16)

    def stop(what: str, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    run = EditRun(generator, sample(generator, range(4)), Edit(direction(), (1.0,)), None, frames=4)
    found = run.write(ResultFolder(tmp_path), "an edit", {}, stop)
    assert not found.finished
    assert ganvas.load_latent(tmp_path / "latent.safetensors").captions == ("seed 0 at +1", "seed 1 at +1")
    assert (tmp_path / "edit.png").exists()


def test_progress_counts_images_and_frames_as_one_task(tmp_path: Path):
    generator, calls = small_stylegan2(16), []
    run = EditRun(generator, sample(generator, [0, 1]), Edit(direction(), STRENGTHS), None, frames=5)
    run.write(ResultFolder(tmp_path), "an edit", {}, lambda *call: calls.append(call))
    assert {call[2] for call in calls} == {2 * 4 + 2 * 5}
    assert [call[1] for call in calls] == list(range(19))


@pytest.mark.float32
def test_changes_are_those_of_a_search_on_the_same_images(tmp_path: Path):
    generator = small_stylegan2(16)
    latent, mask = sample(generator, [4, 7]), torch.zeros(1, 16, 16)
    mask[:, 4:9, 3:12] = 1
    strips = written(tmp_path, generator, latent, Edit(direction(), STRENGTHS), mask=mask).strips
    wide = compare_directions(generator, latent, [Edit(direction(), STRENGTHS)], mask).many[0].images
    for row, strip in enumerate(strips):
        torch.testing.assert_close(strip.images, wide[row], atol=1e-4, rtol=1e-4)
        assert strip.outside is not None
        assert (strip.inside[1], strip.outside[1]) == (0, 0)


@pytest.mark.parametrize("space", ["z", "w+", "s"])
def test_other_spaces(tmp_path: Path, space: str):
    generator = small_stylegan2(16)
    vector = torch.zeros(generator.dimensions(space))
    vector.view(-1)[0] = 1
    one = Direction(vector, space, None if space in ("z", "s") else (0,))
    strip = written(tmp_path, generator, sample(generator, [4], space="z"), Edit(one, STRENGTHS)).strips[0]
    assert strip.inside[1] < 1e-4 < strip.inside[2]


def test_without_a_region_the_whole_image_counts(tmp_path: Path):
    generator = small_stylegan2(16)
    nameless = replace(direction(), eigenvalue=math.nan, predicted_ratio=math.nan)
    found = written(tmp_path, generator, sample(generator, [4]), Edit(nameless, STRENGTHS))
    change = found.strips[0].images[2] - found.originals[0][0]
    assert found.strips[0].inside[2] == pytest.approx(float(change.square().mean().sqrt()), rel=1e-4)
    assert found.changes[0]["outside"] is None
    text = (tmp_path / "edit.html").read_text()
    assert "region outlined<" not in text
    assert '<span class="change out"' not in text
    assert "not a number" not in text
