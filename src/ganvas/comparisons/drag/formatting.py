"""Names and numbers of the benchmark as text: means, shares and differences with their 95 % intervals."""

from collections.abc import Sequence

from ganvas.comparisons.estimates import Estimate, mean_estimate, share_estimate

NAMES = {
    "draggan": "DragGAN",
    "freedrag": "FreeDrag",
    "draggan-start": "DragGAN, start's features",
    "draggan-gated": "DragGAN, gated",
}
NOTHING = "–"


def name_of(method: str) -> str:
    """Return a method's name as it is written."""
    return NAMES.get(method, method)


def mean(values: Sequence[float | int], digits: int) -> str:
    """Return the mean with its interval."""
    return format_estimate(mean_estimate([float(value) for value in values]), digits) if values else NOTHING


def difference(values: Sequence[float], digits: int) -> str:
    """Return the mean of differences, one for each drag, with its interval and its sign."""
    if not values:
        return NOTHING
    found = mean_estimate(values)
    return f"{found.value:+.{digits}f} ({found.low:+.{digits}f} to {found.high:+.{digits}f})"


def share(values: Sequence[bool]) -> str:
    """Return the share of what holds, with its interval."""
    if not values:
        return NOTHING
    found = share_estimate(values)
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f}–{100 * found.high:.0f})"


def format_estimate(number: Estimate, digits: int) -> str:
    """Return a number with its interval, with so many digits after the point."""
    return f"{number.value:.{digits}f} ({number.low:.{digits}f}–{number.high:.{digits}f})"
