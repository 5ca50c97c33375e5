"""The fidelity weight: its values, names and the weight of the delta term."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.errors import GanvasError
from ganvas.inversion.sketch.fidelity import PRESETS, delta_weight_of, fidelity_of, parse_fidelity


@given(st.floats(0.001, 1))
def test_fidelity_is_the_share_of_the_distance_in_the_loss(fidelity: float):
    """``distance + weight delta`` is ``f distance + (1 - f) delta`` divided by f."""
    weight = delta_weight_of(fidelity)
    assert fidelity_of(weight) == pytest.approx(fidelity, abs=1e-12)
    assert fidelity * weight == pytest.approx(1 - fidelity, abs=1e-12)


def test_presets_and_numbers_are_parsed():
    assert [parse_fidelity(name) for name in PRESETS] == sorted(PRESETS.values(), reverse=True)
    assert parse_fidelity("0.3") == 0.3
    weights = [delta_weight_of(parse_fidelity(name)) for name in ("exact", "balanced", "loose")]
    assert weights == [0, 1, 3]  # those of the table


@pytest.mark.parametrize("text", ["0", "-0.1", "nan", "loud", "inf", "1.1"])
def test_impossible_fidelities_are_refused(text: str):
    with pytest.raises(GanvasError, match=r"fidelity of .* is not possible"):
        parse_fidelity(text)
