"""Seeds, layers, truncation and shapes of codes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.errors import LatentError
from ganvas.generators import codes as latents
from ganvas.generators.protocol import Generator
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2

steady = settings(max_examples=40)
seeds = st.integers(0, 2**32 - 1)
numbers = st.floats(-3, 3, width=32)


def unchecked(function):
    """Return a function without the tests' checks of types, which users do not have."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


@steady
@given(st.lists(seeds, min_size=1, max_size=5), st.integers(1, 8))
def test_a_seed_gives_the_same_row_in_any_batch(batch, width):
    together = latents.sample_normal(batch, width)
    assert together.dtype == torch.float32
    for row, seed in zip(together, batch, strict=True):
        alone = latents.sample_normal([seed], width)[0]
        assert torch.equal(row, alone)
        assert torch.equal(row, torch.from_numpy(np.random.RandomState(seed).randn(1, width)).float()[0])


def test_one_state_draws_all_rows_as_the_published_scripts_do():
    np.testing.assert_array_equal(
        latents.sample_normal_as_resefa(5, 3, 4).numpy(), np.random.RandomState(5).randn(3, 4).astype(np.float32)
    )
    assert torch.equal(latents.sample_normal_as_resefa(5, 3, 4)[:1], latents.sample_normal([5], 4))
    with pytest.raises(LatentError, match="0 codes were asked for"):
        latents.sample_normal_as_resefa(5, 0, 4)


@pytest.mark.parametrize("wrong", [[], [-1], [2**32], [1.5], ["3"], [None], [math.nan], 4, None, "0-3", {1}])
def test_invalid_seeds_are_refused(wrong):
    with pytest.raises(LatentError, match=r"[Ss]eed"):
        unchecked(latents.check_seeds)(wrong)


def test_seeds_of_numpy_and_ranges_are_seeds():
    for fine in ([0], range(3), np.arange(3), [np.uint32(2**32 - 1)], (0, 2**32 - 1)):
        unchecked(latents.check_seeds)(fine)


@steady
@given(st.data(), st.integers(1, 30))
def test_layers_as_text_are_parsed(data, count):
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))
    chosen = data.draw(st.lists(st.integers(0, count - 1), min_size=1))
    assert latents.parse_layers(f"{first}-{last}", count) == tuple(range(first, last + 1))
    expected = tuple(sorted(set(chosen)))
    assert latents.parse_layers(",".join(map(str, chosen)), count) == expected
    assert latents.parse_layers(chosen, count) == expected
    assert latents.parse_layers(iter(chosen), count) == expected
    assert latents.parse_layers(last, count) == (last,)


def test_layers_of_other_kinds_of_whole_numbers():
    parse = unchecked(latents.parse_layers)
    for same in (np.array([4, 2]), torch.tensor([4, 2, 2]), [np.int64(2), 4], " 2 , 4 ", "2,4-4", "2 - 2, 4"):
        assert parse(same, 6) == (2, 4)
        assert all(type(layer) is int for layer in parse(same, 6))
    assert parse(np.int64(3), 6) == (3,)
    assert parse(None, 3) == (0, 1, 2)
    assert parse(None, 0) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "a", "-3", "4-", "4-5-6", "1.5", "4,,5", "²", "4;5", "9" * 5000),  # not layers
        *("7-4", "5-3,1"),  # backwards
        *("6", "3-6", "0-999999999999", -1, 6, [2, 6], [-1]),  # beyond
        *([], [1.5], ["4"], 4.0, [None], torch.tensor(3.5)),  # of other kinds
    ],
)
def test_what_are_no_layers_is_refused_in_a_line(wrong):
    with pytest.raises(LatentError) as caught:
        unchecked(latents.parse_layers)(wrong, 6)
    assert len(str(caught.value)) < 200


def test_errors_of_layers_say_what_to_write():
    for text, message in {
        "12": "Layer 12 does not exist: this generator has layers 0-9",
        "7-4": "The range '7-4' runs backwards; write '4-7'",
        "x": "'x' does not name layers; write a range such as '4-7'",
    }.items():
        with pytest.raises(LatentError, match=message):
            latents.parse_layers(text, 10)
    with pytest.raises(LatentError, match="this generator has none: leave layers out"):
        latents.parse_layers("0", 0)


