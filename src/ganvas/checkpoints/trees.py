"""A foreign file's tree of plain data, whatever kind of file it is, and words for what is in it. Runs nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganvas.checkpoints.pickle_machine import shown
from ganvas.checkpoints.pickles import PersistentRecord, module_tensors, read_pickle

MOST_NAMES = 3


def read_tree(path: Path) -> Any:
    """Return what a foreign file holds: dicts, lists and tuples of tensors, numpy arrays, plain values, records.

    Raises `CheckpointError` for a file of another kind or a damaged one, `UnsafeFileError` for one that wants more.
    """
    return read_pickle(path)


def describe_tree(tree: Any) -> str:
    """Say in a line what a tree holds: the names at its top, and of the first tensors in them."""
    if isinstance(tree, PersistentRecord):
        return f"a {shown(tree.class_name)} with {_names(module_tensors(tree))}"
    if isinstance(tree, Mapping):
        nested = [f"{shown(str(name), 60)} ({describe_tree(tree[name])})" for name in tree if _is_nest(tree[name])]
        return _names(tree) if not nested else ", ".join(nested[:MOST_NAMES])
    if isinstance(tree, list | tuple):
        return f"a {type(tree).__name__} of {len(tree)}" + (f": {describe_tree(tree[-1])}" if tree else "")
    return f"a {type(tree).__name__}"


def _is_nest(node: Any) -> bool:
    return isinstance(node, PersistentRecord) or (isinstance(node, Mapping) and bool(node))


def _names(names: Iterable[object]) -> str:
    listed = [shown(str(name), 60) for name in names]
    more = f" and {len(listed) - MOST_NAMES} more" if len(listed) > MOST_NAMES else ""
    return (", ".join(listed[:MOST_NAMES]) + more) or "nothing"
