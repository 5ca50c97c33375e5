from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.errors import RegionError
from ganvas.generators.protocol import About
from ganvas.parts.text import part_text
from ganvas.regions.part import Part
from ganvas.regions.text import parse_named_regions, parse_region
from tests.generators.small import small_stylegan2


@pytest.fixture(scope="module")
def generator():
    generator = small_stylegan2(32)
    model = ganvas.find_parts(generator, count=6, samples=4).named({"eyes": [1, 2]})
    generator.about = About("small", "", parts=(model,), regions={"mouth": ganvas.Region.box(0.2, 0.6, 0.8, 0.9)})
    return generator


@pytest.fixture(scope="module")
def latent(generator):
    return ganvas.sample(generator, [1, 2])


def masks(generator, latent, text: str) -> torch.Tensor:
    return ganvas.part(generator, text).mask_for(generator, latent)


def test_several_numbers_are_their_union(generator, latent):
    both = masks(generator, latent, "part:3+4")
    assert torch.equal(both, masks(generator, latent, "part:3 + part:4"))


def test_a_name_is_all_its_numbers(generator, latent):
    assert torch.equal(masks(generator, latent, "part:eyes"), masks(generator, latent, "part:1+2"))
    assert str(ganvas.part(generator, "part:eyes + 3 + part:eyes")) == "part:eyes+3+part:eyes"


def test_parts_combine_with_regions_on_both_sides(generator, latent):
    box = generator.about.regions["mouth"].mask(32, 32)
    part = masks(generator, latent, "part:3")
    assert torch.equal(masks(generator, latent, "mouth + part:3"), torch.maximum(box.expand_as(part), part))
    assert torch.equal(masks(generator, latent, "part:3 & mouth"), torch.minimum(box.expand_as(part), part))
    assert torch.equal(masks(generator, latent, "mouth & not:part:3"), torch.minimum(box.expand_as(part), 1 - part))


def test_python_operators_do_the_same(generator, latent):
    part, region = ganvas.part(generator, "part:3"), generator.about.regions["mouth"]
    made_of = {
        "mouth + part:3": region | part,
        "part:3 + mouth": part | region,
        "mouth & part:3": region & part,
        "not:part:3": ~part,
        "mouth & not:part:3": region - part,
        "part:3 & not:mouth": part - region,
    }
    for text, made in made_of.items():
        assert isinstance(made, Part)
        assert torch.equal(made.mask_for(generator, latent), masks(generator, latent, text))


def test_a_feathered_part_keeps_its_area(generator, latent):
    sharp, soft = masks(generator, latent, "part:3"), masks(generator, latent, "feather:0.1:part:3")
    torch.testing.assert_close(soft.sum((1, 2, 3)), sharp.sum((1, 2, 3)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("text", ["part:6", "part:nose", "part:", "part:-1", "part:1+9", "part:99999999999999999999"])
def test_a_part_that_there_is_not_is_refused_with_what_there_is(generator, text: str):
    with pytest.raises(RegionError, match=r"eyes|0 to 5"):
        ganvas.part(generator, text)


def test_what_is_drawn_is_no_part(generator):
    with pytest.raises(RegionError, match="same for every image"):
        ganvas.part(generator, "mouth")


def test_regions_of_a_file_cannot_be_parts():
    with pytest.raises(RegionError, match="found in each image"):
        parse_named_regions(None, [("eyes", "part:3")])
    with pytest.raises(RegionError, match="found in each image"):
        parse_region("click:0.5,0.5", {})


def test_a_part_combines_with_nothing_else(generator):
    for other in (3, "mouth"):
        with pytest.raises(RegionError, match="Part or a Region"):
            ganvas.part(generator, "part:3") | other


def test_files_keep_parts_by_their_text(generator):
    for text in ("part:eyes", "click:0.5,0.5", "part:eyes & not:box:0,0,0.5,0.5"):
        assert part_text(ganvas.part(generator, text)) == text
    with pytest.raises(RegionError, match="give the combination as text"):
        part_text(~ganvas.part(generator, "part:eyes"))


@pytest.mark.slow
def test_each_image_has_its_own_mask_in_the_average_of_gram_matrices(generator, latent):
    method, part = ganvas.ReSeFa(resolution=32), ganvas.part(generator, "part:3")
    found = ganvas.find_directions(generator, latent, part, method=method, count=2)
    apart = [ganvas.cache_jacobians(generator, one, method=method) for one in latent]
    regions = [ganvas.Region.from_mask(mask) for mask in part.mask_for(generator, latent)]
    torch.testing.assert_close(found.mask, torch.stack([one.mask(32, 32) for one in regions]).mean(0))
    cached = ganvas.cache_jacobians(generator, latent, method=method).find("part:3", 2)
    torch.testing.assert_close(found.vectors, cached.vectors, atol=1e-4, rtol=1e-3)
    alone = ganvas.find_directions(generator, latent[0], "part:3", method=method, count=1)
    drawn = apart[0].find(regions[0], 1)
    torch.testing.assert_close(alone.vectors, drawn.vectors, atol=1e-4, rtol=1e-3)


def test_images_without_the_part_do_not_count(generator, latent):
    class Half(Part):
        def mask_for(self, generator, latent):
            mask = torch.zeros(len(latent), 1, 32, 32)
            mask[0, :, 4:12, 4:12] = 1
            return mask

        def __str__(self) -> str:
            return "half"

    method = ganvas.ReSeFa(resolution=16)
    with pytest.warns(UserWarning, match="not in seed 2"):
        found = ganvas.find_directions(generator, latent, Half(), method=method, count=1)
    alone = ganvas.find_directions(generator, latent[0], Half(), method=method, count=1)
    torch.testing.assert_close(found.vectors, alone.vectors, atol=1e-4, rtol=1e-3)
    with pytest.raises(RegionError, match="none of the 2 images"):
        ganvas.find_directions(generator, latent, ganvas.part(generator, "part:0 & not:part:0"), method=method)


def test_a_confined_edit_of_a_part_leaves_the_rest_of_each_image(generator, latent):
    edited = ganvas.mix(generator, latent, ganvas.sample(generator, [9]), "0-2")
    part = "part:3 & box:0,0,0.6,0.6"
    settings = ganvas.ConfineSettings(rim=0.05)
    together = ganvas.confine(generator, latent, edited, part, settings=settings)
    for row in range(2):
        alone = ganvas.confine(generator, latent[row], edited[row], part, settings=settings)
        outside = alone.outside.bool().expand(3, -1, -1)
        torch.testing.assert_close(together.images[row], alone.images[0], atol=1e-4, rtol=1e-4)
        assert torch.equal(together.images[row][outside], together.original[row][outside])


def test_a_recipe_keeps_a_part_by_its_text(generator, latent, tmp_path: Path):
    style = ganvas.sample(generator, [9])
    part = ganvas.part(generator, "part:eyes")
    recipe = ganvas.Recipe(latent[0]).mix(style, "0-2", inside=part).mix(style, "3", inside="part:eyes")
    image = ganvas.render(generator, recipe)
    read = ganvas.load_recipe(recipe.save(tmp_path / "eyes.recipe"))
    assert [one.inside for one in read.operations] == ["part:eyes", "part:eyes"]
    assert torch.equal(ganvas.render(generator, read), image)
    assert torch.equal(ganvas.render(generator, replace(recipe, operations=(*recipe.operations,))), image)
