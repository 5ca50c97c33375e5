"""The study of confined edits on a small generator: what it measures, and that it goes on where it was."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from studies.confine.command import study
from studies.confine.measures import linear_fade

from ganvas.checkpoints.own_format import save_generator
from ganvas.edits.rim import rim_around
from ganvas.generators.protocol import About
from ganvas.regions import Region
from tests.generators.small import small_stylegan2

BOX = Region.box(0.3, 0.3, 0.6, 0.6)


@pytest.mark.slow
def test_the_study_measures_every_way_once(tmp_path: Path):
    about = About("small", "", regions={"mouth": BOX})
    model = str(save_generator(tmp_path / "small.safetensors", small_stylegan2(16), about))
    numbers, tables, image = study(model, out=tmp_path / "out", seeds=2)
    rows = json.loads(numbers.read_text())["results"]["mouth"]
    assert len(rows) == 2
    assert set(rows[0]) - set(rows[1]) == {"maps up to 32 px", "half the rim", "within"}
    for row in rows:
        assert row["free"]["kept"] == 1
        assert row["free"]["outside_pixels"] > 0
        assert all(one["outside_pixels"] == 0 for way, one in row.items() if way != "free")
    assert "| image only | 2 |" in tables.read_text()
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "samples").iterdir()}
    assert study(model, out=tmp_path / "out", seeds=2)[0].read_text() == numbers.read_text()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "samples").iterdir()} == written
    assert image.is_file()


def test_a_linear_fade_falls_evenly_from_core_to_limit():
    rim = rim_around(Region.box(0, 0, 0.3, 1), 20, 20, 0.4, within=False)
    expected = np.interp(np.arange(20), [9, 14], [1, 0])
    torch.testing.assert_close(linear_fade(rim)[0, 10], torch.from_numpy(expected).float())
