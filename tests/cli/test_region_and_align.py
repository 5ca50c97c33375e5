"""``ganvas region`` and ``ganvas align``: a ruler, boxes that can be typed, and photos to paint on."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.images import pixels
from ganvas.images.aligned import origin_of
from ganvas.regions.region import Region
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2

EYES = {"left_eye": Region.box(0.2, 0.3, 0.4, 0.5), "right_eye": Region.box(0.6, 0.3, 0.8, 0.5)}


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    return save_generator(tmp_path / "small.safetensors", small_stylegan2(16), About("small", "", {}, EYES))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = torch.rand(1, 3, 60, 90, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return pixels.write_image(tmp_path / "me.png", image)


def test_a_region_is_drawn_and_the_named_ones_are_listed(run: Run, generator: Path, tmp_path: Path):
    out = tmp_path / "preview.png"
    outcome = run("region", generator, "--region", "left_eye+box:0.5,0.5,0.9,0.75", "--out", out)
    assert outcome.code == 0, outcome.err
    assert "right_eye  box:0.60,0.30,0.80,0.50" in outcome.out
    assert "drawn: left_eye+box:0.5,0.5,0.9,0.75 lies in box:0.20,0.30,0.90,0.75" in outcome.out
    with Image.open(out) as image:
        assert min(image.size) > 768
    outcome = run("region", generator, "--out", out)
    assert (outcome.code, "exists already" in outcome.err) == (2, True)
    assert run("region", generator, "--out", out, "--overwrite").code == 0


def test_a_wrong_region_is_refused_and_nothing_written(run: Run, generator: Path, tmp_path: Path):
    outcome = run("region", generator, "--region", "moth", "--out", tmp_path / "a.png")
    assert (outcome.code, "left_eye" in outcome.err) == (2, True)
    assert not (tmp_path / "a.png").exists()


def test_an_aligned_photo_has_the_eyes_in_place_and_the_way_back(
    run: Run, generator: Path, photo: Path, tmp_path: Path
):
    out = tmp_path / "aligned.png"
    outcome = run("align", photo, "--for", generator, "--eyes", "0.3,0.4:0.6,0.5", "--out", out)
    assert outcome.code == 0, outcome.err
    assert "'me.png' was aligned by its eyes" in outcome.out
    with Image.open(out) as image:
        assert image.size == (512, 512)
    source, frame = origin_of(out)
    assert source == photo.resolve()
    corners = torch.tensor([[0.3, 0.7], [0.4, 0.4], [1, 1]], dtype=torch.float64)  # where the generator has eyes
    torch.testing.assert_close(frame @ corners, torch.tensor([[0.3, 0.6], [0.4, 0.5]]).double(), atol=1e-4, rtol=0)


def test_the_default_name_is_that_of_the_photo(
    run: Run, generator: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert run("align", photo, "--for", generator, "--as-is", "--size", "32").code == 0
    assert ganvas.read_image("me-aligned.png").shape == (1, 3, 32, 32)
    assert run("align", photo, "--for", generator, "--as-is").code == 2  # it exists
    outcome = run("align", tmp_path / "none.jpg", "--for", generator, "--as-is", "--out", "b.png")
    assert (outcome.code, "none.jpg" in outcome.err) == (2, True)
