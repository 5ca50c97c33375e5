"""What both methods share: defaults by size, what is trained, the mask term."""

import pytest
import torch
import torch.nn.functional as F

import ganvas
from ganvas.drag.defaults import (
    choose_subject,
    default_arrival,
    default_feature,
    default_radius,
    default_rate,
    default_reach,
    default_rows,
)
from ganvas.drag.draggan import DragGAN
from ganvas.drag.sampling import Plane, disc
from ganvas.drag.state import Task, begin, changed, moved, staying_weights, trainable
from ganvas.errors import GanvasError, LatentError, RegionError
from tests.drag.sliding import SlidingGenerator
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3

BOX = ganvas.Region.box(0.25, 0.25, 0.75, 0.75)


@pytest.mark.parametrize(("layers", "count"), [(10, 4), (12, 4), (14, 5), (16, 6), (18, 6), (1, 1)])
def test_the_papers_share_of_rows(layers: int, count: int):
    assert default_rows(layers) == tuple(range(count))


@pytest.mark.parametrize(
    ("resolution", "radius", "reach", "arrival"),
    [(64, 2, 4, 0.5), (256, 2, 6, 1), (512, 3, 12, 2), (1024, 6, 24, 4)],
)
def test_sizes_follow_the_images(resolution: int, radius: float, reach: float, arrival: float):
    assert (default_radius(resolution), default_reach(resolution), default_arrival(resolution)) == (
        radius,
        reach,
        arrival,
    )
    assert disc(default_radius(resolution)).any()


def test_the_map_is_the_finest_of_half_the_image():
    assert default_feature(small_stylegan2(32)) == "b16"
    assert default_feature(small_stylegan2(64)) == "b32"
    generator = small_stylegan3(32)
    name = default_feature(generator)
    left, _, right, _ = generator.extent(name)
    size = generator.features(generator.map(generator.sample([0])), [name], "w+")[name].shape[-1]
    assert round(size / (right - left)) <= 16 < size * 2


def test_rates_follow_the_space():
    generator = small_stylegan2(16)
    w = generator.map(generator.sample(range(256)), "w").double()
    assert default_rate(generator, "w+") == pytest.approx(0.008 * float(w.var(dim=0).mean().sqrt()))
    assert default_rate(generator, "z") == pytest.approx(0.008, rel=0.1)


def test_what_is_trained():
    generator = small_stylegan2(16)
    codes = generator.map(generator.sample([0]))
    gradient = torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    free, same = (choose_subject(generator, space, "1-2") for space in ("w+", "w"))
    assert torch.equal(trainable(free, gradient), gradient[:, 1:3])
    torch.testing.assert_close(trainable(same, gradient), gradient[:, 1:3].sum(1, keepdim=True))
    shifted = moved(same, codes, torch.ones(1, 1, 6))
    assert torch.equal(shifted[:, [0, 3, 4, 5]], codes[:, [0, 3, 4, 5]])
    torch.testing.assert_close(shifted[:, 1:3], codes[:, 1:3] + 1)
    z = torch.zeros(1, 7)
    assert torch.equal(moved(choose_subject(generator, "z"), z, z + 1), z + 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"space": "s"}, "Space 's' does not exist here"),
        ({"feature": "b512"}, "Feature map 'b512' does not exist"),
        ({"layers": "9"}, "has layers 0-5"),
        ({"space": "z", "layers": "1"}, "leave layers out"),
    ],
)
def test_wrong_choices(arguments: dict[str, str], told: str):
    with pytest.raises(LatentError, match=told):
        choose_subject(small_stylegan2(16), **arguments)


def test_a_generator_without_maps_cannot_be_dragged():
    generator = SlidingGenerator()
    generator.feature_names = ()
    with pytest.raises(LatentError, match="no feature maps"):
        choose_subject(generator)


def test_the_mask_is_taken_by_area_and_margins_are_free():
    weights = staying_weights(BOX, 8, 8, Plane(64))
    assert weights[0, 0, 2:6, 2:6].sum() == 0
    assert weights.sum() == 64 - 16
    margins = staying_weights(BOX, 10, 10, Plane(64, (-0.125, -0.125, 1.125, 1.125)))
    assert torch.equal(margins[..., 1:9, 1:9], weights)
    assert margins.sum() == weights.sum()
    half = staying_weights(ganvas.Region.box(0, 0, 0.3125, 1), 8, 8, Plane(64))
    assert half[0, 0, 0].tolist() == [0, 0, 0.5, 1, 1, 1, 1, 1]


def test_the_mask_term_is_near_that_of_the_enlarged_map():
    """The papers enlarge both maps first. On maps that vary over several samples the terms differ by some percent."""
    generator = SlidingGenerator()
    subject = choose_subject(generator)
    fixed = begin(subject, torch.zeros(1, 3), Task(((0.5, 0.5),), ((0.6, 0.5),), BOX))
    after = subject.feature_of(torch.tensor([[0.3, -0.2, 0.0]]))
    large = [F.interpolate(one, size=(64, 64), mode="bilinear", align_corners=False) for one in (after, fixed.feature)]
    expected = ((large[0] - large[1]) * (1 - BOX.mask(64, 64))).abs().mean()
    assert float(changed(after, fixed)) == pytest.approx(float(expected), rel=0.1)
    share = float(fixed.must_stay.mean())
    assert float(changed(after, fixed, over="unmoved")) == pytest.approx(float(changed(after, fixed)) / share)
    assert float(changed(fixed.feature, fixed)) == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_masks_that_leave_nothing_or_all_are_no_regions(value: float):
    with pytest.raises(RegionError, match=r"is empty|nothing is left"):
        ganvas.Region.from_mask(torch.full((8, 8), value))


@pytest.mark.parametrize(
    ("handles", "targets", "told"),
    [
        ((), (), "at least one handle"),
        (((0.5, 0.5),), (), "a target for each"),
        (((1.2, 0.5),), ((0.5, 0.5),), r"The handle \(1.2, 0.5\) lies off the image"),
        (((0.5, 0.5),), ((0.5, -0.1),), "The target .* lies off the image"),
        (((float("nan"), 0.5),), ((0.5, 0.5),), "off the image"),
        (((0.5, 0.5),) * 1001, ((0.6, 0.5),) * 1001, "at most 1000"),
    ],
)
def test_points_that_cannot_be(handles: tuple, targets: tuple, told: str):
    with pytest.raises(RegionError, match=told):
        Task(handles, targets)


def test_settings_are_checked():
    for name, value, allowed in (
        ("rate", 0.0, "a number above 0"),
        ("rate", float("nan"), "a number above 0"),
        ("radius", -1.0, "a number above 0"),
        ("mask_weight", float("inf"), "0 or more"),
        ("mask_weight", -1.0, "0 or more"),
    ):
        with pytest.raises(GanvasError, match=f"of {value} is not possible: give {allowed}"):
            DragGAN(**({"rate": 0.1, "mask_weight": 0.0, "arrived": 0.5} | {name: value}))
