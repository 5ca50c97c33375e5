"""Directions at work: the numbers under the images are those of the images, and the sheets are whole."""

import math
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.directions.direction import Direction, Directions, Origin
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent, sample
from ganvas.reports.direction_text import describe, numbers
from ganvas.reports.region_report import (
    Edit,
    captioned_sheet,
    compare_directions,
    outlined,
)
from ganvas.reports.sheet_size import on_sheet

pytestmark = pytest.mark.usefixtures("one_thread")

STRENGTHS = (-2.0, 0.0, 3.0)


@pytest.fixture(scope="module")
def faces() -> Generator:
    return ganvas.load("faces")


@pytest.fixture(scope="module")
def latent(faces: Generator) -> Latent:
    return sample(faces, [4, 7], truncation=0.7)


@pytest.fixture(scope="module")
def mask(faces: Generator) -> torch.Tensor:
    return ganvas.named_regions(faces)["mouth"].mask(faces.resolution, faces.resolution)


def direction(seed: int = 0) -> Direction:
    vector = torch.randn(256, generator=torch.Generator().manual_seed(seed))
    return Direction(vector / vector.norm(), "w", (3, 4, 5), 4.0, 5.0, 0.5)


@pytest.mark.float32
def test_changes_are_those_of_the_images(faces: Generator, latent: Latent, mask: torch.Tensor):
    report = compare_directions(faces, latent, [Edit(direction(), STRENGTHS, "one")], mask)
    before = ganvas.sample(faces, [4], truncation=0.7)
    original = faces.synthesize(before)
    edited = faces.synthesize(ganvas.edit(faces, before, direction(), 3.0))
    squares = (edited - original).square().mean(1)
    strip = report.strips[0]
    assert strip.inside[2] == pytest.approx(math.sqrt((squares * mask).sum() / mask.sum()), rel=1e-3)
    assert strip.outside is not None
    assert strip.outside[2] == pytest.approx(math.sqrt((squares * (1 - mask)).sum() / (1 - mask).sum()), rel=1e-3)
    torch.testing.assert_close(strip.images[2:], edited, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(report.originals, original, atol=1e-4, rtol=1e-4)


def test_nothing_changes_at_strength_zero(faces: Generator, latent: Latent, mask: torch.Tensor):
    edits = [Edit(direction(seed), STRENGTHS, str(seed)) for seed in range(2)]
    for strip in compare_directions(faces, latent, edits, mask).strips:
        assert (strip.inside[1], strip.outside and strip.outside[1]) == (0, 0)


@pytest.mark.slow
def test_only_the_shared_edits_stand_on_all_rows(faces: Generator, latent: Latent, mask: torch.Tensor):
    edits = [Edit(direction(seed), STRENGTHS, str(seed)) for seed in range(2)]
    report = compare_directions(faces, latent, edits, mask, shared=1)
    assert [(block.label, block.seeds) for block in report.many] == [("0", (4, 7))]
    torch.testing.assert_close(report.many[0].images[0], report.strips[0].images)
    assert compare_directions(faces, latent.rows([0]), edits, mask).many == ()


def test_the_region_is_drawn_as_it_lies_in_each_image(faces: Generator, latent: Latent, mask: torch.Tensor):
    originals, eyes = faces.synthesize(latent), ganvas.named_regions(faces)["eyes"].mask(128, 128)
    report = compare_directions(faces, latent, [Edit(direction(), (1.0,))], mask, masks=[mask, eyes])
    wanted = torch.cat([outlined(originals[:1], mask), outlined(originals[1:], eyes)])
    assert report.many[0].regions is not None
    torch.testing.assert_close(report.many[0].regions, wanted, atol=1e-4, rtol=1e-4)


def test_stds_become_distances():
    assert Edit(direction(), ("-2s", 0.0, "3s")).lengths == (-1.0, 0.0, 1.5)


def test_what_comes_before_is_added(faces: Generator, latent: Latent, mask: torch.Tensor):
    both = Edit(direction(0), (0.0,), before=((direction(1), 2.0),))
    alone = Edit(direction(1), (2.0,))
    torch.testing.assert_close(next(both.each(faces, latent)), next(alone.each(faces, latent)))


def test_page_and_sheet(faces: Generator, latent: Latent, mask: torch.Tensor, tmp_path: Path):
    report = compare_directions(faces, latent, [Edit(direction(), STRENGTHS, "smile")], mask)
    text = report.write_page(tmp_path / "page.html", "Smiles", {"space": "w"}, {"all": "index.html"}).read_text()
    assert all(word in text for word in ("Smiles", "smile", 'href="index.html"', "region outlined"))
    sheet = report.sheet(["-2", "0", "+3"])
    assert sheet.shape[2] > 128
    assert sheet.shape[3] > 4 * 128


def test_captioned_sheet_leaves_missing_places_white():
    sheet = captioned_sheet(-torch.ones(3, 3, 128, 128), 2, ["a", "b", "c"])
    assert sheet.shape[2:] == (2 * (28 + 128), 2 * 128 + 4)
    assert (sheet[..., -128:, -128:] == 1).all()
    assert (sheet[..., -128:, :128] == -1).all()


@pytest.mark.parametrize(("side", "shown"), [(8, 128), (64, 128), (100, 200), (200, 200), (512, 256)])
def test_size_on_sheets(side: int, shown: int):
    assert on_sheet(torch.zeros(1, 3, side, side)).shape[-1] == shown


def test_numbers_are_written_shortly():
    assert numbers([0, 1, 2, 5]) == "0-2, 5"
    assert numbers([7, 3, 4]) == "7, 3-4"
    assert numbers([]) == ""


def test_description_leaves_out_what_is_not_known():
    nan = torch.full((1,), math.nan, dtype=torch.float64)
    bare = Directions(torch.ones(1, 4), "w", None, nan, nan, nan, None, Origin("foreign file a.npy"))
    facts = {"method": "foreign file a.npy", "space": "w", "layers": "all", "truncation": "not known", "ridge": "none"}
    assert describe(bare) == facts


def test_description_says_how_a_foreign_file_was_read():
    nan = torch.full((1,), math.nan, dtype=torch.float64)
    origin = Origin("foreign file a.npy", notes="a strength of 1 is the length in the file, 2")
    found = Directions(torch.eye(4)[:1], "w", None, nan, nan, nan, None, origin, torch.full((1,), 2.0).double())
    assert describe(found)["read as"] == "a strength of 1 is the length in the file, 2"
