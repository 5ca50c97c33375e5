"""Directions from the Jacobian of the confined image: its derivative is that of `ganvas.confine`."""

import numpy as np
import pytest
import torch
from studies.confined_directions.command import study
from studies.confined_directions.searches import confined_derivative, fade_of

import ganvas
from ganvas.checkpoints.own_format import save_generator
from ganvas.edits.rim import MapBlender, rim_around
from ganvas.generators.protocol import About
from ganvas.regions import Region
from tests.generators.small import small_stylegan2

BOX = Region.box(0.3, 0.3, 0.6, 0.6)
RIM = rim_around(BOX, 16, 16, 0.1, within=False)


@pytest.mark.parametrize(
    ("size", "extent"), [(16, (0.0, 0.0, 1.0, 1.0)), (8, (-0.1, -0.1, 1.1, 1.1)), (2, (0.0, 0.0, 1.0, 1.0))]
)
def test_the_fade_of_tensors_is_that_of_confined_edits(size, extent):
    before, after = torch.randn(2, 1, 3, size, size, generator=torch.Generator().manual_seed(0))
    expected = MapBlender(RIM).blend(before, after, extent)
    found = before + fade_of(RIM, before, extent)(after - before)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_derivative_is_that_of_confined_edits():
    generator = small_stylegan2(16)
    latent = ganvas.sample(generator, [4])
    linear = confined_derivative(generator, latent, RIM, "1-2")
    columns = linear.columns(0, 6).view(6, 3, 16, 16)
    step = 1e-2
    for index in (0, 4):
        direction = ganvas.Direction(torch.eye(6)[index], "w", (1, 2))
        ends = [
            ganvas.confine(generator, latent, ganvas.edit(generator, latent, direction, sign * step), BOX).images[0]
            for sign in (-1, 1)
        ]
        expected = (ends[1] - ends[0]) / (2 * step)
        assert float((columns[index] - expected).norm() / expected.norm()) < 0.02


@pytest.mark.slow
def test_the_study_compares_ways_at_equal_seam(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("studies.confined_directions.command.RESAMPLES", 20)
    about = About("small", "", regions={"mouth": Region.box(0.3, 0.6, 0.6, 0.8), "eyes": BOX})
    model = str(save_generator(tmp_path / "small.safetensors", small_stylegan2(32), about))
    _, tables, image = study(model, out=tmp_path / "out", seeds=1)
    line = next(line for line in tables.read_text().splitlines() if line.startswith("| ReSeFa |"))
    assert "1.0" in line
    assert np.isfinite(image.stat().st_size)
    assert study(model, out=tmp_path / "out", seeds=1)[1].read_text() == tables.read_text()
