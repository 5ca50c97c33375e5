"""Checks that the dataclasses of all families' architectures share."""

from collections.abc import Iterable

from ganvas.errors import CheckpointError

LARGEST_SIZE = 65536


def check_sizes(family: str, sizes: Iterable[object]) -> None:
    """Raise `CheckpointError` unless all `sizes` are whole numbers from 1 to `LARGEST_SIZE`."""
    for size in sizes:
        if type(size) is not int or not 1 <= size <= LARGEST_SIZE:
            raise CheckpointError(
                f"Sizes of a {family} are whole numbers from 1 to {LARGEST_SIZE}; found {size!r:.40}."
            )


def check_label(family: str, label_dim: object) -> None:
    """Raise `CheckpointError` unless the classes can be counted."""
    if type(label_dim) is not int or not 0 <= label_dim <= LARGEST_SIZE:
        raise CheckpointError(f"A {family} has 0 to {LARGEST_SIZE} classes; found {label_dim!r:.40}.")


def check_mapping(family: str, w_dim: int, hidden: tuple[int, ...], label_dim: object) -> None:
    """Raise `CheckpointError` unless mapping layers of the widths `hidden` end in w, and the classes can be counted."""
    check_sizes(family, (w_dim, *hidden))
    check_label(family, label_dim)
    if not hidden or hidden[-1] != w_dim:
        raise CheckpointError(f"A {family} with mapping layers {hidden} makes no w of {w_dim} numbers.")
