"""What public objects look like in a notebook cell: one short line that says what it is, never a tensor's numbers."""

import pytest
import torch

import ganvas
from ganvas.generators.protocol import About
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.biggan_parts import small_biggan
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3
from tests.generators.test_dcgan import small_dcgan

VECTOR = torch.ones(6) / 6**0.5


def directions() -> ganvas.Directions:
    known = torch.arange(6.0, 0, -1, dtype=torch.float64)
    origin = ganvas.find_directions(LinearGenerator(), ganvas.sample(LinearGenerator(), [0]), "box:0,0,0.5,0.5").origin
    return ganvas.Directions(torch.eye(6), "w", (1, 2), known, known, known, None, origin)


def faces_and_latent():
    faces = ganvas.load("faces")
    return faces, ganvas.sample(faces, [0])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (small_stylegan2, "StyleGAN2(16 px, spaces z, w, w+, s, 6 layers)"),
        (small_stylegan3, "StyleGAN3(32 px, spaces z, w, w+, s, 6 layers)"),
        (small_biggan, "BigGAN(16 px, spaces z)"),
        (lambda: small_dcgan(8), "DCGAN(8 px, spaces z)"),
        (LayeredGenerator, "LayeredGenerator(8 px, spaces z, w, w+, 3 layers)"),
        (lambda: ganvas.Region.box(0.1, 0.2, 0.5, 0.6), "Region(box:0.1,0.2,0.5,0.6)"),
        (lambda: ganvas.Region.from_mask(torch.eye(4, 8)[None]), "Region(mask of 8x4 pixels)"),
        (
            lambda: ganvas.Direction(VECTOR, "w", (1, 2), std=2.0),
            "Direction(space w, layers 1-2, method unknown, std 2)",
        ),
        (
            directions,
            "Directions(6 of space w, layers 1-2, region 'box:0,0,0.5,0.5', method resefa, "
            "predicted ratios 6, 5, 4, 3, ...)",
        ),
        (ganvas.ReSeFa, "ReSeFa()"),
    ],
)
def test_repr_is_a_short_line(make, text: str):
    assert repr(make()) == text


def test_repr_of_a_generator_says_its_name():
    generator = small_stylegan2()
    generator.about = About("mine", "")
    assert repr(generator) == "StyleGAN2('mine', 16 px, spaces z, w, w+, s, 6 layers)"


@pytest.mark.parametrize(
    ("call", "nearest"),
    [
        (lambda: ganvas.load("face"), "did you mean faces"),
        (lambda: ganvas.find_directions(*faces_and_latent(), "mouht"), "did you mean 'mouth'"),
    ],
)
def test_unknown_names_are_answered_by_the_nearest_known_one(call, nearest: str):
    with pytest.raises(ganvas.GanvasError, match=nearest):
        call()
