"""A drawing on an image: what is drawn counts, and so does, all together, what is left clear."""

import pytest
import torch

import ganvas
from ganvas.inversion.sketch.target import Sketch
from tests.generators.small import small_stylegan2

SIDE = 16


def corner(alpha: float = 1.0) -> Sketch:
    """Return a white square in a corner, a sixteenth of the area."""
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, :4, :4] = alpha
    return Sketch("corner", torch.ones(1, 3, SIDE, SIDE), mask)


@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0, 4.0])
def test_clear_parts_count_as_a_multiple_of_the_drawn_ones(keep: float):
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    target, mask = corner().over(images, keep)
    drawn = corner().alpha > 0
    assert float(mask[~drawn].sum()) == pytest.approx(keep * float(mask[drawn].sum()), abs=1e-4)
    assert torch.equal(target[:, :, ~drawn[0]], images[:, :, ~drawn[0]])
    assert bool((target[:, :, drawn[0]] == 1).all())


def test_no_clear_place_counts_more_than_a_drawn_one_and_all_drawn_is_no_division_by_zero():
    images = torch.zeros(1, 3, SIDE, SIDE)
    assert float(corner().over(images, 1000.0)[1].max()) == 1
    full = Sketch("full", torch.ones(1, 3, SIDE, SIDE), torch.ones(1, SIDE, SIDE))
    assert torch.equal(full.over(images, 1.0)[1], torch.ones(1, SIDE, SIDE))


def test_a_soft_stroke_is_mixed_with_the_image():
    target, mask = corner(0.25).over(torch.zeros(1, 3, SIDE, SIDE), 0.0)
    assert float(target[0, 0, 0, 0]) == 0.25
    assert torch.equal(mask, corner(0.25).alpha)


def test_a_sketch_on_an_image_leaves_the_rest_more_as_it_is():
    generator = small_stylegan2(SIDE, channels=4)
    base = ganvas.Recipe(ganvas.sample(generator, [1]))
    before, drawing = ganvas.render(generator, base), corner()
    changes = []
    for keep in (0.0, 1.0):
        settings = ganvas.SketchSettings(steps=30, keep=keep, delta_weight=0.0)
        image = ganvas.render(generator, base.sketch(drawing.colors, drawing.alpha, settings))
        changes.append(float(((image - before) * (1 - drawing.alpha)).square().mean()))
    assert changes[1] < 0.5 * changes[0]
