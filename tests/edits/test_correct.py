"""Corrected edits: Gauss-Newton steps in closed form on generators whose valleys are known."""

import pytest
import torch

import ganvas
from ganvas.directions.jacobian import Jacobian
from ganvas.directions.linalg import Ridge
from ganvas.edits.correct import correction
from ganvas.edits.straight import Parts, way_along
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.metrics.locality import rms_change
from tests.edits.valley import BOTTOM, LEFT, ValleyGenerator, along_u
from tests.fakes import LayeredGenerator
from tests.generators.small import small_stylegan2

WEAK = Ridge(1e-4, of="mean")
Method = ganvas.CorrectedEdit


def unit(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    vector = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return vector / vector.norm()


def test_a_linear_generator_whose_background_stays_needs_no_correction():
    straight = ganvas.edit(ValleyGenerator(0.0), BOTTOM, along_u(), 2.5)
    corrected = ganvas.edit(ValleyGenerator(0.0), BOTTOM, along_u(), 2.5, method=Method(LEFT))
    assert torch.equal(corrected.codes, straight.codes)


@pytest.mark.parametrize("strength", [0.5, 3.0, -2.25])
def test_a_corrected_edit_follows_the_valley_of_a_quadratic_generator(strength):
    generator = ValleyGenerator(bend=0.3)
    edited = ganvas.edit(generator, BOTTOM, along_u(), strength, method=Method(LEFT, ridge=WEAK))
    torch.testing.assert_close(edited.codes, torch.tensor([[strength, 0.3 * strength**2]]), atol=1e-3, rtol=0)
    image = generator.synthesize(edited)
    assert image[..., 2:].abs().max() < 1e-3 < 0.3 * strength**2
    torch.testing.assert_close(image[..., :2], torch.full((1, 3, 4, 2), strength))


def test_one_correction_is_the_regularized_least_squares_step():
    random = torch.Generator().manual_seed(0)
    jacobian = Jacobian(torch.randn(5, 3 * 16, generator=random), 3, 4)
    change, (inside, outside) = torch.randn(1, 3, 4, 4, generator=random), LEFT.split(4, 4)
    delta = correction(jacobian, inside, outside, 0.7, Ridge(0.2, of="mean"))(change)
    columns = jacobian.columns.double().view(5, 3, 4, 4)
    left, right = columns[..., :2].flatten(1), columns[..., 2:].flatten(1)
    a, b = left @ left.T / left.shape[1], right @ right.T / right.shape[1]
    system = b + 0.7 * a + 0.2 * b.trace() / 5 * torch.eye(5)
    expected = torch.linalg.solve(system, -right @ change[..., 2:].flatten().double() / right.shape[1])
    torch.testing.assert_close(delta.double(), expected, atol=1e-5, rtol=1e-4)
    half = Jacobian(jacobian.columns.half(), 3, 4)
    torch.testing.assert_close(
        correction(half, inside, outside, 0.7, Ridge(0.2, of="mean"))(change), delta, atol=1e-2, rtol=0
    )


@pytest.mark.parametrize(("space", "by_layer"), [("w", False), ("w", True), ("w+", False)])
def test_on_a_linear_generator_one_round_is_the_closed_form_in_every_space(space, by_layer):
    generator, layers = LayeredGenerator(), (0, 2)
    latent = ganvas.Latent(generator.sample([3]), "z").to_space(generator, "w+")
    vector = unit((6,)) if space == "w" else torch.nn.functional.pad(unit((2, 6)), (0, 0, 0, 1))[[0, 2, 1]]
    direction = ganvas.Direction(vector, space, layers)
    method = Method(LEFT, step=9.0, rounds=1, by_layer=by_layer, ridge=WEAK)
    straight, edited = (ganvas.edit(generator, latent, direction, 2.0, method=how) for how in (None, method))
    blocks = generator.matrix.double().view(3, 8, 8, 3, 6)[..., layers, :]
    columns = blocks.sum(-2) if space == "w" and not by_layer else blocks.flatten(-2)
    left, right = (part.flatten(0, 2) for part in (columns[:, :, :4], columns[:, :, 4:]))
    a, b = left.T @ left / len(left), right.T @ right / len(right)
    change = (generator.synthesize(straight) - generator.synthesize(latent))[..., 4:].flatten().double()
    system = b + a + 1e-4 * b.trace() / len(b) * torch.eye(len(b))
    delta = torch.linalg.solve(system, -right.T @ change / len(right))
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[list(layers)] = delta if columns.shape[-1] == 6 else delta.view(2, 6)
    torch.testing.assert_close((edited.codes - straight.codes)[0].double(), expected, atol=1e-4, rtol=0)


def test_what_holds_the_inside_keeps_more_of_the_edit():
    generator = LayeredGenerator()
    latent = ganvas.Latent(generator.sample([3]), "z")
    direction = ganvas.Direction(unit((6,)), "w", (1,))
    change = [
        generator.synthesize(ganvas.edit(generator, latent, direction, 2.0, method=Method(LEFT, hold_inside=mu)))
        - generator.synthesize(latent)
        for mu in (0.0, 1.0, 100.0)
    ]
    inside = [float(one[..., :4].norm()) for one in change]
    outside = [float(one[..., 4:].norm()) for one in change]
    assert inside == sorted(inside)
    assert outside == sorted(outside)


@pytest.mark.slow
@pytest.mark.parametrize("space", ["w", "w+", "s", "z"])
def test_the_background_of_a_network_changes_less_at_the_same_change_inside(space):
    generator = small_stylegan2()
    latent = ganvas.sample(generator, [4], space="z" if space == "z" else None)
    found = ganvas.find_directions(generator, latent, LEFT, space=space, count=1)[0]
    original, masks = generator.synthesize(latent), LEFT.split(generator.resolution, generator.resolution)
    ratios = []
    for method in (None, Method(step=0.25)):
        edited = generator.synthesize(ganvas.edit(generator, latent, found, 1.0, method=method))
        inside, outside = (float(rms_change(edited, original, mask)) for mask in masks)
        ratios.append(outside / inside)
    assert ratios[1] < ratios[0]


def test_a_jacobian_computed_anew_on_the_way_is_that_of_an_edit_that_begins_there():
    """In two halves from a start at which nothing has changed yet, so that both see the same change outside."""
    generator = ValleyGenerator(bend=0.3)
    anew = ganvas.edit(generator, BOTTOM, along_u(), 2.0, method=Method(LEFT, step=1.0, refresh=1, ridge=WEAK))
    torch.testing.assert_close(anew.codes[0, 1], 0.3 * anew.codes[0, 0].square(), atol=1e-3, rtol=0)


@pytest.mark.slow
def test_without_corrections_the_edit_is_straight_and_samples_are_edited_one_by_one():
    generator = small_stylegan2()
    latent = ganvas.sample(generator, [4, 5])
    direction = ganvas.Direction(unit(generator.dimensions("w")), "w", (1, 2))
    straight = ganvas.edit(generator, latent, direction, 2.5)
    torch.testing.assert_close(
        ganvas.edit(generator, latent, direction, 2.5, method=Method(LEFT, rounds=0)).codes, straight.codes
    )
    both = ganvas.edit(generator, latent, direction, 2.5, method=Method(LEFT))
    alone = ganvas.edit(generator, latent[1], direction, 2.5, method=Method(LEFT))
    assert torch.equal(both[1].codes, alone.codes)
    assert both.captions == latent.captions
    series = ganvas.edit_series(generator, latent, direction, [1.0, 2.5], method=Method(LEFT))
    torch.testing.assert_close(series[:, 1], generator.synthesize(both))


def test_a_smaller_strength_lies_on_the_way_to_a_larger_one():
    def advance(state: tuple[float, ...], length: float) -> tuple[float, ...]:
        return (*state, length)

    parts = Parts[tuple[float, ...]]((), advance, 0.5)
    assert parts.at(1.25) == (0.5, 0.5, 0.25)
    assert parts.at(0.0) == ()
    assert parts.at(-0.75) == (-0.5, -0.25)
    assert parts.at(2.0)[:2] == parts.at(1.0)
    tenths = Parts[tuple[float, ...]]((), advance, 0.1)
    assert tenths.at(0.3) == (0.1, 0.1, 0.1)  # 0.3 / 0.1 is 2.9999...
    with pytest.raises(LatentError, match="takes more than 10,000 steps; give a smaller strength"):
        parts.at(1e30)


@pytest.mark.slow
def test_the_region_is_that_of_the_direction_unless_another_is_given():
    generator = ValleyGenerator(0.3)
    found = ganvas.find_directions(generator, BOTTOM, LEFT, count=1)[0]
    ours, given = (ganvas.edit(generator, BOTTOM, found, 2.0, method=Method(region)) for region in (None, LEFT))
    assert torch.equal(ours.codes, given.codes)
    with pytest.raises(RegionError, match="does not say its region; name the region"):
        ganvas.edit(generator, BOTTOM, along_u(), 2.0, method=Method())
    masked = ganvas.find_directions(generator, BOTTOM, ganvas.Region.from_mask(LEFT.mask(4, 4)), count=1)[0]
    with pytest.raises(RegionError, match="does not hold the mask of its region"):
        ganvas.edit(generator, BOTTOM, masked, 2.0, method=Method())


def test_what_cannot_be_corrected_is_refused():
    generator = small_stylegan2()
    latent = ganvas.sample(generator, [4])
    direction = ganvas.Direction(unit(generator.dimensions("w")), "w", (1, 2))
    wide = LayeredGenerator(width=30)
    along = ganvas.Direction(unit((3, 30)), "w+", None)
    with pytest.raises(GanvasError, match="The Jacobian, 90 columns at 8 px, does not fit the budget of 0 MiB"):
        ganvas.edit(wide, ganvas.Latent(wide.sample([0]), "z"), along, 1.0, method=Method(LEFT, budget=30_000))
    flat = ganvas.Direction(torch.tensor([1.0, 0.0]), "z", None)
    with pytest.raises(GanvasError, match="corrections need a ridge above 0"):
        ganvas.edit(ValleyGenerator(0.0), BOTTOM, flat, 1.0, method=Method(LEFT, hold_inside=0, ridge=Ridge(0)))
    with pytest.raises(LatentError, match="Layer 9 does not exist"):
        way_along(generator, latent, direction, "9", Method(LEFT))


@pytest.mark.slow
def test_a_part_is_corrected_for_where_it_lies_in_each_image():
    generator = small_stylegan2()
    latent = ganvas.sample(generator, [4, 5])
    direction = ganvas.Direction(unit(generator.dimensions("w")), "w", (1, 2))
    part = ganvas.part(generator, "click:0.3,0.5:0.4")
    edited = ganvas.edit(generator, latent, direction, 1.0, method=Method(part))
    for row in range(2):
        region = ganvas.Region.from_mask(part.mask_for(generator, latent[row])[0])
        alone = ganvas.edit(generator, latent[row], direction, 1.0, method=Method(region))
        torch.testing.assert_close(edited[row].codes, alone.codes)
