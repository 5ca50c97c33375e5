"""What an annotation allows: whether a value is of it, and its words for messages."""

import collections.abc
import inspect
import os
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
import torch
from jaxtyping import AbstractArray
from torch import Tensor

from ganvas.errors.names import is_name
from ganvas.errors.ranges import Range

WORDS = {
    "Generator": "what ganvas.load or ganvas.wrap returns",
    "Latent": "a Latent, as ganvas.sample and ganvas.open_latent return",
    "LatentPath": "a LatentPath, as ganvas.path_through returns",
    "Direction": "a Direction, as directions[0] of what ganvas.find_directions returns",
    "Directions": "Directions, as ganvas.find_directions and ganvas.load_directions return",
    "Region": "a Region, such as ganvas.Region.box(0.3, 0.6, 0.7, 0.8)",
    "Part": 'a Part, such as ganvas.part(generator, "part:7")',
    "PartModel": "a PartModel, as ganvas.find_parts and ganvas.load_parts return",
    "Module": "a torch.nn.Module",
    "NoneType": "None",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "number": "a number",
    "bool": "True or False",
    "Path": "a path",
    "PathLike": "a path",
    "Callable": "a function",
    "Tensor": "a tensor",
    "device": "a torch.device",
    "dtype": "a torch.dtype",
    "BytesIO": "a BytesIO",
}
"""What a value of a class is called in messages, by the name of the class."""

PLURALS = {"str": "texts", "int": "whole numbers", "float": "numbers", "number": "numbers", "Path": "paths"}
PLURALS |= {"Latent": "Latents", "Direction": "Directions", "Region": "Regions", "Tensor": "tensors"}
"""What several of them are called."""


@dataclass(frozen=True)
class Kind:
    """What an annotation allows; `refuse` returns None for what it allows, "" for another type, and for a number out of
    its range what is allowed. `plural` says what several are, "" where that takes more than a word.
    """

    words: str
    refuse: Any
    plural: str = ""

    def refusal(self, value: Any) -> str | None:
        """Return why a value is refused, None where it is not."""
        return self.refuse(value)


MOST_CHECKED = 1000
COUNTABLE = Range(-(2**63), 2**63 - 1, whole=True)
"""Whole numbers without a range of their own: what a computer counts with."""
ANYTHING = Kind("anything", lambda value: None)


PATH = Kind("a path", lambda value: _unless(is_name(value)), "paths")


