"""Sheets of edited photos begin with the photos themselves: an inversion is never shown as the original."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ganvas.directions.direction import Direction
from ganvas.drag.session import DragSession, open_drag
from ganvas.edits.interpolate import path_through
from ganvas.edits.retime import Timing
from ganvas.generators.protocol import Generator
from ganvas.generators.weight_differences import LEFT, RIGHT, weights_of
from ganvas.images import sheets
from ganvas.latents.latent import Latent, sample
from ganvas.latents.photo_origin import PhotoOrigin
from ganvas.reports.drag_report import drag_sheet
from ganvas.reports.path_report import path_strip
from ganvas.reports.region_report import Edit, captions, compare_directions
from tests.generators.small import small_stylegan2


@pytest.fixture(scope="module")
def generator() -> Generator:
    return small_stylegan2(32)


def photographed(generator: Generator, seed: int, level: float) -> Latent:
    """Return a latent that says it was inverted from an even photo of this level."""
    images = torch.full((1, 3, 32, 32), float(level))
    photo = PhotoOrigin(images, torch.eye(2, 3)[None])
    return replace(sample(generator, [seed]).to_space(generator, "w+"), names=(f"photo {seed}",), photo=photo)


def timings(count: int) -> dict[str, Timing]:
    t = np.linspace(0, 1, count)
    return {"even": Timing(t, np.ones(count - 1), np.ones(count), t, np.ones(count - 1))}


def tile(sheet: torch.Tensor, row: int, column: int, rows: int, columns: int, side: int = 128) -> torch.Tensor:
    """Return one image of a labeled grid with gaps of 4 pixels, counted from its lower right corner."""
    bottom = sheet.shape[-2] - (rows - 1 - row) * (side + 4)
    right = sheet.shape[-1] - (columns - 1 - column) * (side + 4)
    return sheet[..., bottom - side : bottom, right - side : right]


def is_even(image: torch.Tensor, level: float) -> bool:
    return bool((image - level).abs().max() < 1e-6)


def test_a_path_shows_its_photos_over_the_frames_nearest_to_them(generator: Generator):
    latents = [photographed(generator, 1, -0.5), sample(generator, [2]), photographed(generator, 3, 0.25)]
    path = path_through(generator, latents)
    strip = path_strip(generator, path, timings(5))
    levels = [-0.5, 1, 1, 1, 0.25]  # white where no photo is
    assert [is_even(tile(strip, 0, column, 2, 5), level) for column, level in enumerate(levels)] == [True] * 5
    assert not is_even(tile(strip, 1, 0, 2, 5), -0.5)


def test_photos_with_weights_of_their_own_are_shown_too(generator: Generator):
    first, second = photographed(generator, 1, -0.5), photographed(generator, 3, 0.25)
    name, weight = next(iter(weights_of(generator).items()))
    tuned = replace(
        second,
        tuned={f"{name}{LEFT}": torch.zeros(len(weight), 1), f"{name}{RIGHT}": torch.zeros(1, weight[0].numel())},
    )
    path = path_through(generator, [first, tuned])
    strip = path_strip(generator, path, timings(5))
    assert [is_even(tile(strip, 0, column, 2, 5), level) for column, level in ((0, -0.5), (4, 0.25))] == [True, True]


def test_a_closed_path_shows_no_photo_twice(generator: Generator):
    latents = [photographed(generator, 1, -0.5), photographed(generator, 3, 0.25)]
    strip = path_strip(generator, path_through(generator, latents, loop=True), timings(5))
    assert [is_even(tile(strip, 0, column, 2, 5), 1) for column in range(5)] == [False, True, False, True, True]


def test_frames_on_a_path_are_those_of_no_photo(generator: Generator):
    path = path_through(generator, [photographed(generator, seed, 0) for seed in (1, 2)])
    assert path.at(np.linspace(0, 1, 3)).photo is None
    assert path_through(generator, sample(generator, [1, 2])).photos == ()


def test_a_drag_shows_photo_inversion_and_result(generator: Generator):
    session = open_drag(generator, photographed(generator, 1, 0.25))
    session = session.drag([((0.3, 0.5), (0.5, 0.5))], steps=1)
    sheet = drag_sheet(session, session.image(session.start.codes))
    side = sheet.shape[-1] // 3 - 2
    assert is_even(tile(sheet, 0, 0, 1, 3, side), 0.25)
    assert not is_even(tile(sheet, 0, 1, 1, 3, side), 0.25)
    assert session.latent.photo is not None  # for the next command, which opens the latent file


def heads_of(monkeypatch: pytest.MonkeyPatch, session: DragSession) -> list[str]:
    heads: list[str] = []
    draw = sheets.labeled_grid
    monkeypatch.setattr(sheets, "labeled_grid", lambda *given: heads.extend(given[2]) or draw(*given))
    drag_sheet(session, session.image(session.start.codes))
    return heads


@pytest.mark.slow
def test_words_over_a_drag_say_what_each_image_is(generator: Generator, monkeypatch: pytest.MonkeyPatch):
    drag = [((0.3, 0.5), (0.5, 0.5))]
    generated = open_drag(generator, sample(generator, [1])).drag(drag, steps=1)
    assert heads_of(monkeypatch, generated) == ["original", "dragged"]
    of_photo = open_drag(generator, photographed(generator, 1, 0)).drag(drag, steps=1).drag(drag, steps=1)
    assert heads_of(monkeypatch, of_photo) == ["photo", "inversion", "drag 1", "drag 2"]


def test_directions_show_the_photo_first(generator: Generator):
    vector = torch.nn.functional.normalize(torch.randn(6, generator=torch.Generator().manual_seed(0)), dim=0)
    edits = [Edit(Direction(vector, "w", (1, 2)), (-1.0, 1.0), f"direction {number}") for number in range(2)]
    latent = photographed(generator, 1, 0.25)
    report = compare_directions(generator, latent, edits, None)
    sheet = report.sheet(captions(edits[0].strengths))
    assert [is_even(tile(sheet, row, 0, 2, 4), 0.25) for row in range(2)] == [True, True]
    assert not is_even(tile(sheet, 0, 1, 2, 4), 0.25)
