"""The comparison of methods for directions: matched change, known factors, resumed and shared work."""

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from ganvas.comparisons.directions import results, run
from ganvas.comparisons.directions.cells import SHARD, Cell, Measured, all_cells
from ganvas.comparisons.directions.found import find_all
from ganvas.comparisons.directions.likeness import PerceptualChange
from ganvas.comparisons.directions.settings import COMPARED, DirectionComparison
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError, LatentError
from ganvas.metrics.features import FeatureNetwork
from ganvas.metrics.likeness import Likeness
from ganvas.metrics.lpips import PublishedFeatures
from ganvas.regions import Region
from ganvas.reports.direction_comparison import markdown, table_rows, write_comparison
from tests.directions.test_peers import LocalFactors

SETTINGS = DirectionComparison(
    regions=("box:0.25,0.25,0.75,0.75",),
    methods=("resefa", "lowrankgan-spectrum", "random"),
    found_on=(0, 1),
    images=SHARD + 5,
    levels=(0.2,),
    directions=2,
)


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> LocalFactors:
    """Return a generator of known factors; features are its pixels."""

    class Pixels(FeatureNetwork):
        resolution = 8

        def __init__(self):
            torch.nn.Module.__init__(self)
            self.register_buffer("mean", torch.zeros(1))

        def forward(self, images):
            return images.flatten(1)[:, :20]

    monkeypatch.setattr(run, "load_features", lambda device: Pixels())
    alike = Likeness("pixels", lambda photo: lambda image: float((image - photo).square().mean()))
    monkeypatch.setattr(run, "likeness", lambda *_: alike)
    return LocalFactors()


def table(found: run.ComparedDirections) -> dict[str, results.Line]:
    return {line.method: line for line in found.lines}


@pytest.mark.slow
def test_methods_that_know_the_region_win_at_equal_change_inside(generator: LocalFactors, tmp_path: Path):
    found = run.compare_directions(generator, SETTINGS, tmp_path)
    assert found is not None
    lines = table(found)
    assert lines["resefa"].outside.value < 0.02
    assert lines["lowrankgan-spectrum"].outside.value < 0.02
    assert lines["random"].outside.value > 0.5
    assert lines["random"].against is not None
    assert lines["random"].against.high < 0.1  # ReSeFa's quotient over random's
    for line in lines.values():
        assert line.unreached == 0
        assert line.measured % SETTINGS.images == 0
    for path in (tmp_path / "cells").iterdir():
        assert np.allclose(np.sqrt(Measured.load(path).inside), 0.2, rtol=0.011)


