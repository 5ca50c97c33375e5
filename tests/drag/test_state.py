"""What both methods share: defaults by size, what is optimized, the mask loss, and checks of points and settings."""

import pytest
import torch
import torch.nn.functional as F

import ganvas
from ganvas.drag.context import choose_context
from ganvas.drag.defaults import (
    default_feature,
    default_layers,
    default_radius,
    default_rate,
    default_reach,
    default_tolerance,
)
from ganvas.drag.draggan import DragGANSettings
from ganvas.drag.freedrag import FreeDragSettings
from ganvas.drag.methods import module_of, settings_of
from ganvas.drag.request import DragRequest, as_pairs
from ganvas.drag.sampling import Plane, disc
from ganvas.drag.settings import DragSettings
from ganvas.drag.state import fixed_weights, make_reference, mask_loss
from ganvas.errors import GanvasError, LatentError, RegionError
from tests.drag.sliding import SlidingGenerator
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3

BOX = ganvas.Region.box(0.25, 0.25, 0.75, 0.75)


@pytest.mark.parametrize(("layers", "count"), [(10, 4), (12, 4), (14, 5), (16, 6), (18, 6), (1, 1)])
def test_default_layers_are_the_share_that_the_papers_optimize(layers: int, count: int):
    assert default_layers(layers) == tuple(range(count))


@pytest.mark.parametrize(
    ("resolution", "radius", "reach", "tolerance"),
    [(64, 2, 4, 0.5), (256, 2, 6, 1), (512, 3, 12, 2), (1024, 6, 24, 4)],
)
def test_default_lengths_follow_the_size_of_the_image(resolution: int, radius: float, reach: float, tolerance: float):
    assert (default_radius(resolution), default_reach(resolution), default_tolerance(resolution)) == (
        radius,
        reach,
        tolerance,
    )
    assert disc(default_radius(resolution)).any()


def test_default_feature_is_the_finest_map_of_half_the_image():
    assert default_feature(small_stylegan2(32)) == "b16"
    assert default_feature(small_stylegan2(64)) == "b32"
    generator = small_stylegan3(32)
    name = default_feature(generator)
    left, _, right, _ = generator.extent(name)
    size = generator.features(generator.map(generator.sample([0])), [name], "w+")[name].shape[-1]
    assert round(size / (right - left)) <= 16 < size * 2


def test_default_rate_is_a_share_of_the_std_of_the_space():
    generator = small_stylegan2(16)
    w = generator.map(generator.sample(range(256)), "w").double()
    assert default_rate(generator, "w+") == pytest.approx(0.008 * float(w.var(dim=0).mean().sqrt()))
    assert default_rate(generator, "z") == pytest.approx(0.008, rel=0.1)


def test_only_the_chosen_layers_are_optimized_and_w_shifts_them_together():
    generator = small_stylegan2(16)
    codes = generator.map(generator.sample([0]))
    gradient = torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    free, same = (choose_context(generator, space, "1-2") for space in ("w+", "w"))
    assert torch.equal(free.trainable(gradient), gradient[:, 1:3])
    torch.testing.assert_close(same.trainable(gradient), gradient[:, 1:3].sum(1, keepdim=True))
    shifted = same.shifted(codes, torch.ones(1, 1, 6))
    assert torch.equal(shifted[:, [0, 3, 4, 5]], codes[:, [0, 3, 4, 5]])
    torch.testing.assert_close(shifted[:, 1:3], codes[:, 1:3] + 1)
    z = torch.zeros(1, 7)
    assert torch.equal(choose_context(generator, "z").shifted(z, z + 1), z + 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": "s"}, "Space 's' does not exist here"),
        ({"feature": "b512"}, "Feature map 'b512' does not exist"),
        ({"layers": "9"}, "has layers 0-5"),
        ({"space": "z", "layers": "1"}, "leave layers out"),
    ],
)
def test_context_refuses_spaces_maps_and_layers_that_do_not_exist(arguments: dict[str, str], message: str):
    with pytest.raises(LatentError, match=message):
        choose_context(small_stylegan2(16), **arguments)


def test_generator_without_feature_maps_cannot_be_dragged():
    generator = SlidingGenerator()
    generator.feature_names = ()
    with pytest.raises(LatentError, match="no feature maps"):
        choose_context(generator)


