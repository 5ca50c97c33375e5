from pathlib import Path

import pytest
import torch

from ganvas.directions.cached import hold_search
from ganvas.directions.direction import load_directions
from ganvas.directions.find import find_directions
from ganvas.directions.settings import Search
from ganvas.errors import GanvasError
from ganvas.generators.protocol import About
from ganvas.regions import Region
from tests.generators.small import small_stylegan2


def test_a_held_search_finds_what_a_search_finds() -> None:
    generator = small_stylegan2(16)
    ws = generator.map(generator.sample([1, 2]))
    held = hold_search(generator, ws, Search(layers="2-4", count=3, ignore_band=0.05))
    assert held.bytes == 2 * 6 * 3 * 16 * 16 * 4
    for region in (Region.box(0.2, 0.2, 0.6, 0.6), Region.box(0.1, 0.1, 0.9, 0.8).feather(0.2)):
        found = held.find(region, "here")
        expected = find_directions(generator, ws, region, layers="2-4", count=3, ignore_band=0.05)
        torch.testing.assert_close(found.eigenvalues, expected.eigenvalues, rtol=1e-4, atol=0)
        torch.testing.assert_close(found.vectors, expected.vectors, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(found.stds, expected.stds, rtol=1e-4, atol=0)
        assert (found.layers, found.origin.region_name) == ((2, 3, 4), "here")
        assert found.origin.region == region.describe()


@pytest.mark.parametrize(("space", "truncation"), [("w", 1.0), ("z", 0.7)])
def test_held_search_names_its_generator_in_the_file_as_a_search_does(space: str, truncation: float, tmp_path: Path):
    generator = small_stylegan2(16)
    generator.about = About("small", "ab" * 32)
    z, region = generator.sample([1]), Region.box(0.2, 0.2, 0.6, 0.6)
    codes = z if space == "z" else generator.map(z)
    held = hold_search(generator, codes, Search(space=space, truncation=truncation, count=2))
    held.find(region).save(tmp_path / "held.safetensors")
    saved = load_directions(tmp_path / "held.safetensors").origin
    assert (saved.generator, saved.generator_hash) == ("small", "ab" * 32)
    assert saved == find_directions(generator, codes, region, space=space, truncation=truncation, count=2).origin


def test_what_does_not_fit_is_not_held() -> None:
    generator = small_stylegan2(16)
    ws = generator.map(generator.sample([1, 2]))
    with pytest.raises(GanvasError, match="fewer images"):
        hold_search(generator, ws, Search(budget=30_000))
