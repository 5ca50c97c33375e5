"""The rim of a region, masks at the size of feature maps, the harmonic fade between core and limit, and the seam."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.edits.harmonic import HarmonicFade
from ganvas.edits.rim import WHOLE, MapBlender, Rim, covered, joined, rim_around
from ganvas.errors import RegionError
from ganvas.regions import Region
from ganvas.regions.coverage import resize_by_area

BOX = Region.box(0.25, 0.25, 0.5, 0.75)


def random_masks(seed: int, side: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return a core and a limit that contains it, both ragged."""
    random = np.random.default_rng(seed)
    core = random.random((side, side)) < 0.15
    core[side // 2, side // 2] = True
    return core, core | (random.random((side, side)) < 0.6)


def test_a_fade_between_two_straight_edges_is_linear():
    core, limit = np.zeros((3, 8), bool), np.zeros((3, 8), bool)
    core[:, :2], limit[:, :7] = True, True
    faded = HarmonicFade(core, limit)(torch.full((1, 2, 3, 8), 6.0))
    expected = torch.tensor([6.0, 6, 5, 4, 3, 2, 1, 0])
    torch.testing.assert_close(faded, expected.expand(1, 2, 3, 8))


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_a_fade_has_the_smallest_gradient_of_all_that_agree_with_it_in_the_core_and_outside(seed):
    core, limit = random_masks(seed)
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(1, 1, *core.shape, generator=random, dtype=torch.float64)
    faded = HarmonicFade(core, limit)(values)
    inside, outside, band = map(torch.from_numpy, (core, ~limit, limit & ~core))
    assert torch.equal(faded[..., inside], values[..., inside])
    assert not faded[..., outside].any()
    assert faded.abs().max() <= values[..., inside].abs().max() + 1e-9

    def energy(u: torch.Tensor) -> float:
        return float(u.diff(dim=-1).square().sum() + u.diff(dim=-2).square().sum())

    for _ in range(3):
        other = faded + 0.1 * band * torch.randn(faded.shape, generator=random, dtype=torch.float64)
        assert energy(faded) <= energy(other) + 1e-9


def test_the_rim_grows_the_region_by_its_width_or_stays_within():
    grown, within = (rim_around(BOX, 40, 40, 0.2, side) for side in (False, True))
    columns = np.arange(40)
    assert np.array_equal(grown.core[20], (columns >= 10 - 4) & (columns < 20 + 4))
    assert np.array_equal(grown.limit[20], (columns >= 10 - 8) & (columns < 20 + 8))
    assert np.array_equal(within.limit[20], (columns >= 10) & (columns < 20))
    assert np.array_equal(within.core[20], (columns >= 12) & (columns < 18))


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("region", [BOX, BOX.feather(0.1), Region.brush([(0.9, 0.0)], 0.1), ~Region.box(0, 0, 0.5, 1)])
@pytest.mark.parametrize("rim", [0.0, 0.05, 0.3])
def test_every_region_has_a_core_within_its_limit(region: Region, rim: float, within: bool):
    found = rim_around(region, 32, 48, rim, within)
    touched = (region.mask(32, 48)[0] > 0).numpy()
    assert found.core.any()
    assert not found.limit.all()
    assert not (found.core & ~found.limit).any()
    beyond = found.limit & ~touched if within else touched & ~found.limit
    assert not beyond.any()


def test_a_region_that_leaves_nothing_outside_is_refused():
    with pytest.raises(RegionError, match="make it smaller, or the rim"):
        rim_around(Region.box(0.02, 0.02, 1, 1), 32, 32, 0.1, within=False)
    with pytest.raises(RegionError, match="make it smaller"):
        rim_around(Region.box(0.01, 0.01, 1, 1), 32, 32, 0.1, within=True)


@pytest.mark.parametrize("size", [1, 3, 4, 8, 16, 40])
def test_a_mask_on_a_map_is_its_mean_over_each_sample(size: int):
    mask = random_masks(3, 16)[1]
    np.testing.assert_allclose(
        covered(mask, WHOLE, size, size), resize_by_area(mask.astype(float), size, size), atol=1e-12
    )


def test_a_mask_goes_on_in_the_margins_of_a_map_as_it_is_at_the_edge():
    mask = np.zeros((8, 8), bool)
    mask[:4, :2] = True
    found = covered(mask, (-0.5, -0.5, 1.5, 1.5), 16, 16)
    expected = np.zeros((16, 16))
    expected[:8, :6] = 1
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_map_too_coarse_for_the_core_is_blended_by_its_share():
    rim = rim_around(Region.box(0.1, 0.1, 0.3, 0.3), 64, 64, 0.0, within=False)
    before, after = torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2)
    blended = MapBlender(rim).blend(before, after)
    expected = torch.from_numpy(rim.core.reshape(2, 32, 2, 32).mean((1, 3)))
    torch.testing.assert_close(blended, expected.expand(1, 2, 2, 2).float())
    assert 0 < blended.max() < 0.5


