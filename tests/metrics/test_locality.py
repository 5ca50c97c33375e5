"""Change inside and outside: a weighted mean, its root, and what cannot be compared."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.directions.find import find_directions
from ganvas.directions.linalg import NO_RIDGE
from ganvas.directions.resefa import ReSeFa
from ganvas.edits.move import edit
from ganvas.errors import GanvasError, RegionError
from ganvas.latents.latent import sample
from ganvas.metrics.locality import mean_squared_change, rms_change
from ganvas.regions import Region
from tests.fakes import LinearGenerator
from tests.generators.test_codes import unchecked


@settings(max_examples=25)
@given(st.integers(0, 2**16), st.floats(0.125, 2))
def test_mean_squared_change_is_the_mean_over_mask_and_channels(seed, scale):
    random = torch.Generator().manual_seed(seed)
    edited, original = torch.randn(2, 4, 3, 5, 6, generator=random, dtype=torch.float64)
    mask = torch.rand(1, 5, 6, generator=random, dtype=torch.float64)
    expected = torch.stack([((e - o) ** 2 * mask).mean() / mask.mean() for e, o in zip(edited, original, strict=True)])
    found = mean_squared_change(edited, original, mask)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(mean_squared_change(edited, original, scale * mask), found)
    torch.testing.assert_close(mean_squared_change(scale * edited, scale * original, mask), scale**2 * found)
    torch.testing.assert_close(mean_squared_change(original, edited, mask), found)
    whole = (mean_squared_change(edited, original, m) * m.sum() for m in (mask, 1 - mask))
    torch.testing.assert_close(sum(whole), mean_squared_change(edited, original, torch.ones_like(mask)) * 30)


def test_a_constant_change_is_its_own_root_mean_square():
    original = torch.randn(2, 3, 4, 4)
    mask = Region.box(0.1, 0.2, 0.6, 0.9).mask(4, 4)
    torch.testing.assert_close(rms_change(original + 0.25, original, mask), torch.full((2,), 0.25))
    assert torch.equal(rms_change(original, original, mask), torch.zeros(2))


def test_changes_outside_the_mask_do_not_count():
    original, edited = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    edited[..., :2] = 1
    left, right = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    left[..., :2], right[..., 2:] = 1, 1
    assert mean_squared_change(edited, original, left) == 1
    assert mean_squared_change(edited, original, right) == 0


def test_the_ratio_of_a_linear_generator_is_the_predicted_one_at_any_strength():
    generator, region = LinearGenerator(), Region.box(0.1, 0.2, 0.6, 0.9)
    latent = sample(generator, [0])
    inside, outside = region.split(8, 8)
    for along in find_directions(generator, latent, region, count=3, method=ReSeFa(NO_RIDGE)):
        edited = generator.synthesize(edit(generator, latent, along, 4.0))
        pair = (edited, generator.synthesize(latent))
        ratio = mean_squared_change(*pair, inside) / mean_squared_change(*pair, outside)
        assert float(ratio) == pytest.approx(along.predicted_ratio, rel=1e-4)


IMAGE, MASK = torch.zeros(1, 3, 4, 6), torch.ones(1, 4, 6)


@pytest.mark.parametrize(
    ("edited", "original", "mask", "error", "message"),
    [
        (IMAGE, torch.zeros(2, 3, 4, 6), MASK, GanvasError, "cannot be compared"),
        (IMAGE, torch.zeros(1, 1, 4, 6), MASK, GanvasError, "cannot be compared"),
        (IMAGE[0], IMAGE[0], MASK, GanvasError, "cannot be compared"),
        (IMAGE.byte(), IMAGE.byte(), MASK, GanvasError, "give floats in"),
        (IMAGE, IMAGE, torch.ones(1, 6, 4), RegionError, r"does not fit images of 6x4 pixels; give \[1, 4, 6\]"),
        (IMAGE, IMAGE, torch.ones(4, 6), RegionError, "does not fit"),
        (IMAGE, IMAGE, torch.ones(1, 1, 1), RegionError, "does not fit"),
        (IMAGE, IMAGE, 0 * MASK, RegionError, "The mask is empty"),
        (IMAGE, IMAGE, MASK * float("nan"), RegionError, "The mask is empty"),
    ],
)
def test_images_and_masks_of_other_shapes_are_refused(edited, original, mask, error, message):
    with pytest.raises(error, match=message):
        unchecked(mean_squared_change)(edited, original, mask)
