"""The study of strong edits on a small generator: equal changes inside, and that it goes on where it was."""

import json
from pathlib import Path

import pytest
from studies.strong_edits.command import study
from studies.strong_edits.measures import lengths_at

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from ganvas.regions import Region
from tests.generators.small import small_stylegan2


def test_lengths_are_those_at_which_the_change_is_the_target():
    found = lengths_at(lambda length: 0.02 * length**2, (0.1, 0.2, 99.0))
    assert list(found) == [0.1, 0.2]
    for target, length in found.items():
        assert 1 <= 0.02 * length**2 / target <= 1.01


@pytest.mark.slow
def test_every_way_is_measured_at_equal_change_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("studies.strong_edits.command.RESAMPLES", 20)
    regions = {"mouth": Region.box(0.3, 0.6, 0.7, 0.9), "eyes": Region.box(0.2, 0.2, 0.8, 0.4)}
    about = About("small", "", regions=regions, face_finder="cats")
    model = str(save_generator(tmp_path / "small.safetensors", small_stylegan2(32), about))
    numbers, tables, image = study(model, out=tmp_path / "out", seeds=1, costly=1)
    rows = json.loads(numbers.read_text())["results"]["mouth"]
    assert [set(row) for row in rows] == [
        {"straight", "corrected", "corrected, layers alike"},
        {"straight", "corrected, J anew", "followed"},
    ]
    for way, by_target in rows[0].items():
        for target, one in by_target.items():
            assert 1 <= one["inside"] / float(target) <= 1.02
            assert way != "straight" or one["likeness"] == pytest.approx(1)
    assert "| corrected | 0.1 |" in tables.read_text()
    assert image.is_file()
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "samples").iterdir()}
    assert study(model, out=tmp_path / "out", seeds=1, costly=1)[1].read_text() == tables.read_text()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "samples").iterdir()} == written
