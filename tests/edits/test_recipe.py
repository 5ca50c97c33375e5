"""Recipes: operations on codes in closed form, regions with codes of their own, files that give the same bits."""

import json
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.edits.recipe import Recipe
from ganvas.edits.recipe_files import tensors_of
from ganvas.edits.render import States, evaluate, render
from ganvas.errors import GanvasError, LatentError, RegionError, ResultFileError
from tests.fakes import LinearGenerator
from tests.generators.small import small_stylegan2

LEFT, RIGHT = ganvas.Region.box(0, 0, 0.4, 1), ganvas.Region.box(0.6, 0, 1, 1)


@pytest.fixture(scope="module")
def generator():
    return small_stylegan2()


def base(generator, *seeds: int):
    return ganvas.sample(generator, list(seeds or [4]))


def direction(generator, seed: int = 0) -> ganvas.Direction:
    vector = torch.randn(generator.dimensions("w"), generator=torch.Generator().manual_seed(seed))
    return ganvas.Direction(vector / vector.norm(), "w", (0, 1))


def test_operations_of_the_whole_image_are_those_of_the_library(generator):
    begun, n, style = base(generator), direction(generator), base(generator, 7)
    recipe = Recipe(begun).move(n, 2.0).mix(style, "1").interpolate(style, 0.25)
    by_hand = ganvas.mix(generator, ganvas.edit(generator, begun, n, 2.0), style, "1").codes
    by_hand = by_hand + 0.25 * (style.codes - by_hand)
    assert torch.equal(evaluate(generator, recipe).latent.codes, by_hand)


def test_a_region_has_a_code_of_its_own_that_takes_the_operations_of_the_whole_image_too(generator):
    begun, n, m = base(generator), direction(generator), direction(generator, 1)
    state = evaluate(generator, Recipe(begun).move(n, 2.0, inside=LEFT).move(m, 1.0).move(n, 1.0, inside=LEFT))
    ((region, own),) = state.confined
    assert region == LEFT
    assert torch.allclose(state.latent.codes, ganvas.edit(generator, begun, m, 1.0).codes)
    assert torch.allclose(own.codes, ganvas.edit(generator, begun, [n, m], [3.0, 1.0]).codes, atol=1e-5)


def test_a_search_is_carried_over_to_regions_as_a_difference(generator):
    begun, n = base(generator), direction(generator)
    points = [((0.3, 0.5), (0.5, 0.5))]
    state = evaluate(generator, Recipe(begun).move(n, 2.0, inside=LEFT).drag(points, steps=2))
    dragged = ganvas.drag_points(generator, begun, points, steps=2).latent.codes
    assert torch.allclose(state.latent.codes, dragged)
    difference = state.confined[0][1].codes - ganvas.edit(generator, begun, n, 2.0).codes
    assert torch.allclose(difference, dragged - begun.codes, atol=1e-5)


def test_outside_all_regions_not_one_bit_differs_from_the_base(generator):
    begun, n = base(generator, 4, 5), direction(generator)
    recipe = (
        Recipe(begun).move(n, 4.0, inside=LEFT).mix(base(generator, 9), "0-1", inside=ganvas.Region.box(0, 0, 0.4, 0.3))
    )
    images, before = render(generator, recipe), generator.synthesize(begun)
    assert not torch.equal(images[..., :7], before[..., :7])
    assert torch.equal(images[..., 10:], before[..., 10:])


def test_a_later_region_leaves_an_earlier_one_as_it_was(generator):
    begun, n, m = base(generator), direction(generator), direction(generator, 1)
    both = render(generator, Recipe(begun).move(n, 4.0, inside=LEFT).move(m, 4.0, inside=RIGHT))
    left = render(generator, Recipe(begun).move(n, 4.0, inside=LEFT))
    assert torch.equal(both[..., :8], left[..., :8])
    assert not torch.equal(both[..., 8:], left[..., 8:])


def test_undone_and_disabled_operations_do_nothing(generator):
    begun, n = base(generator), direction(generator)
    recipe = Recipe(begun).move(n, 2.0).move(n, 3.0, inside=LEFT)
    assert torch.equal(render(generator, recipe.undo()), render(generator, Recipe(begun).move(n, 2.0)))
    off = recipe.enable(0, False)
    assert torch.equal(render(generator, off), render(generator, Recipe(begun).move(n, 3.0, inside=LEFT)))
    assert torch.equal(render(generator, off.enable(0)), render(generator, recipe))
    assert "(off)" in str(off.operations[0])


def test_a_kept_state_is_not_computed_again(generator, monkeypatch: pytest.MonkeyPatch):
    recipe, states = Recipe(base(generator)).drag([((0.3, 0.5), (0.5, 0.5))], steps=2), States()
    first = evaluate(generator, recipe, states)
    monkeypatch.setattr("ganvas.edits.operations.open_drag", lambda *_, **__: pytest.fail("dragged again"))
    moved = evaluate(generator, recipe.move(direction(generator), 1.0), states)
    assert not torch.equal(moved.latent.codes, first.latent.codes)


