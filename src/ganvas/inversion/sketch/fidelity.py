"""The dial between "obeys the sketch" and "looks like what the generator makes": positions, names, weights.

What is made small is ``distance + weight delta``: the masked distance from the sketch, and the mean over entries of
((code - start) / deviation)^2. A weight of w says that leaving the start by one deviation in every entry costs as much
as a distance of w.
"""

from collections.abc import Mapping

from ganvas.errors import GanvasError

POSITIONS: Mapping[str, float] = {"obey": 0.0, "follow": 0.25, "balance": 0.5, "tame": 0.75, "typical": 0.9}
BALANCED = 1.0
HEAVIEST = 1e6


def weight_at(position: float) -> float:
    """Return the weight of the delta term at a position of the dial, ``p / (1 - p)``: what is made small is then
    ``(1 - p) distance + p delta``, up to a factor. 0 is the sketch alone; 1, the start alone, is no position.
    """
    if not 0 <= position < 1:
        raise GanvasError(f"The dial has no position {position:g}; give 0 (obey the sketch) to below 1, such as 0.5.")
    return position / (1 - position)


def position_of(weight: float) -> float:
    """Return the position of the dial at which the delta term has this weight."""
    return weight / (weight + 1)


def check_weight(weight: float) -> float:
    """Return a weight of the delta term; raises `GanvasError` unless it is from 0 to a million."""
    if not 0 <= weight <= HEAVIEST:
        raise GanvasError(f"A weight of {weight:g} is not possible; give 0 (obey the sketch) or more, such as 1.")
    return weight


def position_named(text: str) -> float:
    """Return the position meant by "0.5" or by a name of `POSITIONS`; raises `GanvasError` for others."""
    if text in POSITIONS:
        return POSITIONS[text]
    try:
        position = float(text)
    except ValueError:
        names = ", ".join(f"{name} ({place:g})" for name, place in POSITIONS.items())
        raise GanvasError(f"The dial has no position '{text}'; give 0 to below 1, or {names}.") from None
    weight_at(position)
    return position