@pytest.mark.slow
def test_a_stopped_comparison_gives_the_same_numbers(generator: LocalFactors, tmp_path: Path):
    whole = run.compare_directions(generator, SETTINGS, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run.compare_directions(generator, SETTINGS, tmp_path / "stopped", progress=_stop_after(3))
    assert len(list((tmp_path / "stopped" / "cells").iterdir())) == 3
    resumed = run.compare_directions(generator, SETTINGS, tmp_path / "stopped")
    assert whole is not None
    assert resumed is not None
    assert whole.lines == resumed.lines


def _stop_after(cells: int):
    def progress(what: str, done: int, total: int) -> None:
        if what == "Measuring edits" and done == cells:
            raise KeyboardInterrupt

    return progress


def test_more_images_go_on_and_other_settings_are_refused(generator: LocalFactors, tmp_path: Path):
    fewer = replace(SETTINGS, images=SHARD, methods=("resefa",))
    run.compare_directions(generator, fewer, tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    run.compare_directions(generator, replace(fewer, images=SHARD + 5), tmp_path)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    with pytest.raises(GanvasError, match="other settings"):
        run.compare_directions(generator, replace(fewer, levels=(0.1,)), tmp_path)


def test_what_is_not_reached_is_counted_and_never_dropped():
    reached = Measured(*(np.full(4, value) for value in (1.0, 0.04, 0.01)), features=np.zeros((0, 0)))
    half = replace(reached, strengths=np.array([1.0, np.inf, np.inf, np.inf]))
    assert results.quotients(half).tolist() == [0.5, np.inf, np.inf, np.inf]
    settings = replace(SETTINGS, methods=("resefa",), directions=1, images=4)
    (line,) = results.lines(settings, {(0, "resefa", 0, 0.2): half}, {}, None)
    assert (line.unreached, line.measured) == (3, 4)
    assert np.isinf(line.outside.value)
    both = results._against(np.array([1.0, 1.0, 1.0, np.inf]), np.array([1.0, 1.0, np.inf, np.inf]), 50)
    assert (both.low, both.high) == (0.0, 1.0)


def test_the_best_direction_is_chosen_on_other_images_than_it_is_reported_on():
    first = Measured(*(np.ones(4) for _ in range(3)), features=np.zeros((0, 0)))
    lucky = replace(first, outside=np.array([0.01, 0.01, 4.0, 4.0]))
    settings = replace(SETTINGS, methods=("resefa",), directions=2, images=4)
    (line,) = results.lines(settings, {(0, "resefa", 0, 0.2): first, (0, "resefa", 1, 0.2): lucky}, {}, None)
    assert line.outside.value == 2.0


def test_cells_give_every_method_some_images_first():
    cells = all_cells(SETTINGS, dict.fromkeys([(0, name) for name in SETTINGS.methods], 1))
    assert [cell.method for cell in cells[:3]] == list(SETTINGS.methods)
    assert {(cell.first, cell.last) for cell in cells} == {(0, SHARD), (SHARD, SHARD + 5)}


@pytest.mark.slow
def test_comparison_is_written_as_tables_and_json(generator: LocalFactors, tmp_path: Path):
    found = run.compare_directions(generator, replace(SETTINGS, images=6), tmp_path)
    assert found is not None
    paths = write_comparison(tmp_path, found, {"generator": "factors"})
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert {line["method"] for line in content["lines"]} == set(SETTINGS.methods)
    assert content["identity"] == "pixels"
    assert "| resefa |" in markdown(found)
    assert all(path.is_file() for path in paths)
    page = (tmp_path / "comparison.html").read_text("utf-8")
    assert page.count("A gray panel: this method does not reach") == page.count("The same images")
    assert page.count('<img src="data:image/png') == 2  # the curves and the faces of the region
    assert all(f'<th scope="row">{method}</th>' in page for method in SETTINGS.methods)
    assert "pixels" in page
    assert "http://" not in page
    assert "https://" not in page


def test_second_network_compares_the_same_edits(generator: LocalFactors, tmp_path: Path):
    settings = replace(SETTINGS, images=6, methods=("resefa", "random"))
    own = run.load_features("cpu")
    own.name = "twice"
    plain = run.compare_directions(generator, settings, tmp_path)
    both = run.compare_directions(generator, settings, tmp_path, second=own)
    assert plain is not None
    assert both is not None
    for before, line in zip(plain.lines, both.lines, strict=True):
        assert replace(line, second=None) == before
        assert line.second is not None
        assert line.distribution is not None
        assert line.second.value == pytest.approx(line.distribution.value, rel=0.02, abs=1e-3)
    assert both.unedited_second == both.unedited
    assert "kernel MMD, twice" in markdown(both)


class Change(PublishedFeatures):
    """A distance that is the absolute change of colors, of any size."""

    name, hash = "LPIPS-Test", "0"

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def distance_map(self, images, others):
        return (images - others).abs().mean(1, keepdim=True)


def test_perceptual_change_is_the_mean_of_the_map_inside_and_outside():
    left = Region.box(0, 0, 0.5, 1)
    before = torch.zeros(2, 3, 8, 8)
    after = before.clone()
    after[0, :, :, :4], after[1, :, :, 4:] = 0.5, -3.0  # as saved: -1
    cell = Cell(0, "resefa", 0, 0, 2)
    assert PerceptualChange(Change(), [left])(cell, before, after).tolist() == [[0.5, 0.0], [0.0, 1.0]]


@pytest.mark.slow
def test_perceptual_distance_comes_beside_the_same_numbers_also_later(generator: LocalFactors, tmp_path: Path):
    settings = replace(SETTINGS, images=6, methods=("resefa", "random"), directions=1)
    plain = run.compare_directions(generator, settings, tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.np?")}
    seen = run.compare_directions(generator, settings, tmp_path, perceptual=Change())
    assert plain is not None
    assert seen is not None
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert len(list((tmp_path / "LPIPS-Test-0").iterdir())) == len(plain.lines)
    for before, line in zip(plain.lines, seen.lines, strict=True):
        assert replace(line, perceptual_inside=None, perceptual_outside=None) == before
        assert line.perceptual_inside is not None
        assert line.perceptual_inside.value > 0.05  # of a root mean square of 0.2
    outside = {name: line.perceptual_outside for name, line in table(seen).items()}
    assert outside["resefa"].value < 0.05 * outside["random"].value
    head = table_rows(seen.lines, seen)[0]
    assert head[5:7] == ["LPIPS-Test inside", "LPIPS-Test outside"]
    assert "LPIPS" not in markdown(plain)
    write_comparison(tmp_path, seen, {"generator": "factors"})
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert content["perceptual_distance"] == "LPIPS-Test"
    assert all(line["perceptual_outside"]["value"] >= 0 for line in content["lines"])
    assert "LPIPS-Test outside" in (tmp_path / "comparison.html").read_text("utf-8")


def test_perceptual_distance_is_left_empty_where_no_level_was_reached():
    never = Measured(np.full(4, np.inf), np.full(4, np.nan), np.full(4, np.nan), np.zeros((0, 0)))
    settings, key = replace(SETTINGS, methods=("resefa",), directions=1, images=4), (0, "resefa", 0, 0.2)
    (line,) = results.lines(settings, {key: never}, {}, None, {key: np.full((4, 2), np.nan)})
    assert (line.perceptual_inside, line.perceptual_outside) == (None, None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"methods": ("magic",)}, "no method 'magic'"),
        ({"regions": ()}, "at least one region"),
        ({"found_on": (1000,)}, "held out and searched at once"),
    ],
)
def test_settings_that_compare_nothing_are_refused(changed: dict, message: str):
    with pytest.raises(GanvasError, match=message):
        replace(SETTINGS, **changed)