def every_operation(generator) -> Recipe:
    mask = ganvas.Region.from_mask(torch.rand(16, 16, generator=torch.Generator().manual_seed(1)))
    colors, alpha = torch.full((1, 3, 16, 16), 0.5), torch.zeros(1, 16, 16)
    alpha[:, 4:8] = 1
    settings = ganvas.SketchSettings(steps=2, terms=ganvas.LossWeights(perceptual=0.0, l1=1.0))
    return (
        Recipe(base(generator), settings=ganvas.ConfineSettings(rim=0.15, within=True))
        .move(direction(generator), 2.0, inside=mask & ~LEFT)
        .move(direction(generator, 1), "0.5", layers="1")
        .mix(base(generator, 9), [0, 2], inside=LEFT)
        .interpolate(base(generator, 7), 0.3, layers="0-1")
        .drag([((0.3, 0.5), (0.5, 0.5))], ganvas.FreeDragSettings(rate=0.01), steps=2, movable=mask | LEFT)
        .drag([((0.3, 0.5), (0.4, 0.5))], steps=2, inside=RIGHT, layers="0-1", space="w")
        .sketch(colors, alpha, settings, inside=LEFT.feather(0.1))
        .move(direction(generator), 1.0)
        .move(direction(generator), 0.5, method=ganvas.CorrectedEdit(mask, step=0.3, by_layer=False, refresh=1))
        .move(direction(generator), 0.5, method=ganvas.FollowedEdit("box:0,0,0.5,1", search=ganvas.ReSeFa(ridge=1e-2)))
        .enable(7, False)
    )


@pytest.mark.slow
def test_a_recipe_from_a_file_gives_the_same_bits(generator, tmp_path: Path):
    recipe = every_operation(generator)
    read = ganvas.load_recipe(recipe.save(tmp_path / "all.recipe"))
    assert repr(read) == repr(recipe)
    assert torch.equal(render(generator, read), render(generator, recipe))
    again = ganvas.load_recipe(read.save(tmp_path / "again.recipe"))
    assert (tmp_path / "again.recipe").read_text() == (tmp_path / "all.recipe").read_text()
    assert len(again) == 10


def test_tuned_weights_noise_and_photos_of_the_base_are_kept(generator, tmp_path: Path):
    noise = {name: torch.randn_like(value) for name, value in generator.own_noise().items()}
    begun = ganvas.Latent(base(generator).codes, "w+", noise=noise)
    recipe = Recipe(begun).move(direction(generator), 1.0, inside=LEFT)
    read = ganvas.load_recipe(recipe.save(tmp_path / "noise.recipe"))
    assert torch.equal(render(generator, read), render(generator, recipe))


DAMAGE = {
    "kind": "drag",
    "version": 99,
    "tensors": "0" * 64,
    "operations": [{"kind": "explode", "inside": None, "enabled": True}],
    "base": {"space": "q"},
}


@pytest.mark.parametrize("part", [*DAMAGE, "strength", "points", "masks", "settings", "layers", "method", "step"])
def test_a_damaged_recipe_is_refused_with_its_name(generator, tmp_path: Path, part: str):
    path = every_operation(generator).save(tmp_path / "bad.recipe")
    content = json.loads(path.read_text())
    if part in DAMAGE:
        content[part] = DAMAGE[part]
    elif part == "strength":
        content["operations"][0]["strength"] = "much"
    elif part == "points":
        content["operations"][4]["points"] = [{"handle": [2, 3], "target": [0.1, 0.1]}]
    elif part == "masks":
        content["operations"][0]["inside"] = {"kind": "union", "parts": [{"kind": "mask"}, {"kind": "mask"}]}
    elif part == "settings":
        content["operations"][6]["settings"]["steps"] = -1
    elif part == "method":
        content["operations"][8]["method"]["name"] = "guessed"
    elif part == "step":
        content["operations"][9]["method"]["step"] = -1
    else:
        content["operations"][2]["layers"] = [1e300]
    path.write_text(json.dumps(content))
    with pytest.raises(ResultFileError, match=r"bad\.recipe"):
        ganvas.load_recipe(path)


def test_half_a_recipe_is_refused(generator, tmp_path: Path):
    path = Recipe(base(generator)).save(tmp_path / "half.recipe")
    tensors_of(path).unlink()
    with pytest.raises(ResultFileError, match=r"half\.recipe\.safetensors"):
        ganvas.load_recipe(path)


def test_what_cannot_be_is_refused(generator):
    recipe = Recipe(base(generator, 4, 5))
    with pytest.raises(GanvasError, match="no operation to undo"):
        recipe.undo()
    with pytest.raises(GanvasError, match="Operation 3"):
        recipe.enable(3)
    with pytest.raises(LatentError, match="is not a strength"):
        recipe.move(direction(generator), "a lot")
    with pytest.raises(RegionError, match="from_mask_file"):
        recipe.move(direction(generator), inside="mask:lips.png")
    with pytest.raises(RegionError, match="from_mask_file"):
        recipe.move(direction(generator), method=ganvas.CorrectedEdit("mask:lips.png"))
    with pytest.raises(RegionError):
        render(generator, recipe.move(direction(generator), inside="elbow"))
    with pytest.raises(LatentError, match="One image"):
        render(generator, recipe.drag([((0.3, 0.5), (0.5, 0.5))]))
    plain = LinearGenerator()
    in_z = Recipe(ganvas.sample(plain, [1])).interpolate(ganvas.sample(plain, [2]), 0.5, layers="0")
    with pytest.raises(LatentError, match="Layers are those of w"):
        render(plain, in_z)
    with pytest.raises(LatentError, match="targets"):
        render(generator, recipe.interpolate(base(generator, 1, 2, 3), 0.5))


def test_a_recipe_with_regions_is_evaluated_once(generator):
    class Counted:
        kind, searches, times = "counted", False, 0

        def apply(self, generator, latent):
            Counted.times += 1
            return latent

    render(generator, Recipe(base(generator)).add(Counted(), inside=LEFT))
    assert Counted.times == 1
