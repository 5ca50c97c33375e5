"""Style mixing: which rows come from where, by closed form and by what the network computes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ganvas
from ganvas.edits.mix import layer_groups, mix, mix_grid, mixed_layers
from ganvas.errors import LatentError
from ganvas.latents.latent import Latent
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2

LAYERS = st.sets(st.integers(0, 2), min_size=1)


def latents(generator, seeds, space: str = "w+") -> Latent:
    return ganvas.sample(generator, list(seeds), space=space)


@settings(max_examples=30)
@given(layers=LAYERS, rows=st.integers(1, 3), seed=st.integers(0, 1000))
def test_layers_come_from_the_style_and_the_others_from_the_content(layers: set[int], rows: int, seed: int):
    generator = LayeredGenerator()
    random = torch.Generator().manual_seed(seed)
    content, style = (Latent(codes, "w+") for codes in torch.randn(2, rows, 3, 6, generator=random))
    mixed = mix(generator, content, style, sorted(layers))
    others = sorted({0, 1, 2} - layers)
    assert mixed.space == "w+"
    assert torch.equal(mixed.codes[:, sorted(layers)], style.codes[:, sorted(layers)])
    assert torch.equal(mixed.codes[:, others], content.codes[:, others])
    if others:
        assert torch.equal(mix(generator, style, content, others).codes, mixed.codes)


def test_an_image_of_a_linear_generator_is_the_sum_of_its_parts():
    generator = LayeredGenerator()
    a, b = latents(generator, [0, 1])
    image = generator.synthesize(mix(generator, a, b, "1-2"))
    parts = generator.matrix.unflatten(1, (3, 6))
    expected = parts[:, 0] @ a.codes[0, 0] + parts[:, 1] @ b.codes[0, 1] + parts[:, 2] @ b.codes[0, 2]
    torch.testing.assert_close(image.flatten(), expected)


def test_w_codes_are_widened_and_one_style_serves_all():
    generator = LayeredGenerator()
    w = latents(generator, [0, 1, 2], "w")
    mixed = mix(generator, w, w[2], 0)
    assert mixed.codes.shape == (3, 3, 6)
    assert torch.equal(mixed.codes[:, 0], w.codes[2].expand(3, -1))
    assert torch.equal(mixed.codes[:, 1:], w.codes[:, None].expand(-1, 2, -1))
    assert torch.equal(mix(generator, w[2], w, [1, 2]).codes, mixed.codes)
    assert mixed.names == tuple(f"seed {seed} with layer 0 of seed 2" for seed in range(3))


def test_z_codes_are_mapped_with_their_own_truncation():
    generator = LayeredGenerator()
    z = Latent(generator.sample([0, 1]), "z", truncation=0.5)
    mapped = ganvas.sample(generator, [0, 1], truncation=0.5)
    assert torch.equal(mix(generator, z[0], z[1], 1).codes, mix(generator, mapped[0], mapped[1], 1).codes)


def test_a_mixed_latent_keeps_the_noise_and_the_label_of_its_content():
    generator = LayeredGenerator()
    maps = torch.arange(2.0).view(2, 1, 1, 1)
    content = Latent(torch.zeros(2, 3, 6), "w+", label=(4, 5), noise={"a": maps})
    grid = mix_grid(generator, content, latents(generator, [7, 8]), 0)
    assert grid.label == (4, 4, 5, 5)
    assert grid.noise["a"].flatten().tolist() == [0, 0, 1, 1]


def test_a_grid_holds_all_styles_for_each_content():
    generator = LayeredGenerator()
    w = latents(generator, range(5), "w")
    grid = mix_grid(generator, w[:2], w[2:], "0")
    assert grid.codes.shape == (6, 3, 6)
    for row in range(2):
        for column in range(3):
            assert torch.equal(grid.codes[3 * row + column], mix(generator, w[row], w[2 + column], 0).codes[0])


def test_what_lies_below_the_mixed_layers_is_the_same_in_the_network():
    generator = small_stylegan2(64)
    a, b = latents(generator, [0, 1])
    coarse = generator.features(mix(generator, a, b, "fine"), ["b32"])["b32"]
    assert torch.equal(coarse, generator.features(a, ["b32"])["b32"])
    assert not torch.equal(generator.synthesize(mix(generator, a, b, "fine")), generator.synthesize(a))


def test_codes_given_are_not_changed():
    generator = LayeredGenerator()
    a, b = latents(generator, [0, 1])
    before = a.codes.clone()
    mix(generator, a, b, None)
    assert torch.equal(a.codes, before)


@pytest.mark.parametrize(
    ("resolution", "groups"),
    [
        (16, {"coarse": (0, 1, 2, 3), "middle": (4, 5)}),
        (64, {"coarse": (0, 1, 2, 3), "middle": (4, 5, 6, 7), "fine": (8, 9)}),
    ],
)
def test_groups_of_the_paper(resolution: int, groups: dict[str, tuple[int, ...]]):
    generator = small_stylegan2(resolution)
    assert layer_groups(generator) == groups
    assert mixed_layers(generator, "coarse") == groups["coarse"]
    assert mixed_layers(generator, "1,4-5") == (1, 4, 5)


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ("fine", "no fine layers: its layers 0-2 are coarse"),
        ("3", "Layer 3 does not exist"),
        ("pose", "does not name layers"),
        ([], "empty list"),
    ],
)
def test_layers_that_are_not_there(layers, told: str):
    generator = LayeredGenerator()
    w = latents(generator, [0], "w")
    with pytest.raises(LatentError, match=told):
        ganvas.mix(generator, w, w, layers)


def test_generators_without_layers_refuse():
    generator = LinearGenerator()
    z = latents(generator, [0], "z")
    with pytest.raises(LatentError, match=r"space w\+\). This one has space z"):
        ganvas.mix(generator, z, z, "0")
    with pytest.raises(LatentError, match="Styles cannot be mixed"):
        layer_groups(generator)


def test_numbers_of_codes_that_do_not_fit():
    generator = LayeredGenerator()
    w = latents(generator, [0, 1, 2], "w")
    with pytest.raises(LatentError, match="2 styles do not fit 3 latents"):
        ganvas.mix(generator, w, w[:2], "0")
    with pytest.raises(LatentError, match="Codes of shape"):
        ganvas.mix(generator, Latent(w.codes[:, :5], "w"), w, "0")
