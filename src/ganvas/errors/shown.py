"""How a message shows what was given: short, whatever it was."""

import math
import os
import reprlib
from collections.abc import Sequence
from typing import Any

MOST_DIGITS = 20
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 60


def shown(value: Any) -> str:
    """Return what was given, for a message: at most some 60 characters, and no tensor's numbers."""
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return f"a whole number of {int(math.log10(abs(value))) + 1:,} digits"
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(value, int | float | str) or value is None:
        return SHORT.repr(value)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {list(value.shape)}, {_kind_of(value)}"
    if isinstance(value, list | tuple | dict | set) and not value:
        return f"an empty {type(value).__name__}"
    return SHORT.repr(value) if _is_plain(value) else f"{_article(type(value).__name__)} {type(value).__name__}"


def shortened(text: str, most: int = 60) -> str:
    """Return text that was typed, cut after `most` characters."""
    return text if len(text) <= most else f"{text[:most]}..."


def some_of(values: Sequence[object]) -> str:
    """Return some values in a few words: "4, 9, 11, ... (16)"."""
    first = ", ".join(map(str, values[:4]))
    return first if len(values) <= 4 else f"{first}, ... ({len(values)})"


def _kind_of(value: Any) -> str:
    """Return data type and, where it is not the usual one, layout and device of a tensor or an array."""
    layout, device = str(getattr(value, "layout", "torch.strided")), str(getattr(value, "device", "cpu"))
    facts = [str(value.dtype), *([layout] * (layout != "torch.strided")), *([device] * (device == "meta"))]
    return " ".join(fact.removeprefix("torch.") for fact in facts)


def _is_plain(value: Any) -> bool:
    """Return whether a value is a list or the like of plain values, whose repr is short."""
    if isinstance(value, list | tuple | set):
        return all(_is_plain(one) for one in list(value)[:7])
    return value is None or isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 10**MOST_DIGITS)


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"
