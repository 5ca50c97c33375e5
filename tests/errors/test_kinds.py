"""What messages call the types of arguments."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ganvas.directions.direction import Direction
from ganvas.errors.kinds import kind_of
from ganvas.errors.ranges import Steps
from ganvas.latents.latent import Latent
from ganvas.regions import Region


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Sequence[float | str], "a list of numbers or texts"),
        (Sequence[int | float], "a list of numbers"),
        (Sequence[str | Path], "a list of paths"),
        (Sequence[Latent], "a list of Latents"),
        (int | Sequence[int], "a whole number or a list of whole numbers"),
        (Steps, "a whole number from 1 to 1,000,000"),
        (Mapping[str, float], "a dict from text to a number"),
        (tuple[float, float], "(a number, a number)"),
        (Sequence[Sequence[float]], "a list, each of it a list of numbers"),
        (bool | None, "True or False or None"),
    ],
)
def test_types_are_named_in_english(annotation: Any, words: str):
    assert kind_of(annotation).words == words


def test_long_words_are_parted_by_a_comma():
    words = kind_of(Direction | Region | str).words
    assert words.endswith(", or text")
    assert words.count(", or ") == 2