def test_mask_is_resized_by_area_and_margins_may_change():
    weights = fixed_weights(BOX, 8, 8, Plane(64))
    assert weights[0, 0, 2:6, 2:6].sum() == 0
    assert weights.sum() == 64 - 16
    margins = fixed_weights(BOX, 10, 10, Plane(64, (-0.125, -0.125, 1.125, 1.125)))
    assert torch.equal(margins[..., 1:9, 1:9], weights)
    assert margins.sum() == weights.sum()
    half = fixed_weights(ganvas.Region.box(0, 0, 0.3125, 1), 8, 8, Plane(64))
    assert half[0, 0, 0].tolist() == [0, 0, 0.5, 1, 1, 1, 1, 1]


def test_mask_loss_is_near_that_of_the_enlarged_map():
    """The papers enlarge both maps first. On maps that vary over several samples the terms differ by some percent."""
    generator = SlidingGenerator()
    context = choose_context(generator)
    request = DragRequest((((0.5, 0.5), (0.6, 0.5)),), DragGANSettings(), BOX)
    reference = make_reference(context, torch.zeros(1, 3), request)
    after = context.feature_map(torch.tensor([[0.3, -0.2, 0.0]]))
    large = [
        F.interpolate(one, size=(64, 64), mode="bilinear", align_corners=False) for one in (after, reference.feature)
    ]
    expected = ((large[0] - large[1]) * (1 - BOX.mask(64, 64))).abs().mean()
    assert float(mask_loss(after, reference)) == pytest.approx(float(expected), rel=0.1)
    share = float(reference.must_stay.mean())
    assert float(mask_loss(after, reference, over="unmoved")) == pytest.approx(
        float(mask_loss(after, reference)) / share
    )
    assert float(mask_loss(reference.feature, reference)) == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_region_refuses_masks_that_are_all_black_or_all_white(value: float):
    with pytest.raises(RegionError, match=r"is empty|leaves no background"):
        ganvas.Region.from_mask(torch.full((8, 8), value))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((), "at least one handle"),
        ((((1.2, 0.5), (0.5, 0.5)),), r"The handle \(1.2, 0.5\) lies off the image"),
        ((((0.5, 0.5), (0.5, -0.1)),), "The target .* lies off the image"),
        ((((float("nan"), 0.5), (0.5, 0.5)),), "off the image"),
        ((((0.5, 0.5), (0.6, 0.5)),) * 1001, "at most 1000"),
    ],
)
def test_request_refuses_points_off_the_image_none_and_too_many(points: tuple, message: str):
    with pytest.raises(RegionError, match=message):
        DragRequest(points, DragGANSettings())


@pytest.mark.parametrize(
    "points", [None, 3, "ab", [0.5, 0.5], [((0.5, 0.5),)], [((0.5,), (0.5, 0.5))], [(("a", "b"), (0, 1))]]
)
def test_points_that_are_no_pairs_are_refused_with_an_example(points: object):
    with pytest.raises(RegionError, match=r"list of handle and target, \(\(x, y\), \(x, y\)\)"):
        as_pairs(points)


@pytest.mark.parametrize("kind", [DragGANSettings, FreeDragSettings])
def test_settings_refuse_numbers_that_are_not_positive(kind: type[DragSettings]):
    for name, value, allowed in (
        ("rate", 0.0, "above 0 to"),
        ("rate", float("nan"), "above 0 to"),
        ("radius", -1.0, "above 0 to"),
        ("mask_weight", float("inf"), "0 to"),
        ("mask_weight", -1.0, "0 to"),
    ):
        with pytest.raises(GanvasError, match=f"{value} is not possible; give {allowed}"):
            kind(**{name: value})
    assert kind(mask_weight=0.0).mask_weight == 0


def test_settings_are_found_by_name_and_unknown_names_list_the_known_ones():
    assert settings_of("draggan", rate=0.1) == DragGANSettings(rate=0.1)
    assert settings_of("freedrag", scale=0.3, recovery=False) == FreeDragSettings(scale=0.3, recovery=False)
    with pytest.raises(GanvasError, match="Unknown drag method 'pull'; choose draggan or freedrag"):
        settings_of("pull")
    with pytest.raises(GanvasError, match="draggan has no setting 'scale'; it has rate, mask_weight"):
        settings_of("draggan", scale=1.0)
    with pytest.raises(GanvasError, match=r"given by its settings, DragGANSettings\(\) or FreeDragSettings"):
        module_of("draggan")


def test_a_context_of_w_has_no_label_left():
    """Label and truncation are behind codes of w: they count for z only."""
    generator = small_stylegan2(16, label_dim=3)
    assert choose_context(generator, "w+", label=2, truncation=0.5).label is None
    assert choose_context(generator, "z", label=2, truncation=0.5).truncation == 0.5
