from pathlib import Path

import pytest
import torch

from ganvas.directions.cached import cache_jacobians
from ganvas.directions.files import load_directions
from ganvas.directions.find import find_directions
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError
from ganvas.generators.protocol import About
from ganvas.latents.latent import sample
from ganvas.regions import Region
from tests.generators.small import small_stylegan2


@pytest.mark.slow
def test_cached_jacobians_give_what_a_search_gives() -> None:
    generator = small_stylegan2(16)
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    generator.about = About("small", "ab" * 32, regions={"here": region})
    latent, method = sample(generator, [1, 2]), ReSeFa(ignore_band=0.05)
    cached = cache_jacobians(generator, latent, method=method, layers="2-4")
    assert cached.bytes == 2 * 6 * 3 * 16 * 16 * 4
    assert repr(cached) == "CachedSearch(2 images, space w, layers 2-4, 0 MiB)"
    for where in ("here", Region.box(0.1, 0.1, 0.9, 0.8).feather(0.2)):
        found = cached.find(where, count=3)
        expected = find_directions(generator, latent, where, layers="2-4", count=3, method=method)
        torch.testing.assert_close(found.eigenvalues, expected.eigenvalues, rtol=1e-4, atol=0)
        torch.testing.assert_close(found.vectors, expected.vectors, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(found.stds, expected.stds, rtol=1e-4, atol=0)
        assert found.layers == (2, 3, 4)
        assert found.origin == expected.origin


@pytest.mark.slow
@pytest.mark.parametrize("space", ["w", "z"])
def test_cached_search_names_its_generator_in_the_file_as_a_search_does(space: str, tmp_path: Path):
    generator = small_stylegan2(16)
    generator.about = About("small", "ab" * 32)
    region = Region.box(0.2, 0.2, 0.6, 0.6)
    for codes in (sample(generator, [1], space=space, truncation=0.7), generator.map(generator.sample([1]), "w")):
        if isinstance(codes, torch.Tensor) and space == "z":
            continue
        cached = cache_jacobians(generator, codes, space=space)
        cached.find(region, count=2).save(tmp_path / "cached.safetensors")
        saved = load_directions(tmp_path / "cached.safetensors").origin
        assert (saved.generator, saved.generator_hash) == ("small", "ab" * 32)
        assert saved == find_directions(generator, codes, region, space=space, count=2).origin


def test_what_does_not_fit_the_budget_is_not_kept() -> None:
    generator = small_stylegan2(16)
    with pytest.raises(GanvasError, match="fewer images"):
        cache_jacobians(generator, sample(generator, [1, 2]), method=ReSeFa(budget=30_000))
