"""Hybrid refinement: free values where the generator fails, tuned weights elsewhere, and edits that keep both."""

from dataclasses import replace

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.generators.stylegan2.architecture import Kind
from ganvas.inversion.hybrid import HybridPhoto, HybridSettings, hard_places, middle_map, refine_hybrid
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.tuning import TuningSettings
from ganvas.inversion.variables import LatentPoint
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan
from tests.inversion.parts import Convolved, objective_on

SETTINGS = HybridSettings(share=0.2, steps=30, tuning=TuningSettings(steps=5, rate=0.01, locality=0.0))


def photo_with_a_patch(generator, codes: torch.Tensor) -> torch.Tensor:
    """Return the generator's own image with a patch that it cannot make."""
    image = generator.synthesize(codes, "w+").clone()
    colors = torch.sign(torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(0)))
    image[..., 4:16, 4:16] = colors.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return image


def refined(kind: Kind = "skip") -> tuple[HybridPhoto, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = small_stylegan2(32, kind)
    codes = generator.map(generator.sample([0]), to="w+")
    photo = photo_with_a_patch(generator, codes)
    objective = objective_on(generator, "w+", photo, LossWeights(perceptual=1.0, l2=1.0))
    point = LatentPoint(codes, torch.zeros_like(codes), {})
    return refine_hybrid(objective, point, Convolved(), SETTINGS), codes, photo, generator.synthesize(codes, "w+")


@pytest.mark.slow
def test_free_values_make_what_the_generator_cannot():
    hybrid, codes, photo, before = refined()
    after = hybrid.images(codes)
    assert (after - photo).square().mean() < 0.7 * (before - photo).square().mean()
    patch = hybrid.where[..., 1:4, 1:4].mean()  # the map has 8 samples a side, the patch covers 1 to 3
    assert patch > 0.6
    assert hybrid.where[..., 5:, 5:].max() < 0.2
    assert hybrid.feature == "b8"


@pytest.mark.slow
def test_edits_keep_the_free_values_and_change_the_rest():
    hybrid, codes, _, _ = refined("resnet")  # "skip" adds the colors of coarser maps, which follow the edit
    everywhere = replace(hybrid, where=torch.ones_like(hybrid.where))
    nowhere = replace(hybrid, where=torch.zeros_like(hybrid.where))
    moved = codes.clone()
    moved[:, :3] += 2.0  # layers up to the map
    assert torch.allclose(everywhere.images(moved), everywhere.images(codes), atol=1e-5)
    assert torch.allclose(nowhere.images(moved), hybrid.generator.synthesize(moved, "w+"), atol=1e-5)
    assert (hybrid.images(moved) - hybrid.images(codes)).abs().max() > 0.01


def test_hard_places_are_the_share_that_is_farthest_from_the_photo():
    photo = torch.zeros(1, 3, 32, 32)
    image = photo.clone()
    image[..., 8:16, 16:24] = 1.0
    places = hard_places(Convolved(), image, photo, 1 / 16)
    assert float(places.mean()) == pytest.approx(1 / 16, rel=0.2)
    assert places[..., 9:15, 17:23].min() > 0.5
    assert places[..., 20:, :].max() == 0


def test_map_and_photo_are_checked():
    generator = small_stylegan2(32)
    assert middle_map(generator) == "b8"
    assert middle_map(small_dcgan(16)) in small_dcgan(16).feature_names
    codes = generator.map(generator.sample([0, 1]), to="w+")
    objective = objective_on(generator, "w+", torch.zeros(2, 3, 32, 32), LossWeights(l2=1.0))
    with pytest.raises(GanvasError, match="One whole photo"):
        refine_hybrid(objective, LatentPoint(codes, torch.zeros_like(codes), {}), Convolved())
