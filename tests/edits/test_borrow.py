from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.edits.borrow import channel_weights, rank_sources, transferred
from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.protocol import Generator
from tests.fakes import LinearGenerator
from tests.generators.small import small_stylegan2


@pytest.fixture(scope="module")
def generator():
    return small_stylegan2(32)


REGION = ganvas.Region.box(0.25, 0.25, 0.75, 0.75)


@pytest.mark.parametrize("kind", ["skip", "resnet", "orig"])
def test_each_style_scales_a_map_of_as_many_channels(kind):
    generator = small_stylegan2(16, kind)
    latent = ganvas.sample(generator, [1, 2])
    inputs = generator.style_inputs(latent)
    assert [values.shape[1] for values, _ in inputs] == generator.style_channels()
    at = {"b8": 8, "b4": 4}
    last = generator.features(latent, ["b8"])["b8"]
    assert any(torch.equal(values, last) for values, _ in inputs if values.shape[-1] == at["b8"])


def test_the_norm_of_what_is_borrowed_stays():
    random = torch.Generator().manual_seed(0)
    style, other, weight = torch.randn(3, 6, generator=random), torch.randn(1, 6, generator=random), torch.rand(6)
    moved = transferred(style, other, weight, 1.0)
    gained = moved - (1 - weight) * style
    torch.testing.assert_close(gained.norm(dim=1), (weight * style).norm(dim=1))
    torch.testing.assert_close(transferred(style, other, weight, 0.0), style)
    torch.testing.assert_close(transferred(style, other, torch.zeros(6), 1.0), style)
    torch.testing.assert_close(transferred(style, style[:1], weight, 1.0)[0], style[0])


def test_weights_are_shares_and_follow_the_part(generator):
    latent = ganvas.sample(generator, [1])
    weights = channel_weights(generator, [latent], REGION, 32.0)
    assert [len(one) for one in weights] == generator.style_channels()
    assert all(float(one.min()) >= 0 and float(one.max()) <= 1 for one in weights)
    outside = channel_weights(generator, [latent], ~REGION, 32.0)
    assert all(float((a * b).max()) == 0 for a, b in zip(weights, outside, strict=True)), "denser on one side only"


def test_the_styles_of_fine_maps_stay_unless_colors_come_along(generator):
    latent, source = ganvas.sample(generator, [1]), ganvas.sample(generator, [3])
    own = latent.to_space(generator, "s").codes
    shape, both = (ganvas.borrow(generator, latent, source, REGION, colors=colors).codes for colors in (False, True))
    fine = [values.shape[-1] > 8 for values, _ in generator.style_inputs(latent)]
    layers = generator.style_channels()
    each = list(zip(fine, own.split(layers, 1), shape.split(layers, 1), both.split(layers, 1), strict=True))
    assert all(torch.equal(before, after) for kept, before, after, _ in each if kept)
    assert not all(torch.equal(before, after) for kept, before, _, after in each if kept)
    assert not torch.equal(own, shape)


def test_nothing_borrowed_is_the_same_image(generator):
    latent, source = ganvas.sample(generator, [1, 2]), ganvas.sample(generator, [3])
    same = ganvas.borrow(generator, latent, source, REGION, strength=0.0)
    assert same.space == "s"
    torch.testing.assert_close(same.codes, latent.to_space(generator, "s").codes)
    own = ganvas.borrow(generator, latent[0], latent[0], REGION)
    torch.testing.assert_close(own.codes, latent[0].to_space(generator, "s").codes)


@pytest.mark.slow
def test_a_confined_part_changes_nothing_outside(generator):
    latent, source = ganvas.sample(generator, [1, 2]), ganvas.sample(generator, [3, 4])
    borrowed = ganvas.borrow(generator, latent, source, "click:0.5,0.5:0.3")
    confined = ganvas.confine(generator, latent, borrowed, REGION)
    outside = confined.outside.bool().expand(2, 3, -1, -1)
    assert torch.equal(confined.images[outside], confined.original[outside])
    assert confined.inside_change.min() > 0


@pytest.mark.slow
def test_a_recipe_borrows_and_is_kept(generator, tmp_path: Path):
    latent, source = ganvas.sample(generator, [1]), ganvas.sample(generator, [3])
    recipe = (
        ganvas.Recipe(latent).borrow(source, "click:0.5,0.5:0.2", strength=0.5, inside=REGION).borrow(source, REGION)
    )
    image = ganvas.render(generator, recipe)
    read = ganvas.load_recipe(recipe.save(tmp_path / "a.recipe"))
    assert str(read.operations[0]).startswith("borrow click:0.5,0.5:0.2 of seed 3, inside box")
    assert torch.equal(ganvas.render(generator, read), image)
    damaged = (tmp_path / "a.recipe").read_text("utf-8").replace('"click:0.5,0.5:0.2"', "null")
    (tmp_path / "a.recipe").write_text(damaged, "utf-8")
    with pytest.raises(ResultFileError):
        ganvas.load_recipe(tmp_path / "a.recipe")


def test_the_most_alike_is_the_image_itself(generator):
    latent, sources = ganvas.sample(generator, [4]), ganvas.sample(generator, [1, 4, 7])
    for inside in (True, False):
        ranked = rank_sources(generator, latent, sources, REGION, inside=inside)
        assert ranked[0] == (1, pytest.approx(1, abs=1e-4))
        assert sorted(number for number, _ in ranked) == [0, 1, 2]


def test_a_generator_without_styles_lends_nothing():
    generator: Generator = LinearGenerator()
    latent = ganvas.sample(generator, [1])
    with pytest.raises(LatentError, match="take a StyleGAN"):
        ganvas.borrow(generator, latent, latent, REGION)


def test_sources_that_do_not_fit_are_refused(generator):
    with pytest.raises(LatentError, match="2 sources do not fit 3 images"):
        ganvas.borrow(generator, ganvas.sample(generator, [1, 2, 3]), ganvas.sample(generator, [4, 5]), REGION)