def slow_seam(change: np.ndarray, before: np.ndarray, rim: Rim) -> float:
    """Return the seam by going through all pairs of neighbors."""
    level = rim.limit.astype(int) + rim.core
    over = under = 0.0
    height, width = level.shape
    for y in range(height):
        for x in range(width):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < height and u < width and not (level[y, x] == level[v, u] and level[y, x] in (0, 2)):
                    over += ((change[:, y, x] - change[:, v, u]) ** 2).sum()
                    under += ((before[:, y, x] - before[:, v, u]) ** 2).sum()
    return (over / under) ** 0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_the_seam_is_the_gradient_of_the_change_across_the_rim_over_that_of_the_original(seed: int):
    core, limit = random_masks(seed)
    rim = Rim(torch.ones(1, 12, 12), core, limit)
    before, change = torch.randn(2, 2, 3, 12, 12, dtype=torch.float64)
    expected = [slow_seam(change[row].numpy(), before[row].numpy(), rim) for row in range(2)]
    torch.testing.assert_close(rim.seam(before + change, before), torch.tensor(expected, dtype=torch.float64))


def test_the_seam_does_not_see_what_changes_in_the_core():
    rim = rim_around(BOX, 32, 32, 0.1, within=False)
    before, after = torch.randn(2, 1, 3, 32, 32)
    deep = torch.from_numpy(rim.core) & ~torch.from_numpy(rim_around(BOX, 32, 32, 0.3, within=False).limit)
    assert float(rim.seam(torch.where(deep, after, before), before)) == 0
    hard = rim_around(BOX, 32, 32, 0.0, within=False)
    assert float(hard.seam(torch.where(torch.from_numpy(hard.core), after, before), before)) > 0.5


def test_a_flat_original_without_a_change_has_no_seam():
    rim = rim_around(BOX, 16, 16, 0.1, within=False)
    assert float(rim.seam(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))) == 0


def test_several_rims_are_one():
    rims = [rim_around(region, 32, 32, 0.1, within=False) for region in (BOX, Region.box(0.7, 0.1, 0.9, 0.2))]
    both = joined(rims)
    assert np.array_equal(both.limit, rims[0].limit | rims[1].limit)
    assert np.array_equal(both.core, rims[0].core | rims[1].core)
    assert torch.equal(both.region, torch.maximum(rims[0].region, rims[1].region))


@pytest.mark.parametrize("box", [(0.3, 0.3, 0.6, 0.5), (0.0, 0.0, 0.3, 0.4), (0.7, 0.6, 1.0, 1.0)])
def test_a_blend_is_that_of_the_whole_map_and_leaves_what_lies_beyond(box):
    rim = rim_around(Region.box(*box), 32, 32, 0.1, within=False)
    torch.manual_seed(0)
    for side in (32, 16, 8):
        before, after = torch.randn(2, 2, 3, side, side).unbind(0)
        core, limit = (covered(mask, WHOLE, side, side) >= 0.5 for mask in (rim.core, rim.limit))
        faded = HarmonicFade(core, core | limit)(after - before)
        blended = MapBlender(rim).blend(before, after)
        expected = torch.where(torch.from_numpy(core), after, before + faded)
        assert torch.allclose(blended, expected, atol=1e-6)
        beyond = torch.from_numpy(~(core | limit)).expand_as(before)
        assert torch.equal(blended[beyond], before[beyond])
