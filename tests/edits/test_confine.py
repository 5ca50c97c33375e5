"""Confined edits: outside the rim not one bit differs, whatever the generator, the region and the edit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ganvas
from ganvas.edits.confine import ConfineSettings, confine
from ganvas.errors import LatentError, RegionError
from ganvas.images.pixels import to_bytes
from ganvas.latents.latent import Latent, sample
from ganvas.latents.noise import with_noise
from ganvas.regions import Region
from tests.fakes import LinearGenerator
from tests.generators.biggan_parts import small_biggan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3
from tests.generators.test_dcgan import small_dcgan
from tests.generators.test_wrap import Painter


class Plain:
    """A generator whose maps cannot be changed on the way, as one of another package."""

    def __init__(self, whole: LinearGenerator) -> None:
        for name in ("resolution", "spaces", "layers", "feature_names", "device", "dimensions", "sample", "map"):
            setattr(self, name, getattr(whole, name))
        for name in ("synthesize", "features", "resume"):
            setattr(self, name, getattr(whole, name))


GENERATORS = {
    "stylegan2 skip": small_stylegan2(16),
    "stylegan2 resnet": small_stylegan2(16, "resnet"),
    "stylegan2 orig": small_stylegan2(16, "orig"),
    "stylegan3-t": small_stylegan3(16),
    "stylegan3-r, turned": small_stylegan3(16, kernel=1, radial=True).transformed(rotate=20.0),
    "biggan": small_biggan(),
    "dcgan": small_dcgan(16),
    "wrapped": ganvas.wrap(Painter(), z_dim=6),
    "gray wrapped": ganvas.wrap(Painter(colors=1), z_dim=6),
    "plain": Plain(LinearGenerator()),
}
MIDDLE = Region.box(0.3, 0.35, 0.6, 0.7)
fractions = st.floats(0, 1)
drawn = st.tuples(st.sampled_from(["box", "stroke", "soft", "both"]), fractions, fractions, fractions, fractions)


def region_of(kind: str, left: float, top: float, width: float, height: float) -> Region:
    """Return a region that leaves room outside."""
    x, y = 0.7 * left, 0.7 * top
    box = Region.box(x, y, x + 0.05 + 0.2 * width, y + 0.05 + 0.2 * height)
    stroke = Region.brush([(x, y), (x + 0.2 * width, y)], 0.08)
    return {"box": box, "stroke": stroke, "soft": box.feather(0.05), "both": box | stroke}[kind]


def moved(latent: Latent, strength: float, seed: int = 0) -> Latent:
    """Return a latent moved along a random direction."""
    step = torch.randn(latent.codes.shape[1:], generator=torch.Generator().manual_seed(seed))
    return replace(latent, codes=latent.codes + strength * step.to(latent.codes))


def latent_of(generator, seeds=(3,)) -> Latent:
    return sample(generator, seeds, label=1 if generator is GENERATORS["biggan"] else None)


settings_drawn = st.builds(ConfineSettings, st.sampled_from([0.0, 0.1, 0.2]), st.booleans(), st.sampled_from([None, 8]))


@pytest.mark.parametrize("family", GENERATORS)
@settings(max_examples=2)
@given(drawn, st.floats(-30, 30), settings_drawn)
def test_not_one_bit_differs_outside_the_rim(family, region, strength, how):
    check_outside(GENERATORS[family], region_of(*region), strength, how)


@pytest.mark.slow
@pytest.mark.parametrize("family", GENERATORS)
@settings(max_examples=40)
@given(drawn, st.floats(-1e4, 1e4), settings_drawn)
def test_not_one_bit_differs_outside_many_rims(family, region, strength, how):
    check_outside(GENERATORS[family], region_of(*region), strength, how)


def check_outside(generator, region: Region, strength: float, how: ConfineSettings) -> None:
    """Assert that a random edit of this strength leaves everything outside as it is, here and in an 8-bit file."""
    latent = latent_of(generator)
    confined = confine(generator, latent, moved(latent, strength), region, settings=how)
    before, outside = generator.synthesize(latent), confined.outside.bool()[0]
    assert outside.any()
    assert torch.equal(confined.images[..., outside], before[..., outside])
    assert torch.equal(confined.original, before)
    if bool(confined.images.isfinite().all()):  # so far from all codes, the edit itself may be NaN inside
        assert torch.equal(to_bytes(confined.images)[:, outside], to_bytes(before)[:, outside])
        assert float(confined.outside_change.max()) == 0


@pytest.mark.slow
@pytest.mark.parametrize("family", GENERATORS)
def test_the_region_changes_and_no_edit_changes_nothing(family):
    generator = GENERATORS[family]
    latent = latent_of(generator)
    edited = moved(latent, 1.0)
    free = float((generator.synthesize(edited) - generator.synthesize(latent)).abs().max())
    assert float(confine(generator, latent, edited, MIDDLE).inside_change) > 0.02 * free
    same = confine(generator, latent, latent, MIDDLE)
    torch.testing.assert_close(same.images, same.original, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_samples_are_confined_each_for_itself():
    generator = GENERATORS["stylegan2 skip"]
    latent = latent_of(generator, (3, 4, 5))
    together = confine(generator, latent, moved(latent, 2.0), MIDDLE)
    for row in range(3):
        alone = confine(generator, latent[row], moved(latent, 2.0)[row], MIDDLE)
        torch.testing.assert_close(together.images[row], alone.images[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.seam[row], alone.seam[0], atol=1e-4, rtol=1e-4)


def test_composited_images_are_the_edit_in_the_core_and_harmonic_in_the_rim():
    generator = GENERATORS["plain"]
    latent = latent_of(generator)
    edited = moved(latent, 1.0)
    confined = confine(generator, latent, edited, MIDDLE)
    change = (confined.images - confined.original)[0].double()
    rim = confined.rim
    core = torch.from_numpy(rim.core)
    assert torch.equal(confined.images[..., core], generator.synthesize(edited)[..., core])
    for y, x in np.argwhere(rim.limit & ~rim.core):
        near = [(y + dy, x + dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        values = [change[:, a, b] for a, b in near if 0 <= a < 8 and 0 <= b < 8]
        torch.testing.assert_close(change[:, y, x], torch.stack(values).mean(0), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("finest", [None, 0])
def test_several_edits_keep_to_their_own_regions(finest):
    generator = GENERATORS["stylegan2 skip"]
    latent = latent_of(generator)
    left, right = Region.box(0.1, 0.1, 0.3, 0.4), Region.box(0.7, 0.5, 0.9, 0.9)
    edits = [moved(latent, 3.0, 1), moved(latent, 3.0, 2)]
    how = ConfineSettings(finest=finest)
    both = confine(generator, latent, edits, [left, right], settings=how)
    alone = [confine(generator, latent, *one, settings=how) for one in zip(edits, (left, right), strict=True)]
    outside = both.outside.bool()[0]
    assert torch.equal(both.outside, alone[0].outside * alone[1].outside)
    assert torch.equal(both.images[..., outside], both.original[..., outside])
    for one, other in (alone, alone[::-1]):
        only_here = (other.outside * (1 - one.outside)).bool()[0]
        if finest == 0:
            assert torch.equal(both.images[..., only_here], one.images[..., only_here])
        change = (both.images - one.images)[..., only_here].square().mean().sqrt()
        assert change < 0.2 * (one.images - one.original)[..., only_here].square().mean().sqrt()


def test_a_later_edit_changes_what_an_earlier_one_made_where_they_overlap():
    generator = GENERATORS["plain"]
    latent = latent_of(generator)
    first, second = moved(latent, 1.0, 1), moved(latent, 1.0, 2)
    confined = confine(generator, latent, [first, second], [MIDDLE, MIDDLE])
    core = torch.from_numpy(confined.rim.core)
    assert torch.equal(confined.images[..., core], generator.synthesize(second)[..., core])


def test_tuned_weights_and_noise_belong_to_the_latent():
    generator = small_stylegan2(16)
    tuned = {"synthesis.blocks.b8.conv0.weight": 0.3 * torch.randn_like(generator.synthesis.blocks.b8.conv0.weight)}
    latent = with_noise(generator, replace(sample(generator, [3]), tuned=tuned), seed=5)
    confined = confine(generator, latent, moved(latent, 2.0), MIDDLE)
    outside = confined.outside.bool()[0]
    assert torch.equal(confined.original, generator.synthesize(latent))
    assert not torch.equal(confined.original, generator.synthesize(sample(generator, [3])))
    assert torch.equal(confined.images[..., outside], confined.original[..., outside])
    free = replace(moved(latent, 2.0), tuned={})  # an edit that goes to a latent of other weights
    between = confine(generator, latent, free, MIDDLE, settings=ConfineSettings(finest=0))
    core = torch.from_numpy(between.rim.core)
    assert torch.equal(between.images[..., core], generator.synthesize(free)[..., core])


def test_what_cannot_be_confined_is_refused():
    generator = GENERATORS["dcgan"]
    latent = latent_of(generator)
    with pytest.raises(RegionError, match=r"with its rim of 0\.9 covers the whole image"):
        confine(generator, latent, latent, MIDDLE, settings=ConfineSettings(rim=0.9))
    with pytest.raises(LatentError, match="give one region for each edit"):
        confine(generator, latent, [latent, latent], MIDDLE)
    with pytest.raises(LatentError, match="edits of all samples"):
        confine(generator, latent, latent_of(generator, (1, 2)), MIDDLE)
    with pytest.raises(LatentError, match="0 regions"):
        confine(generator, latent, [], [])


def test_repr_says_what_changed():
    generator = GENERATORS["stylegan2 skip"]
    latent = latent_of(generator)
    text = repr(confine(generator, latent, moved(latent, 1.0), MIDDLE))
    assert text.startswith("ConfinedImages(1 of 16 px, mean change inside ")
    assert ", outside 0, seam " in text