def kind_of(annotation: Any) -> Kind:
    """Return what an annotation allows."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        base = float | None if arguments[0] is Any else arguments[0]  # a number that a rule gives where there is none
        return _ranged(kind_of(base), [one for one in arguments[1:] if isinstance(one, Range)])
    if origin in (Union, types.UnionType):
        paths = [PATH] if Path in arguments else []
        return _union([*paths, *(kind_of(one) for one in arguments if not paths or one not in (str, Path))])
    if origin is Literal:
        names = " or ".join(map(repr, arguments))
        return Kind(names, lambda value: _unless(type(value) in (str, int) and value in arguments))
    if origin in (collections.abc.Callable, type):
        return Kind(WORDS["Callable"], lambda value: _unless(callable(value)))
    if inspect.isclass(origin) and issubclass(origin, collections.abc.Mapping):
        return _mapping(*arguments)
    if inspect.isclass(origin) and issubclass(origin, collections.abc.Iterable):
        return _series(origin, arguments)
    if isinstance(annotation, TypeVar) or annotation in (Any, object, inspect.Parameter.empty):
        return ANYTHING
    return _class(type(None) if annotation is None else origin or annotation)


def _unless(right: bool) -> str | None:
    return None if right else ""


def _ranged(kind: Kind, ranges: list[Range]) -> Kind:
    """Return a kind of numbers in a range; what else the kind allows (None) has no range."""

    def refuse(value: Any) -> str | None:
        refused = kind.refusal(value)
        if refused is None and isinstance(value, int | float | np.number):
            return next((str(one) for one in ranges if value not in one), None)
        return refused

    within = f" from {ranges[0]}" if ranges and ranges[0] is not COUNTABLE else ""
    return Kind(f"{kind.words}{within}", refuse, kind.plural and f"{kind.plural}{within}")


def _union(kinds: list[Kind]) -> Kind:
    def refuse(value: Any) -> str | None:
        reasons = [kind.refusal(value) for kind in kinds]
        return None if None in reasons else next((reason for reason in reasons if reason), "")

    words = {kind.words: kind.plural for kind in kinds}
    if "a number" in words:
        words.pop("a whole number", None)
    plurals = list(words.values())
    return Kind(_either(list(words)), refuse, _either(plurals) if all(plurals) else "")


def _either(words: Sequence[str]) -> str:
    """Return "a, b or c"; a comma before the last where one of them has a comma itself."""
    if any("," in one for one in words):
        return ", or ".join(words)
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 2 else words)


def _mapping(key: Any = Any, value: Any = Any) -> Kind:
    keys, values = kind_of(key), kind_of(value)

    def right(given: Any) -> bool:
        return isinstance(given, collections.abc.Mapping) and all(
            keys.refusal(name) is None and values.refusal(one) is None for name, one in given.items()
        )

    return Kind(f"a dict from {keys.words} to {values.words}", lambda given: _unless(right(given)))


def _series(origin: Any, arguments: tuple[Any, ...]) -> Kind:
    """Return the kind of a sequence of one kind, or of a tuple of several; text is no sequence, an array is one."""
    several = origin is tuple and arguments[-1:] != (Ellipsis,)
    kinds = [kind_of(one) for one in arguments if one is not Ellipsis] or [ANYTHING]
    words = ", ".join(kind.words for kind in kinds)

    def right(given: Any) -> bool:
        if isinstance(given, range) and not several:
            return kinds[0].refusal(0) is None
        if isinstance(given, str | bytes | Tensor | collections.abc.Mapping):
            return False
        if not isinstance(given, origin | list | tuple | np.ndarray):
            return False
        if isinstance(given, np.ndarray) and not given.ndim:
            return False
        if not isinstance(given, collections.abc.Sequence | np.ndarray):  # an iterator is read by the function alone
            return True
        if several and len(given) != len(kinds):
            return False
        if len(given) > MOST_CHECKED:  # one of each type stands for the others
            given = list({type(one): one for one in given}.values())
        return all(kinds[i if several else 0].refusal(one) is None for i, one in enumerate(given))

    if several:
        return Kind(f"({words})", lambda given: _unless(right(given)))
    each = f"a list of {kinds[0].plural}" if kinds[0].plural else f"a list, each of it {words}"
    return Kind(each, lambda given: _unless(right(given)))


def _class(wanted: Any) -> Kind:
    name = getattr(wanted, "__name__", str(wanted))
    if inspect.isclass(wanted) and issubclass(wanted, AbstractArray):
        shape = wanted.dim_str
        array = "an array" if wanted.array_type is np.ndarray else "a tensor"
        return Kind(f"{array} [{', '.join(shape.split())}]", lambda value: _refused_array(value, wanted))
    words = WORDS.get(name) or f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
    kind = Kind(words, lambda value: _unless(_is_a(value, wanted)), PLURALS.get(name, ""))
    return _ranged(kind, [COUNTABLE]) if wanted is int else kind


def _is_a(value: Any, wanted: Any) -> bool:
    """Return whether a value is of a class: numbers of NumPy are numbers, True is none, a tensor holds its values."""
    if wanted in (int, float):
        numbers = (int, np.integer) if wanted is int else (int, float, np.integer, np.floating)
        return isinstance(value, numbers) and not isinstance(value, bool) and (wanted is int or _fits_a_float(value))
    if wanted is bool:
        return isinstance(value, bool | np.bool_)
    if wanted is Path:
        return isinstance(value, os.PathLike)
    if wanted is Tensor:
        return _is_dense(value)
    return isinstance(value, wanted)


def _fits_a_float(value: Any) -> bool:
    return not isinstance(value, int) or abs(value) < 2**63


def _refused_array(value: Any, wanted: Any) -> str | None:
    """Return why an array is refused. Images and masks are finite; a row of numbers may have unknown ones."""
    if not _is_array(value, wanted):
        return ""
    floats = isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 1
    return "finite numbers, it holds nan or inf" if floats and not bool(value.isfinite().all()) else None


def _is_array(value: Any, wanted: Any) -> bool:
    return isinstance(value, wanted) and (isinstance(value, np.ndarray) or _is_dense(value)) and 0 not in value.shape


def _is_dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and value.device.type != "meta"
