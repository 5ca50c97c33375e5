"""The fidelity weight: the trade-off between matching the sketch and staying near what the generator makes.

The loss is ``f distance + (1 - f) delta``, up to a factor: the masked distance from the sketch, and the mean over
entries of ((code - start) / std)^2. Divided by f it is ``distance + weight delta``: a delta weight of w says that a
distance of one standard deviation from the start in every entry costs as much as a masked distance of w.
"""

from collections.abc import Mapping

from ganvas.errors import GanvasError

PRESETS: Mapping[str, float] = {"exact": 1.0, "close": 0.75, "balanced": 0.5, "loose": 0.25, "typical": 0.1}
BALANCED = 1.0  # the delta weight of fidelity 0.5


def delta_weight_of(fidelity: float) -> float:
    """Return the weight of the delta term at a fidelity f, ``(1 - f) / f``. At 1 only the sketch counts; 0, the start
    alone, is not possible.
    """
    if not 0 < fidelity <= 1:
        raise GanvasError(
            f"A fidelity of {fidelity:g} is not possible; give above 0 to 1 (only the sketch counts), such as 0.5."
        )
    return (1 - fidelity) / fidelity


def fidelity_of(delta_weight: float) -> float:
    """Return the fidelity at which the delta term has this weight."""
    return 1 / (1 + delta_weight)


def parse_fidelity(text: str) -> float:
    """Return the fidelity of "0.5" or of a name in `PRESETS`; raises `GanvasError` for others."""
    if text in PRESETS:
        return PRESETS[text]
    try:
        fidelity = float(text)
    except ValueError:
        names = ", ".join(f"{name} ({value:g})" for name, value in PRESETS.items())
        raise GanvasError(f"A fidelity of '{text}' is not possible; give above 0 to 1, or {names}.") from None
    delta_weight_of(fidelity)
    return fidelity
