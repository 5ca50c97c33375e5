"""Edits are additions along directions, on the layers that a direction is for."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from ganvas.directions.direction import Direction
from ganvas.edits.move import edit, edit_series, space_of
from ganvas.errors import LatentError
from ganvas.latents.spaces import codes_for
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2
from tests.generators.test_codes import unchecked

GENERATOR = LayeredGenerator()
W = GENERATOR.map(GENERATOR.sample([0, 1]), "w")
WS = GENERATOR.map(GENERATOR.sample([0, 1]))
strengths = st.floats(-20, 20)
layer_sets = st.sets(st.integers(0, 2), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
steady = settings(max_examples=30)


def direction(space="w", layers=(0, 1, 2), seed=0, std=math.nan, shape=None):
    shape = shape or ((3, 6) if space == "w+" else (6,))
    vector = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Direction(vector / vector.norm(), space, layers, std=std)


@steady
@given(strengths, layer_sets)
def test_an_edit_adds_the_vector_to_the_rows_of_the_direction(strength, layers):
    along = direction(layers=layers)
    before = WS.clone()
    moved = edit(GENERATOR, WS, along, strength)
    assert torch.equal(WS, before)
    change = (moved - WS)[0]
    for row in range(3):
        expected = strength * along.vector if row in layers else torch.zeros(6)
        torch.testing.assert_close(change[row], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(change.norm(), torch.tensor(abs(strength) * len(layers) ** 0.5), atol=1e-4, rtol=0)


@steady
@given(strengths, strengths, layer_sets)
def test_edits_add_up_commute_and_can_be_taken_back(a, b, layers):
    one, two = direction(layers=layers, seed=1), direction("w+", seed=2)
    together = edit(GENERATOR, WS, [one, two], [a, b])
    for same in (
        edit(GENERATOR, WS, [two, one], [b, a]),
        edit(GENERATOR, edit(GENERATOR, WS, one, a), two, b),
        edit(GENERATOR, W, [one, two], [a, b]),
    ):
        torch.testing.assert_close(same, together, atol=1e-5, rtol=0)
    back = edit(GENERATOR, edit(GENERATOR, WS, one, a), one, -a)
    torch.testing.assert_close(back, WS, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        edit(GENERATOR, edit(GENERATOR, WS, one, a), one, b), edit(GENERATOR, WS, one, a + b), atol=2e-5, rtol=0
    )


@steady
@given(strengths)
def test_a_w_direction_on_all_layers_of_w_codes_equals_the_w_plus_edit(strength):
    along = direction()
    moved = edit(GENERATOR, W, along, strength)
    assert moved.shape == W.shape
    torch.testing.assert_close(codes_for(GENERATOR, moved, "w+"), edit(GENERATOR, WS, along, strength))
    spread = Direction(along.vector.expand(3, 6) / 3**0.5, "w+", (0, 1, 2))
    torch.testing.assert_close(
        edit(GENERATOR, W, spread, strength * 3**0.5), edit(GENERATOR, WS, along, strength), atol=1e-5, rtol=1e-5
    )


def test_w_codes_become_w_plus_when_only_some_layers_move():
    along = direction(layers=(1,))
    moved = edit(GENERATOR, W, along, 2.0)
    assert moved.shape == WS.shape
    torch.testing.assert_close(moved, edit(GENERATOR, WS, along, 2.0))
    assert space_of(moved, along) == "w+"
    assert space_of(W, along) == "w"
    assert edit(GENERATOR, W, along, 2.0, layers="0-2").shape == W.shape


def test_layers_override_those_of_a_w_direction_only():
    along = direction(layers=(0,))
    torch.testing.assert_close(
        edit(GENERATOR, WS, along, 2.0, "1-2"), edit(GENERATOR, WS, direction(layers=(1, 2)), 2.0)
    )
    legacy = direction(layers=None)
    torch.testing.assert_close(edit(GENERATOR, WS, legacy, 2.0), edit(GENERATOR, WS, direction(), 2.0))
    for space, codes in (("w+", WS), ("z", GENERATOR.sample([0]))):
        with pytest.raises(LatentError, match="Layers are chosen for directions of space w"):
            edit(GENERATOR, codes, direction(space), 2.0, "1")
    for wrong in ("3", "2-1", []):
        with pytest.raises(LatentError):
            edit(GENERATOR, WS, along, 2.0, wrong)


def test_zero_leaves_codes_and_no_direction_does_too():
    assert torch.equal(edit(GENERATOR, WS, direction(), 0.0), WS)
    assert torch.equal(edit(GENERATOR, WS, direction(), -0.0), WS)
    assert torch.equal(edit(GENERATOR, WS, [], []), WS)


def test_strengths_count_in_stds_where_they_say_so():
    along = direction(std=1.5)
    for text, distance in {"2s": 3.0, "-2s": -3.0, "2": 2.0, "+.5": 0.5, " 1e1s ": 15.0, "-0s": 0.0, "2.": 2.0}.items():
        assert along.length(text) == distance
        torch.testing.assert_close(edit(GENERATOR, WS, along, text), edit(GENERATOR, WS, along, distance))
    assert unchecked(Direction.length)(along, torch.tensor(2.0)) == 2.0
    for number in (2, np.float32(2), np.int64(2), np.float64(2)):
        assert torch.equal(edit(GENERATOR, WS, along, number), edit(GENERATOR, WS, along, 2.0))


@pytest.mark.parametrize("std", [math.nan, math.inf])
def test_stds_that_are_not_known_are_told(std):
    along = direction(std=std)
    with pytest.raises(LatentError, match="standard deviations, which this direction's file does not give"):
        edit(GENERATOR, WS, along, "2s")
    assert along.length("2") == 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "s",
        "x",
        "2 s",
        "2S",
        "2ss",
        "--2",
        "1e999",
        "1e999s",
        "nan",
        "inf",
        "2,5",
        math.nan,
        math.inf,
        None,
        "9" * 400,
    ],
)
def test_what_is_no_strength_is_refused(wrong):
    with pytest.raises(LatentError, match="is not a strength; write a number such as 3, or 2s"):
        unchecked(Direction.length)(direction(std=1.0), wrong)


def test_one_strength_per_direction():
    for several, amounts in (([direction()] * 2, 1.0), ([direction()], [1.0, 2.0]), ([], 1.0)):
        with pytest.raises(LatentError, match="give one strength per direction"):
            edit(GENERATOR, WS, several, amounts)


@pytest.mark.parametrize(
    ("generator", "codes", "along", "message"),
    [
        (LinearGenerator(), torch.zeros(1, 6), direction(), "Space 'w' does not exist here"),
        (GENERATOR, WS, direction("s"), "Space 's' does not exist here"),
        (GENERATOR, torch.zeros(2, 1), direction(), "none that directions of space w"),
        (GENERATOR, torch.zeros(2, 7), direction(), "none that directions of space w"),
        (GENERATOR, torch.zeros(6), direction(), "none that directions of space w"),
        (GENERATOR, torch.zeros(2, 4, 6), direction(layers=(0,)), "none that directions of space w"),
        (GENERATOR, torch.zeros(2, 5), direction("z"), r"moves codes of shape \[n, 6\]"),
        (GENERATOR, WS, direction("z"), r"moves codes of shape \[n, 6\]"),
        (GENERATOR, WS, direction(shape=(8,)), r"has shape \[8\], but codes of this generator have \[6\]"),
        (
            GENERATOR,
            WS,
            direction("w+", shape=(4, 6)),
            r"has shape \[4, 6\], but codes of this generator have \[3, 6\]",
        ),
        (GENERATOR, WS, direction("w", shape=(3, 6)), r"has shape \[3, 6\]"),
        (GENERATOR, WS, direction(layers=(5,)), "Layer 5 does not exist: this generator has layers 0-2"),
        (GENERATOR, WS.long(), direction(), "Codes are floating point numbers; these are torch.int64"),
        (GENERATOR, WS[:0], direction(), "hold no code"),
    ],
)
def test_codes_and_directions_that_do_not_meet_are_refused(generator, codes, along, message):
    with pytest.raises(LatentError, match=message):
        edit(generator, codes, along, 1.0)


def test_codes_keep_their_precision_and_float64_ones_take_float32_directions():
    moved = edit(GENERATOR, WS.double(), direction(), 2.0)
    assert moved.dtype == torch.float64
    assert edit(GENERATOR, WS.half(), direction(), 2.0).dtype == torch.float16


def test_a_style_direction_moves_styles():
    generator = small_stylegan2()
    styles = generator.map(generator.sample([0, 1]), "s")
    vector = normalize(torch.randn(styles.shape[1]), dim=0)
    along = Direction(vector, "s", (0, 1))
    moved = edit(generator, styles, along, 3.0)
    torch.testing.assert_close(moved - styles, (3 * vector).expand_as(styles), atol=1e-5, rtol=0)
    images = edit_series(generator, styles, along, [0.0, 3.0])
    torch.testing.assert_close(images[:, 0], generator.synthesize(styles, "s"))
    torch.testing.assert_close(images[:, 1], generator.synthesize(moved, "s"))
    with pytest.raises(LatentError, match="A direction of space s moves codes of shape"):
        edit(generator, generator.map(generator.sample([0])), along, 1.0)


@pytest.mark.parametrize(("codes", "layers"), [(W, (0, 1, 2)), (W, (1,)), (WS, (0, 2))])
def test_in_a_series_all_rows_share_the_direction(codes, layers):
    along = direction(layers=layers, std=0.5)
    images = edit_series(GENERATOR, codes, along, [-2.0, 0.0, "4s"])
    assert images.shape == (2, 3, 3, 8, 8)
    plain = GENERATOR.synthesize(WS, "w+")
    torch.testing.assert_close(images[:, 1], plain)
    # The generator is linear, so the change of image is one and the same: -2 and 2 are opposite.
    torch.testing.assert_close(images[:, 0] - plain, plain - images[:, 2], atol=1e-3, rtol=0)
    torch.testing.assert_close(images[0] - images[0, 1], images[1] - images[1, 1], atol=1e-3, rtol=0)


def test_a_series_of_z_codes_and_one_without_strengths():
    generator = LinearGenerator()
    along = direction("z", None)
    images = edit_series(generator, generator.sample([0]), along, [1.0], truncation=1.0)
    torch.testing.assert_close(images[0], generator.synthesize(generator.sample([0]) + along.vector, "z"))
    with pytest.raises(LatentError, match="No strength was given"):
        edit_series(generator, generator.sample([0]), along, [])
