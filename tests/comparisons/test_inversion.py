"""The table of inversions: its cells, that it goes on where it was left, and what it says."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.comparisons.estimates import mean_estimate
from ganvas.comparisons.inversion import report, table
from ganvas.comparisons.inversion.table import Row, TableSettings, rows_of
from ganvas.comparisons.reconstruction import ReconstructionMetrics, reconstruction_metrics_for, reconstruction_table
from ganvas.errors import GanvasError
from ganvas.generators.protocol import About, Generator
from ganvas.images import pixels
from ganvas.inversion.metrics import psnr
from ganvas.training.gan.discriminator_files import DISCRIMINATOR, save_discriminator
from ganvas.training.gan.discriminators import StyleDiscriminator
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan

QUICK = TableSettings(steps=2)
NAMES = ["one", "two"]


def features(images: Tensor) -> list[Tensor]:
    return [torch.nn.functional.avg_pool2d(images, 4)]


features.name = "a distance for tests"  # type: ignore[attr-defined]
METRICS = ReconstructionMetrics(features)


@pytest.fixture(scope="module")
def generators() -> dict[str, Generator]:
    return {"plain": small_dcgan(16), "layers": small_stylegan2(16)}


@pytest.fixture(scope="module")
def photos() -> dict[int, Tensor]:
    return {16: torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1}


def test_rows_are_the_spaces_of_each(generators: dict[str, Generator]):
    assert [row.title for row in rows_of(generators)] == ["plain, z", "layers, z", "layers, w", "layers, w+"]


@pytest.mark.slow
def test_cells_are_kept_and_not_made_again(
    generators: dict[str, Generator], photos: dict[int, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = rows_of(generators)[::3]
    steps: list[str] = []
    cells = table.run_table(
        rows, photos, NAMES, tmp_path, QUICK, metrics=METRICS, progress=lambda what, *_: steps.append(what)
    )
    assert len(cells) == len(rows) * len(table.LOSSES) == len(set(steps))
    shown = table.images_of(cells[-1], generators["layers"], tmp_path, 2)
    assert psnr(shown, photos[16]).tolist() == pytest.approx(list(cells[-1].psnr), abs=1e-3)
    (tmp_path / "layers--w+--perceptual.json").unlink()
    steps.clear()
    again = table.run_table(
        rows, photos, NAMES, tmp_path, QUICK, metrics=METRICS, progress=lambda what, *_: steps.append(what)
    )
    assert set(steps) == {"layers, w+, perceptual"}
    assert [cell.psnr for cell in again] == [cell.psnr for cell in cells]
    with pytest.raises(GanvasError, match="another folder"):
        table.run_table(rows, photos, NAMES, tmp_path, TableSettings(steps=3), metrics=METRICS)
    with pytest.raises(GanvasError, match="another folder"):
        table.run_table(rows, {16: photos[16].flip(3) * 0.5}, NAMES, tmp_path, QUICK, metrics=METRICS)
    (tmp_path / "plain--z--perceptual.json").write_text("{")
    with pytest.raises(GanvasError, match="damaged cell"):
        table.run_table(rows, photos, NAMES, tmp_path, QUICK, metrics=METRICS)


@pytest.mark.slow
def test_all_rows_are_measured_at_the_size_of_the_smallest(tmp_path: Path):
    """The numbers of the larger generator are those of its images made smaller by area."""
    rows = [Row("small", small_dcgan(16), "z"), Row("large", small_stylegan2(32), "w")]
    large = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    photos = {32: large, 16: pixels.resize(large, 16, 16)}
    cells = table.run_table(rows, photos, NAMES, tmp_path, QUICK, metrics=METRICS)
    shown = table.images_of(cells[-1], rows[1].generator, tmp_path, 2)
    small, goal = torch.nn.functional.avg_pool2d(shown.clamp(-1, 1), 2), photos[16]
    assert psnr(small, goal).tolist() == pytest.approx(list(cells[-1].psnr), abs=1e-3)
    expected = (features(small)[0] - features(goal)[0]).square().sum(1).mean((1, 2)).tolist()
    assert expected == pytest.approx(list(cells[-1].perceptual), rel=1e-3)
    assert "16 x 16 pixels" in report.markdown(cells, "a distance", table.measured_side(rows))


@pytest.mark.slow
def test_report(generators: dict[str, Generator], photos: dict[int, Tensor], tmp_path: Path):
    rows = [Row("layers", generators["layers"], "w")]
    cells = table.run_table(rows, photos, NAMES, tmp_path, QUICK, metrics=METRICS)
    paths = report.write(rows, cells, photos, tmp_path, "a distance for tests", side=16)
    words = paths[0].read_text()
    assert words.splitlines()[0].count("a distance for tests") == len(table.LOSSES)
    assert words.splitlines()[2].startswith("| layers, w | ")
    held = json.loads(paths[1].read_text())
    assert held["cells"][0]["means"]["ssim"]["value"] == pytest.approx(sum(cells[0].ssim) / 2)


def test_interval_of_a_mean():
    """Of many equal draws it is that of the normal distribution."""
    values = torch.randn(400, generator=torch.Generator().manual_seed(1)).tolist()
    found = mean_estimate(values)
    assert found.value == pytest.approx(sum(values) / 400)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.15)


@pytest.mark.slow
def test_command(run: Run, tmp_path: Path, photos: dict[int, Tensor]):
    model = save_generator(tmp_path / "plain.safetensors", small_dcgan(16), About("plain", "", {}))
    photo = pixels.write_image(tmp_path / "photo.png", photos[16][:1].repeat(1, 1, 2, 2))
    again = ("compare", "inversion", model, photo, "--steps", "1", "--out", tmp_path / "out")
    told = run(*again)
    assert told.code == 0, told.err
    assert "| plain, z |" in told.out
    assert (tmp_path / "out" / "table.png").stat().st_size > 0
    told = run(*again, "--start", "encoder")
    assert (told.code, "starts from the mean" in told.err) == (2, True)


@pytest.mark.slow
def test_command_on_a_folder_of_few_images(run: Run, tmp_path: Path, photos: dict[int, Tensor]):
    model = save_generator(tmp_path / "plain.safetensors", small_dcgan(16), About("plain", "", {}))
    for number in range(3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        pixels.write_image(tmp_path / "photos" / f"{number}.png", photos[16][:1].roll(number, 3))
    command = ("compare", "inversion", model, tmp_path / "photos", "--steps", "1")
    told = run(*command, "--out", tmp_path / "all", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["photos"] == ["photo 0", "photo 1", "photo 2"]
    told = run(*command, "--count", "2", "--out", tmp_path / "two", "--json")
    assert json.loads(told.out)["photos"] == ["photo 0", "photo 2"]
    for option in (("--crop", "0,0,1,0.9"), ("--eyes", "0.3,0.4;0.6,0.4"), ("--background", "black")):
        told = run(*command, *option, "--out", tmp_path / "none")
        assert (told.code, "leave --crop, --eyes and --background out" in told.err) == (2, True)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_judged_by_what_is_not_optimized():
    """The discriminator that comes with a model is the discriminator; a table without one for every way leaves it
    out.
    """
    metrics = reconstruction_metrics_for(ganvas.load("faces"), "faces")
    photos = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    near, far = metrics.measure(0.9 * photos, photos), metrics.measure(0.2 * photos, photos)
    assert all(0 < a < b for a, b in zip(near["discriminator"], far["discriminator"], strict=True))
    assert "discriminator" not in reconstruction_metrics_for(ganvas.load("faces-dcgan"), "faces-dcgan").measure(
        photos, photos
    )
    seconds = {"seconds": [1.0, 1.0]}
    told = reconstruction_table({"far": far | seconds, "near": near | seconds}, "a distance")
    assert "by the discriminator (not optimized)" in told
    without = {name: values for name, values in (near | seconds).items() if name != "discriminator"}
    assert "discriminator" not in reconstruction_table({"far": far | seconds, "near": without}, "a distance")


def test_the_discriminator_of_another_generator_is_no_discriminator(tmp_path: Path):
    model = save_generator(tmp_path / "small.safetensors", small_stylegan2(16), About("small", ""))
    generator = ganvas.load(model)
    for digest, discriminators in ((generator.about.hash, True), ("that of another", False)):
        save_discriminator(tmp_path / DISCRIMINATOR, StyleDiscriminator((8, 8, 6)), digest)
        assert (reconstruction_metrics_for(generator, str(model)).discriminator is not None) == discriminators
