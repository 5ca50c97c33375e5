"""Edits are additions along directions, on the layers that a direction is for."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from ganvas.directions.direction import Direction
from ganvas.edits.move import edit, edit_series
from ganvas.errors import LatentError
from ganvas.latents.latent import Latent
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2
from tests.generators.test_codes import unchecked

GENERATOR = LayeredGenerator()
Z = Latent(GENERATOR.sample([0, 1]), "z")
W, WS = Z.to_space(GENERATOR, "w"), Z.to_space(GENERATOR, "w+")
strengths = st.floats(-20, 20)
layer_sets = st.sets(st.integers(0, 2), min_size=1).map(lambda chosen: tuple(sorted(chosen)))
steady = settings(max_examples=30)


def close(a: Latent, b: Latent, **tolerance: float) -> None:
    assert a.space == b.space
    torch.testing.assert_close(a.codes, b.codes, **tolerance)


def direction(space="w", layers=(0, 1, 2), seed=0, std=math.nan, shape=None):
    shape = shape or ((3, 6) if space == "w+" else (6,))
    vector = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Direction(vector / vector.norm(), space, layers, std=std)


@steady
@given(strengths, layer_sets)
def test_an_edit_adds_the_vector_to_the_rows_of_the_direction(strength, layers):
    along = direction(layers=layers)
    before = WS.codes.clone()
    moved = edit(GENERATOR, WS, along, strength)
    assert torch.equal(WS.codes, before)
    change = (moved.codes - WS.codes)[0]
    for row in range(3):
        expected = strength * along.vector if row in layers else torch.zeros(6)
        torch.testing.assert_close(change[row], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(change.norm(), torch.tensor(abs(strength) * len(layers) ** 0.5), atol=1e-4, rtol=0)


@pytest.mark.slow
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
        close(same, together, atol=1e-5, rtol=0)
    back = edit(GENERATOR, edit(GENERATOR, WS, one, a), one, -a)
    close(back, WS, atol=1e-5, rtol=0)
    close(edit(GENERATOR, edit(GENERATOR, WS, one, a), one, b), edit(GENERATOR, WS, one, a + b), atol=2e-5, rtol=0)


@steady
@given(strengths)
def test_a_w_direction_on_all_layers_of_w_codes_equals_the_w_plus_edit(strength):
    along = direction()
    moved = edit(GENERATOR, W, along, strength)
    assert moved.space == "w"
    close(moved.to_space(GENERATOR, "w+"), edit(GENERATOR, WS, along, strength))
    spread = Direction(along.vector.expand(3, 6) / 3**0.5, "w+", (0, 1, 2))
    close(edit(GENERATOR, W, spread, strength * 3**0.5), edit(GENERATOR, WS, along, strength), atol=1e-5, rtol=1e-5)


def test_w_codes_become_w_plus_when_only_some_layers_move():
    along = direction(layers=(1,))
    moved = edit(GENERATOR, W, along, 2.0)
    assert moved.space == "w+"
    close(moved, edit(GENERATOR, WS, along, 2.0))
    assert edit(GENERATOR, W, along, 2.0, layers="0-2").space == "w"


def test_layers_override_those_of_a_w_direction_only():
    along = direction(layers=(0,))
    close(edit(GENERATOR, WS, along, 2.0, "1-2"), edit(GENERATOR, WS, direction(layers=(1, 2)), 2.0))
    legacy = direction(layers=None)
    close(edit(GENERATOR, WS, legacy, 2.0), edit(GENERATOR, WS, direction(), 2.0))
    for space, codes in (("w+", WS), ("z", Z)):
        with pytest.raises(LatentError, match="Layers are chosen for directions of space w"):
            edit(GENERATOR, codes, direction(space), 2.0, "1")
    for wrong in ("3", "2-1", []):
        with pytest.raises(LatentError):
            edit(GENERATOR, WS, along, 2.0, wrong)


def test_zero_leaves_codes_and_no_direction_does_too():
    assert torch.equal(edit(GENERATOR, WS, direction(), 0.0).codes, WS.codes)
    assert torch.equal(edit(GENERATOR, WS, direction(), -0.0).codes, WS.codes)
    assert edit(GENERATOR, WS, [], []) is WS


def test_strengths_count_in_stds_where_they_say_so():
    along = direction(std=1.5)
    for text, distance in {"2s": 3.0, "-2s": -3.0, "2": 2.0, "+.5": 0.5, " 1e1s ": 15.0, "-0s": 0.0, "2.": 2.0}.items():
        assert along.length(text) == distance
        close(edit(GENERATOR, WS, along, text), edit(GENERATOR, WS, along, distance))
    assert unchecked(Direction.length)(along, torch.tensor(2.0)) == 2.0
    for number in (2, np.float32(2), np.int64(2), np.float64(2)):
        assert torch.equal(edit(GENERATOR, WS, along, number).codes, edit(GENERATOR, WS, along, 2.0).codes)


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
        (LinearGenerator(), Latent(torch.zeros(1, 6), "z"), direction(), "Space 'w' does not exist here"),
        (GENERATOR, WS, direction("s"), "Space 's' does not exist here"),
        (GENERATOR, Latent(torch.zeros(2, 1), "w"), direction(), r"wants \[n, 6\]"),
        (GENERATOR, Latent(torch.zeros(2, 7), "z"), direction(), r"wants \[n, 6\]"),
        (GENERATOR, Latent(torch.zeros(2, 4, 6), "w+"), direction(layers=(0,)), r"wants \[n, 3, 6\]"),
        (GENERATOR, Latent(torch.zeros(2, 5), "z"), direction("z"), r"wants \[n, 6\]"),
        (GENERATOR, WS, direction("z"), r"Codes of space w\+ do not lead to space z"),
        (GENERATOR, W, direction("z"), "Codes of space w do not lead to space z"),
        (GENERATOR, WS, direction(shape=(8,)), r"has shape \[8\], but codes of this generator have \[6\]"),
        (
            GENERATOR,
            WS,
            direction("w+", shape=(4, 6)),
            r"has shape \[4, 6\], but codes of this generator have \[3, 6\]",
        ),
        (GENERATOR, WS, direction("w", shape=(3, 6)), r"has shape \[3, 6\]"),
        (GENERATOR, WS, direction(layers=(5,)), "Layer 5 does not exist: this generator has layers 0-2"),
        (GENERATOR, WS[:0], direction(), "hold no code"),
        (GENERATOR, W.codes, direction(), "does not say in which space its codes lie"),
        (GENERATOR, [1.0], direction(), "Codes are a Latent"),
        (GENERATOR, WS, "mouth", "A direction is one of find_directions"),
        (GENERATOR, WS, [W], "A direction is one of find_directions"),
    ],
)
def test_codes_and_directions_that_do_not_meet_are_refused(generator, codes, along, message):
    with pytest.raises(LatentError, match=message):
        unchecked(edit)(generator, codes, along, 1.0)


def test_codes_keep_their_precision_and_float64_ones_take_float32_directions():
    for dtype in (torch.float64, torch.float16):
        latent = Latent(WS.codes.to(dtype), "w+")
        assert edit(GENERATOR, latent, direction(), 2.0).codes.dtype == dtype


def test_a_style_direction_moves_styles():
    generator = small_stylegan2()
    ws = Latent(generator.map(generator.sample([0, 1])), "w+")
    styles = ws.to_space(generator, "s")
    vector = normalize(torch.randn(styles.codes.shape[1]), dim=0)
    along = Direction(vector, "s", (0, 1))
    moved = edit(generator, styles, along, 3.0)
    torch.testing.assert_close(moved.codes - styles.codes, (3 * vector).expand_as(styles.codes), atol=1e-5, rtol=0)
    images = edit_series(generator, styles, along, [0.0, 3.0])
    torch.testing.assert_close(images[:, 0], generator.synthesize(styles))
    torch.testing.assert_close(images[:, 1], generator.synthesize(moved))
    close(edit(generator, ws, along, 3.0), moved)
    with pytest.raises(LatentError, match="Codes of space s do not lead to space w"):
        edit(generator, moved, Direction(normalize(torch.ones(6), dim=0), "w", None), 1.0)


@pytest.mark.parametrize(("codes", "layers"), [(W, (0, 1, 2)), (W, (1,)), (WS, (0, 2))])
def test_in_a_series_all_rows_share_the_direction(codes, layers):
    along = direction(layers=layers, std=0.5)
    images = edit_series(GENERATOR, codes, along, [-2.0, 0.0, "4s"])
    assert images.shape == (2, 3, 3, 8, 8)
    plain = GENERATOR.synthesize(WS)
    torch.testing.assert_close(images[:, 1], plain)
    # The generator is linear, so the change of image is one and the same: -2 and 2 are opposite.
    torch.testing.assert_close(images[:, 0] - plain, plain - images[:, 2], atol=1e-3, rtol=0)
    torch.testing.assert_close(images[0] - images[0, 1], images[1] - images[1, 1], atol=1e-3, rtol=0)


def test_a_series_of_z_codes_and_one_without_strengths():
    generator = LinearGenerator()
    along, latent = direction("z", None), Latent(generator.sample([0]), "z")
    images = edit_series(generator, latent, along, [1.0])
    torch.testing.assert_close(images[0], generator.synthesize(latent.codes + along.vector, "z"))
    with pytest.raises(LatentError, match="No strength was given"):
        edit_series(generator, latent, along, [])


def test_z_codes_are_mapped_where_z_and_w_are_equally_wide():
    """Both have six numbers here, and the map doubles them: codes of z taken for w would be other images."""
    along = direction(layers=(1,))
    close(edit(GENERATOR, Z, along, 2.0), edit(GENERATOR, WS, along, 2.0))
    raw = Latent(Z.codes, "z", truncation=0.5)
    mapped = Latent(GENERATOR.map(Z.codes, "w+", truncation=0.5), "w+")
    close(edit(GENERATOR, raw, along, 2.0), edit(GENERATOR, mapped, along, 2.0))
