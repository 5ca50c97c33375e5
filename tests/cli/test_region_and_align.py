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
from ganvas.reports.region_preview import region_preview
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


def test_a_region_without_a_name_of_its_own_takes_the_next_free_one(
    run: Run, generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("region.png", "region-2.png", "region-3.png"):
        outcome = run("region", generator, "--region", "left_eye")
        assert (outcome.code, f"wrote {name}\n" in outcome.out) == (0, True), outcome.err


def test_a_ruler_on_a_photo_needs_no_inversion(
    run: Run, generator: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It took minutes to draw a box."""

    def invert(*arguments: object, **others: object) -> None:
        raise AssertionError("the photo was inverted")

    monkeypatch.setattr("ganvas.cli.options.open_photo", invert)
    box = ("--region", "box:0.2,0.5,0.9,0.75")
    for given in ((photo,), ("--latent", photo)):
        outcome = run(
            "region", generator, *given, *box, "--crop", "0,0,0.6,1", "--out", tmp_path / "a.png", "--overwrite"
        )
        assert outcome.code == 0, outcome.err
        assert "lies in box:0.20,0.50,0.90,0.75" in outcome.out
        with Image.open(tmp_path / "a.png") as image:
            assert min(image.size) > 768


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
    outcome = run("align", photo, "--for", generator, "--as-is")
    assert (outcome.code, "wrote me-aligned-2.png" in outcome.out) == (0, True)
    assert run("align", photo, "--for", generator, "--as-is", "--overwrite").code == 0
    assert not Path("me-aligned-3.png").exists()
    assert run("align", photo, "--for", generator, "--as-is", "--out", "me-aligned.png").code == 2  # it exists
    outcome = run("align", tmp_path / "none.jpg", "--for", generator, "--as-is", "--out", "b.png")
    assert (outcome.code, "none.jpg" in outcome.err) == (2, True)


@pytest.mark.slow
def test_every_command_with_a_region_or_points_shows_them_first(run: Run, generator: Path, tmp_path: Path):
    box = ("--region", "box:0.25,0.25,0.75,0.5", "--show-region")
    found = run("directions", generator, *box, "--seeds", "0", "--count", "1", "--out", tmp_path / "found")
    says = f"wrote {tmp_path / 'found' / 'region.png'}; the region lies in box:0.25,0.25,0.75,0.50"
    assert (found.code, says in found.err) == (0, True), found.err
    directions = tmp_path / "found" / "directions.safetensors"
    edited = run("edit", generator, directions, "--seeds", "3", "--frames", "0", *box, "--out", tmp_path / "edited")
    assert edited.code == 0, edited.err
    assert edited.err.startswith("wrote ")
    assert str(tmp_path / "edited" / "region.png") in edited.out
    points = ("--point", "0.3,0.5:0.5,0.5", "--steps", "1", "--show-region")
    dragged = run("drag", generator, *points, "--out", tmp_path / "dragged.png")
    assert dragged.code == 0, dragged.err
    with Image.open(tmp_path / "dragged-region.png") as preview:
        assert min(preview.size) > 768


def test_points_are_drawn_where_they_are(generator: Path):
    image = torch.zeros(1, 3, 64, 64)
    plain, dotted = (region_preview(image, None, pairs) for pairs in ((), [((0.25, 0.5), (0.75, 0.5))]))
    changed = (plain - dotted).abs().sum(dim=(0, 1)) > 0
    rows, columns = changed.nonzero().unbind(1)
    margin = changed.shape[1] - 768  # the ruler
    assert abs(float(rows.float().mean()) - 384) < margin + 8
    assert columns.max() - columns.min() > 384


@pytest.mark.slow
def test_layers_of_a_region_are_the_default_and_said(run: Run, tmp_path: Path):
    about = About("small", "", {}, EYES, "1-2", {"left_eye": "0"})
    model = save_generator(tmp_path / "named.safetensors", small_stylegan2(16), about)
    assert "left_eye   box:0.20,0.30,0.40,0.50  layers 0" in run("region", model, "--out", tmp_path / "a.png").out
    for region, given, layers, said in (
        ("left_eye", (), (0,), "layers 0, recommended for left_eye by small"),
        ("right_eye", (), (1, 2), "layers 1-2, recommended for right_eye by small"),
        ("left_eye", ("--layers", "2"), (2,), None),
        ("box:0.2,0.3,0.4,0.5", (), (1, 2), "layers 1-2, recommended by small"),
    ):
        out = tmp_path / f"{region[:8]}{len(given)}"
        outcome = run("directions", model, "--region", region, *given, "--seeds", "0", "--count", "1", "--out", out)
        assert outcome.code == 0, outcome.err
        assert ganvas.load_directions(out / "directions.safetensors").layers == layers
        assert (said in outcome.out) if said else ("recommended" not in outcome.out)


def test_a_cat_on_a_page_is_aligned_by_itself(run: Run, tmp_path: Path):
    generator = ganvas.load("cats")
    cat = generator.synthesize(ganvas.sample(generator, [5], truncation=0.5))
    page = torch.zeros(1, 3, 320, 320)
    page[:, :, 150:278, 60:188] = cat
    photo = pixels.write_image(tmp_path / "mine.png", page)
    outcome = run("align", photo, "--for", "cats", "--size", "128", "--out", tmp_path / "aligned.png")
    assert outcome.code == 0, outcome.err
    assert "'mine.png' was aligned by the head of the cat" in outcome.out
    origin = origin_of(tmp_path / "aligned.png")
    assert origin is not None
    middle, side = origin[1] @ torch.tensor([0.5, 0.5, 1.0]).double(), origin[1][:, 0].norm()
    assert torch.allclose(middle * 320, torch.tensor([124.0, 214.0]).double(), atol=13)
    assert float(side) * 320 == pytest.approx(128, rel=0.2)