@pytest.mark.slow
def test_confined_edits_change_nothing_far_outside(generator: LocalFactors, tmp_path: Path):
    settings = replace(SETTINGS, methods=("random",), images=4, directions=1, confined=True)
    found = run.compare_directions(generator, settings, tmp_path)
    free = run.compare_directions(generator, replace(settings, confined=False), tmp_path / "free")
    assert found is not None
    assert free is not None
    assert table(found)["random"].outside.value < table(free)["random"].outside.value


def test_layers_that_the_generator_lacks_are_refused_before_anything_is_written(generator, tmp_path: Path):
    with pytest.raises(LatentError, match="layers"):
        run.compare_directions(generator, replace(SETTINGS, layers="90"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_comparison_without_any_direction_says_why(generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reason = "this method needs another generator"
    for name in SETTINGS.methods:
        monkeypatch.setattr(type(COMPARED[name]), "find", Mock(side_effect=LatentError(reason)))
    with pytest.raises(GanvasError, match=f"No method finds a direction here: {reason}$"):
        run.compare_directions(generator, SETTINGS, tmp_path)


def test_regions_are_searched_together_and_one_that_cannot_be_says_why(generator, tmp_path: Path, monkeypatch):
    whole, asked = ReSeFa.find, []

    def find(self, generator, latent, regions, **settings):
        asked.append(len(regions))
        if "2" in regions:
            raise LatentError("not this one")
        return whole(self, generator, latent, regions, **settings)

    alone = find_all(generator, replace(SETTINGS, methods=("resefa",), regions=("box:0,0,0.5,1",)), tmp_path, Mock())
    monkeypatch.setattr(ReSeFa, "find", find)
    regions = ("box:0.25,0.25,0.75,0.75", "box:0,0,0.5,1")
    both = replace(SETTINGS, methods=("resefa",), regions=regions)
    together = find_all(generator, both, tmp_path / "together", Mock())
    three = find_all(generator, replace(both, regions=(*regions, "box:0,0,1,0.5")), tmp_path / "three", Mock())
    assert asked == [2, 3, 1, 1, 1]
    assert three[2, "resefa"].reason == "not this one"
    assert (together[1, "resefa"].together, three[1, "resefa"].together) == (2, 1)
    for found in (together, three):
        assert torch.equal(found[1, "resefa"].directions.vectors, alone[0, "resefa"].directions.vectors)
        assert found[1, "resefa"].directions.origin == alone[0, "resefa"].directions.origin