def test_seeds_as_text_are_parsed():
    assert latents.parse_seeds("4") == [4]
    assert latents.parse_seeds("1,5,8-11") == [1, 5, 8, 9, 10, 11]
    assert latents.parse_seeds("3,1") == [3, 1]
    for wrong in ("", "x", "-1", "3-1", "4294967296", "0-4294967295", "0-999999999999"):
        with pytest.raises(LatentError):
            latents.parse_seeds(wrong)


@steady
@given(st.data(), st.floats(-2, 2), st.integers(1, 4))
def test_truncation_is_a_lerp_that_fixes_the_average(data, psi, layers):
    values = st.lists(numbers, min_size=layers * 2, max_size=layers * 2)
    ws = torch.tensor(data.draw(values), dtype=torch.float64).view(1, layers, 2)
    average = torch.tensor(data.draw(st.lists(numbers, min_size=2, max_size=2)), dtype=torch.float64)
    some = data.draw(st.integers(0, layers))
    pulled = latents.truncate(ws, average, psi)
    torch.testing.assert_close(pulled, torch.lerp(average.expand_as(ws), ws, psi), atol=1e-12, rtol=0)
    assert torch.equal(latents.truncate(ws, average, 1.0), ws)
    assert torch.equal(latents.truncate(ws, average, 0.0), average.expand_as(ws))
    fixed = average.expand(1, layers, 2)
    assert torch.equal(latents.truncate(fixed, average, psi), fixed)
    partly = latents.truncate(ws, average, psi, some)
    assert torch.equal(partly[:, :some], pulled[:, :some])
    assert torch.equal(partly[:, some:], ws[:, some:])


@pytest.mark.parametrize(("psi", "layers"), [(math.nan, None), (math.inf, None), (0.5, -1), (0.5, 4), (1.0, 4)])
def test_impossible_truncation_is_refused(psi, layers):
    with pytest.raises(LatentError, match=r"[Tt]runcation"):
        latents.truncate(torch.zeros(1, 3, 2), torch.zeros(2), psi, layers)


def test_codes_of_w_are_widened_and_wrong_shapes_named():
    w = torch.randn(2, 5)
    assert torch.equal(latents.broadcast_layers(w, "w", 3, 5), w[:, None].repeat(1, 3, 1))
    ws = torch.randn(2, 3, 5)
    assert latents.broadcast_layers(ws, "w+", 3, 5) is ws
    for codes, space in (
        (torch.zeros(5), "w"),
        (torch.zeros(2, 4), "w"),
        (w, "w+"),
        (ws, "w"),
        (torch.tensor(0.0), "w"),
    ):
        with pytest.raises(LatentError, match=r"which wants \[n, "):
            latents.broadcast_layers(codes, space, 3, 5)


@pytest.mark.parametrize("make", [LinearGenerator, LayeredGenerator, small_stylegan2])
def test_generators_satisfy_the_protocol(make):
    generator = make()
    assert isinstance(generator, Generator)
    codes = generator.sample([0, 1])
    images = generator.synthesize(codes, "z")
    assert images.shape == (2, 3, generator.resolution, generator.resolution)
    assert codes.shape[1:] == generator.dimensions("z")
    name = generator.feature_names[-1]
    space = "w+" if generator.layers else "z"
    codes = generator.map(codes) if generator.layers else codes
    maps = generator.features(codes, [name], space, with_image=True)
    assert maps.keys() == {name, "image"}
    torch.testing.assert_close(generator.resume(name, maps[name], codes, space), maps["image"])
    assert not isinstance(object(), Generator)


@pytest.mark.parametrize(
    ("given", "meant"), [("W", "w"), (" W+ ", "w+"), ("wp", "w+"), ("W_plus", "w+"), ("StyleSpace", "s"), ("Z", "z")]
)
def test_space_by_another_name_is_asked_back(given: str, meant: str):
    for check in (latents.check_known_space, lambda space: latents.check_space(space, latents.SPACES)):
        with pytest.raises(LatentError, match=rf"Did you mean '{meant.replace('+', '[+]')}'\?"):
            check(given)
    with pytest.raises(LatentError, match=r"this generator has z\.$"):  # a space that it lacks is not proposed
        latents.check_space("w+", ["z"])


@pytest.mark.parametrize("given", ["nonsense", None, 3, ["w"], "x" * 500])
def test_what_is_no_space_is_refused_in_few_words(given: object):
    with pytest.raises(LatentError) as caught:
        latents.check_known_space(given)
    assert "Did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 200
