"""Images on the way between recipes, small previews, and results that are kept: against what `render` makes."""

import pytest
import torch

import ganvas
from ganvas.drag.session import open_drag
from ganvas.edits.blend import frames_between
from ganvas.edits.operations import Drag, Operation
from ganvas.edits.preview import Previews, small_image
from ganvas.edits.recipe import Recipe
from ganvas.edits.render import States, confined_images, evaluate, render, start_of, with_result
from ganvas.errors import LatentError
from tests.fakes import LinearGenerator
from tests.generators.small import small_stylegan2

LEFT = ganvas.Region.box(0, 0, 0.3, 1)
POINTS = [((0.2, 0.5), (0.4, 0.5))]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def generator():
    return small_stylegan2(16)


@pytest.fixture(scope="module")
def recipe(generator):
    direction = ganvas.Direction(torch.nn.functional.normalize(torch.ones(6), dim=0), "w", (1, 2, 3))
    return Recipe(ganvas.sample(generator, [4])).move(direction, 2.0, inside=LEFT).move(direction, 1.0)


def test_a_film_begins_and_ends_at_its_recipes(generator, recipe):
    bare = Recipe(recipe.base)
    first, middle, last = frames_between(generator, [bare, recipe], [0.0, 0.5, 1.0])
    assert torch.allclose(first, render(generator, bare), atol=1e-5)
    assert torch.allclose(last, render(generator, recipe), atol=1e-5)
    assert not torch.allclose(middle, first)
    with pytest.raises(LatentError, match="at least two"):
        next(frames_between(generator, [bare], [0.0]))


def test_codes_of_z_of_another_truncation_have_no_film():
    generator = LinearGenerator()
    ends = [Recipe(ganvas.sample(generator, [1], space="z", truncation=psi)) for psi in (1.0, 0.5)]
    with pytest.raises(LatentError, match="no common path"):
        next(frames_between(generator, ends, [0.5]))


def test_kept_passes_give_the_same_bits_as_none(generator, recipe):
    states = States()
    for strength in (1.0, -2.0, 3.0):
        changed = recipe.undo().move(
            recipe.operations[0].change.direction, strength, inside=ganvas.Region.box(0.6, 0, 1, 1)
        )
        assert torch.equal(render(generator, changed, states=states), render(generator, changed))
    assert len(states.passes.kept) <= 3
    assert torch.equal(confined_images(generator, recipe, states).images, render(generator, recipe))


@pytest.mark.parametrize("inside", [None, LEFT])
def test_a_drag_that_was_done_already_is_not_done_again(generator, recipe, inside):
    states = States()
    begun = start_of(generator, recipe, inside, states)
    session = open_drag(generator, begun)
    done = session.drag(POINTS, steps=2)
    drag = Operation(Drag(done.drags[0].request), inside)
    kept = with_result(generator, recipe, drag, done.latent, states)
    state, again = evaluate(generator, kept, states), evaluate(generator, kept)
    assert torch.allclose(state.latent.codes, again.latent.codes, atol=1e-5)
    for (_, one), (_, other) in zip(state.confined, again.confined, strict=True):
        assert torch.allclose(one.codes, other.codes, atol=1e-5)


def test_a_preview_is_the_sum_of_colors_at_its_size(generator, recipe):
    maps = {}
    generator.synthesize_hooked(lambda name, values: maps.setdefault(name, values), recipe.base)
    assert torch.equal(small_image(generator, recipe.base, 8), maps["b8.colors"])
    assert small_image(generator, recipe.base, 16) is None
    previews = Previews(8)
    image = previews.of(generator, recipe, States())
    assert image.shape == (1, 3, 8, 8)
    assert torch.equal(previews.of(generator, recipe.undo().undo(), States()), maps["b8.colors"])


def test_linear_images_are_the_first_order_of_exact_ones(generator):
    latent = ganvas.sample(generator, [3])
    cached = ganvas.cache_jacobians(generator, latent, layers="1-3")
    found = cached.find(LEFT, count=2)
    linear = cached.linear_images(found, [0.0, 0.003])
    assert torch.allclose(linear[0, 0], generator.synthesize(latent)[0], atol=1e-5)
    for index in range(2):
        exact = generator.synthesize(ganvas.edit(generator, latent, found[index], 0.003))[0]
        change = exact - generator.synthesize(latent)[0]
        assert (linear[index, 1] - exact).norm() < 0.1 * change.norm()
    assert found.rows([1])[0].eigenvalue == found[1].eigenvalue
