"""The dial of scribbling: its positions, names and weights."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.errors import GanvasError
from ganvas.inversion.sketch.fidelity import POSITIONS, check_weight, position_named, position_of, weight_at


@given(st.floats(0, 0.999))
def test_the_dial_is_the_share_of_the_delta_term(position: float):
    weight = weight_at(position)
    assert position_of(weight) == pytest.approx(position, abs=1e-12)
    assert (1 - position) * weight == pytest.approx(position, abs=1e-12)  # (1 - p) distance + p delta, up to 1 - p


def test_names_of_the_dial():
    assert [position_named(name) for name in POSITIONS] == sorted(POSITIONS.values())
    assert position_named("0.3") == 0.3
    assert [weight_at(position_named(name)) for name in ("obey", "balance", "tame")] == [0, 1, 3]  # those of the table


@pytest.mark.parametrize("text", ["1", "-0.1", "nan", "loud", "inf"])
def test_no_position_of_the_dial(text: str):
    with pytest.raises(GanvasError, match="dial has no position"):
        position_named(text)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_no_weight(weight: float):
    with pytest.raises(GanvasError, match="not possible"):
        check_weight(weight)
