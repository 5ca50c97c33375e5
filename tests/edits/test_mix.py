"""Style mixing: which rows come from where, by closed form and by what the network computes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ganvas
from ganvas.edits.mix import layer_groups, mix, mix_grid, mixed_layers
from ganvas.errors import LatentError
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2

LAYERS = st.sets(st.integers(0, 2), min_size=1)


@settings(max_examples=30)
@given(layers=LAYERS, rows=st.integers(1, 3), seed=st.integers(0, 1000))
def test_rows_come_from_the_source_in_its_layers_and_stay_elsewhere(layers: set[int], rows: int, seed: int):
    generator = LayeredGenerator()
    random = torch.Generator().manual_seed(seed)
    codes, source = torch.randn(2, rows, 3, 6, generator=random)
    mixed = mix(generator, codes, source, sorted(layers))
    others = sorted({0, 1, 2} - layers)
    assert torch.equal(mixed[:, sorted(layers)], source[:, sorted(layers)])
    assert torch.equal(mixed[:, others], codes[:, others])
    if others:
        assert torch.equal(mix(generator, source, codes, others), mixed)


def test_a_image_of_a_linear_generator_is_the_sum_of_its_parts():
    generator = LayeredGenerator()
    a, b = generator.map(generator.sample([0, 1]), "w+").split(1)
    image = generator.synthesize(mix(generator, a, b, "1-2"), "w+")
    parts = generator.matrix.unflatten(1, (3, 6))
    expected = parts[:, 0] @ a[0, 0] + parts[:, 1] @ b[0, 1] + parts[:, 2] @ b[0, 2]
    torch.testing.assert_close(image.flatten(), expected)


def test_w_codes_are_widened_and_one_source_serves_all():
    generator = LayeredGenerator()
    w = generator.map(generator.sample([0, 1, 2]), "w")
    mixed = mix(generator, w, w[2:], 0)
    assert mixed.shape == (3, 3, 6)
    assert torch.equal(mixed[:, 0], w[2].expand(3, -1))
    assert torch.equal(mixed[:, 1:], w[:, None].expand(-1, 2, -1))
    assert torch.equal(mix(generator, w[2:], w, [1, 2]), mixed)


def test_a_grid_has_targets_down_and_sources_across():
    generator = LayeredGenerator()
    w = generator.map(generator.sample(range(5)), "w")
    grid = mix_grid(generator, w[:2], w[2:], "0")
    assert grid.shape == (2, 3, 3, 6)
    for row in range(2):
        for column in range(3):
            assert torch.equal(grid[row, column], mix(generator, w[row, None], w[2 + column, None], 0)[0])


def test_what_lies_below_the_mixed_layers_is_the_same_in_the_network():
    generator = small_stylegan2(64)
    a, b = generator.map(generator.sample([0, 1])).split(1)
    coarse = generator.features(mix(generator, a, b, "fine"), ["b32"], "w+")["b32"]
    assert torch.equal(coarse, generator.features(a, ["b32"], "w+")["b32"])
    assert not torch.equal(generator.synthesize(mix(generator, a, b, "fine"), "w+"), generator.synthesize(a, "w+"))


def test_codes_given_are_not_changed():
    generator = LayeredGenerator()
    a, b = generator.map(generator.sample([0, 1]), "w+").split(1)
    before = a.clone()
    mix(generator, a, b, None)
    assert torch.equal(a, before)


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
    w = generator.map(generator.sample([0]), "w")
    with pytest.raises(LatentError, match=told):
        ganvas.mix(generator, w, w, layers)


def test_generators_without_layers_refuse():
    generator = LinearGenerator()
    z = generator.sample([0])
    with pytest.raises(LatentError, match=r"space w\+\). This one has space z"):
        ganvas.mix(generator, z, z, "0")
    with pytest.raises(LatentError, match="Styles cannot be mixed"):
        layer_groups(generator)


def test_numbers_of_codes_that_do_not_fit():
    generator = LayeredGenerator()
    w = generator.map(generator.sample([0, 1, 2]), "w")
    with pytest.raises(LatentError, match="2 sources do not fit 3 codes"):
        ganvas.mix(generator, w, w[:2], "0")
    with pytest.raises(LatentError, match="Codes of shape"):
        ganvas.mix(generator, w[:, :5], w, "0")
