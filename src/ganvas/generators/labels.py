"""Classes of conditional generators: a label as a user gives it becomes one-hot rows. Knows no architecture."""

import difflib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.errors.ranges import whole_number
from ganvas.errors.shown import shown
from ganvas.generators.protocol import Generator, HasClasses, Label


def one_hot(
    label: Label, rows: int, classes: int, device: torch.device, names: Sequence[str] | None = None
) -> Float[Tensor, "n classes"] | None:
    """Return `label` as one row per code, float32; None for a generator without classes (`classes` 0).

    A label is a class number, one of the `names` (in any case; a synonym of a name such as "tabby, tabby cat" is
    enough), a list with one of either per code, a tensor of numbers, or a floating point tensor [n, classes] that is
    taken as it is. Raises `LatentError`, for a name that is not known with the nearest ones.
    """
    if classes == 0:
        if label is not None:
            raise LatentError(
                f"Label {shown(label)} was given, but this generator has no classes; leave the label out."
            )
        return None
    if label is None:
        raise LatentError(
            f"This generator needs a label: a class from 0 to {classes - 1}{', or its name' if names else ''}."
        )
    if isinstance(label, Tensor) and label.is_floating_point():
        if label.shape != (rows, classes):
            raise LatentError(f"Label rows of shape {list(label.shape)} do not fit; [{rows}, {classes}] is needed.")
        return label.to(device)
    numbers = _numbers(label, names).to(device)
    if numbers.is_floating_point() or numbers.is_complex() or len(numbers) not in (1, rows):
        raise LatentError(f"Label {shown(label)} does not fit {rows} codes: give one class, or one for each code.")
    if numbers.min() < 0 or numbers.max() >= classes:
        raise LatentError(f"Label {shown(label)} does not exist: this generator has classes 0-{classes - 1}.")
    return F.one_hot(numbers.long().expand(rows), classes).float()


def class_number(name: str, names: Sequence[str] | None) -> int:
    """Return the number of the class called `name`: the whole name, or the first class of which it is a synonym.

    The synonyms of a name stand between commas. Raises `LatentError` with the nearest names where there is none.
    """
    if not names:
        raise LatentError(f"The classes here have no names; give a number instead of {shown(name)}.")
    wanted = _plain(name)
    for number, known in enumerate(names):
        if _plain(known) == wanted:
            return number
    synonyms: dict[str, int] = {}
    for number, known in enumerate(names):
        for synonym in known.split(","):
            synonyms.setdefault(_plain(synonym), number)
    if wanted in synonyms:
        return synonyms[wanted]
    near = difflib.get_close_matches(wanted, list(synonyms), n=3, cutoff=0.5)
    near = near or [synonym for synonym in synonyms if wanted and wanted in synonym][:3]
    hint = f"did you mean {', '.join(near)}?" if near else f"for example {names[0]}, or a number."
    raise LatentError(f"No class is called {shown(name)}: {hint}")


def settle_label(label: Label, names: Sequence[str] | None) -> int | tuple[int, ...] | None:
    """Return a label as files keep it: one class number, or one per code; names become numbers.

    Raises `LatentError` for one-hot rows, and for names that are not known.
    """
    if label is None:
        return None
    if isinstance(label, Tensor) and label.is_floating_point():
        raise LatentError("One-hot rows cannot be kept with codes; give class numbers or names.")
    numbers = _numbers(label, names)
    if numbers.is_floating_point() or numbers.is_complex() or len(numbers) == 0:
        raise LatentError(f"{shown(label)} is no label; give a class number, a name, or a list of them.")
    settled = tuple(int(number) for number in numbers)
    return settled[0] if len(settled) == 1 else settled


def parse_label(text: str, names: Sequence[str] | None) -> int | tuple[int, ...]:
    """Return the classes meant by "207", "golden retriever", "1,207" or "goldfish, golden retriever".

    One is for all codes, several are one for each. Raises `LatentError` where there is no such class name.
    """
    whole = " ".join(text.split())
    try:
        return _class(whole, names)
    except (LatentError, ValueError):
        parts = [part.strip() for part in text.split(",")]
        if len(parts) == 1:
            raise
    return tuple(_class(part, names) for part in parts)


def _class(text: str, names: Sequence[str] | None) -> int:
    """Return the class of a number, also of one that no generator has, or of a name."""
    return whole_number(text) if text.removeprefix("-").isdecimal() else class_number(text, names)


def label_of(generator: Generator, text: str | None) -> int | tuple[int, ...] | None:
    """Return the classes that `parse_label` finds in a text for this generator, None without a text."""
    return None if text is None else parse_label(text, class_names(generator))


def label_of_each(generator: Generator, text: str | None, count: int) -> list[str | None]:
    """Return a text for each of so many latents: the same for all, or of several classes one each.

    Raises `LatentError` where their number does not fit.
    """
    found = label_of(generator, text)
    if count == 1 or not isinstance(found, tuple):
        return [text] * count
    if len(found) != count:
        raise LatentError(f"{len(found)} labels do not fit {count} latents: give one for all, or one for each.")
    return [str(label) for label in found]


def class_of(generator: Generator, label: str | None) -> int | None:
    """Return the class of all images of a run, None without one; raises `LatentError` for several."""
    found = label_of(generator, label)
    if isinstance(found, tuple):
        raise LatentError("All images of one run are of one class; give one --label.")
    if isinstance(generator, HasClasses):
        generator.one_hot(found, 1)  # a wrong label is refused here, not at the first image
    return found


def class_names(generator: Generator) -> Sequence[str] | None:
    """Return the names of a generator's classes, None where they have none."""
    return getattr(generator, "class_names", None)


def even_classes(generator: Generator, rows: int) -> tuple[int, ...] | None:
    """Return class numbers for so many codes, in ascending order and each as often; None without classes."""
    architecture = getattr(generator, "architecture", None)
    classes = getattr(architecture, "label_dim", 0)
    return tuple(row * classes // rows for row in range(rows)) if classes else None


def _numbers(label: int | str | Sequence[int | str] | Tensor, names: Sequence[str] | None) -> Tensor:
    if isinstance(label, Tensor):
        return label.flatten()
    items = [label] if isinstance(label, int | str) else label
    try:
        return torch.as_tensor([class_number(i, names) if isinstance(i, str) else i for i in items]).flatten()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise LatentError(f"{shown(label)} is no label; give a class number, a name, or a list of them.") from (None)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
