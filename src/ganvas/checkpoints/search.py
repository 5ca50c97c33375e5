"""Finding weights in the trees of foreign files: below any nest ("state.g"), prefix ("module.decoder.") or module.

People keep a generator under names of their own, beside optimizers, discriminators and settings. Its tensors have the
names that its code gave them; so those are looked for, wherever they lie.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from ganvas.checkpoints.safe_pickle.foreign import ForeignRecord
from ganvas.checkpoints.safe_pickle.machine import shown
from ganvas.checkpoints.safe_pickle.modules import GROUPS, Record, is_module, module_tensors, submodule
from ganvas.checkpoints.safe_pickle.plain_trees import NetworkRecord, PersistentRecord
from ganvas.checkpoints.state_dict import state_dict, without_prefix
from ganvas.errors import CheckpointError

# Words for averaged weights, which make the better images.
AVERAGED = re.compile(r"(?<![a-z])ema|ema(?![a-z])|smooth|shadow|averag|(?<![a-z])swa(?![a-z])")
LONGEST_PLACE = 300  # characters
MOST_ABOVE = 3
MOST_OTHERS = 3
CONTAINERS = (dict, list, tuple, NetworkRecord, PersistentRecord, ForeignRecord)


@dataclass(frozen=True, eq=False)
class Node:
    """A container of a tree with its place ("state.g", "" for the tree itself); `above` it lie these mappings, the
    nearest first.
    """

    place: str
    value: Any
    above: tuple[Mapping[Any, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors of one network: its `place`, the `module` that holds them where the file has one, the mappings
    `above`, and the places of `others` of the same names.
    """

    place: str
    tensors: dict[str, Tensor]
    module: Record | None = None
    above: tuple[Mapping[Any, Any], ...] = ()
    others: tuple[str, ...] = ()

    @property
    def averaged(self) -> bool:
        """Whether the place says that these are averaged weights."""
        return AVERAGED.search(self.place.lower()) is not None

    def facts(self) -> dict[str, str]:
        """Return what the source of a generator should say where the file has several of one kind."""
        if not self.others:
            return {}
        return {"place": f"{shown(self.place)}; the file also has {', '.join(shown(one, 60) for one in self.others)}"}

    def beside(self, others: "Sequence[Weights]") -> "Weights":
        """Return these weights as the ones that were chosen among others."""
        return replace(self, others=tuple(other.place or "one at the top" for other in others)[:MOST_OTHERS])

    def below(self, prefix: str) -> "Weights":
        """Return the part whose names start with `prefix` ("decoder."), under the rest of their names."""
        if not prefix:
            return self
        path = prefix.rstrip(".")
        module = None if self.module is None else submodule(self.module, path)
        place = f"{self.place}.{path}" if self.place else path
        return Weights(place, without_prefix(self.tensors, prefix), module, (self.tensors, *self.above))


class SearchedTree:
    """A tree that is searched for several things: it is walked once.

    `networks` are those of TensorFlow with their places; `weights` every state dict and module, averaged ones first.
    """

    def __init__(self, tree: Any) -> None:
        found: list[Weights] = []
        self.networks: list[tuple[str, NetworkRecord]] = []
        for node in walk(tree):
            if isinstance(node.value, NetworkRecord):
                self.networks.append((node.place, node.value))
            elif (weights := _weights(node)) is not None:
                found.append(weights)
        self.weights = sorted(found, key=lambda weights: not weights.averaged)

    @cached_property
    def joined(self) -> Weights:
        """All tensors as one state dict, whose names begin with their places."""
        whole: dict[str, Tensor] = {}
        for weights in self.weights:
            prefix = f"{weights.place}." if weights.place else ""
            whole |= {prefix + name: tensor for name, tensor in weights.tensors.items()}
        return Weights("", whole)


def searched(tree: Any) -> SearchedTree:
    """Return a tree as one that is searched."""
    return tree if isinstance(tree, SearchedTree) else SearchedTree(tree)


def find_weights(tree: Any, *names: str) -> Weights | None:
    """Return the network in a tree whose tensors have these `names`, averaged weights before others; None for none.

    Its parts may lie in dictionaries of their own, such as "mapping" and "synthesis".
    """
    within = searched(tree)
    parts = [part for weights in within.weights for part in _parts(weights, names)]
    parts = parts or list(_parts(within.joined, names))
    if not parts:
        return None
    best, *others = sorted(parts, key=lambda part: not part.averaged)
    return best.beside(others)


def walk(tree: Any) -> Iterator[Node]:
    """Yield every container of a tree once, from the top down in the order of the file."""
    waiting, seen = [Node("", tree)], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node.value) in seen or len(node.place) > LONGEST_PLACE:
            continue
        seen.add(id(node.value))
        yield node
        waiting.extend(reversed(list(_inside(node))))


def _inside(node: Node) -> Iterator[Node]:
    """Yield the containers inside another that are not empty."""
    value = node.value
    if isinstance(value, ForeignRecord):
        held = value.named
        if held and is_module(value):
            held = {name: part for name, part in held.items() if name not in GROUPS}
        for part in (*value.arguments, value.items):
            if part and isinstance(part, CONTAINERS):
                yield Node(node.place, part, node.above)
    elif isinstance(value, Mapping):
        held = value
    elif isinstance(value, list | tuple):
        held = dict(enumerate(value))
    else:
        return
    for name, part in held.items():
        if isinstance(part, CONTAINERS) and not (isinstance(part, dict | list | tuple) and not part):
            place = f"{node.place}.{name}" if node.place else str(name)
            yield Node(place, part, (held, *node.above)[:MOST_ABOVE])


def _weights(node: Node) -> Weights | None:
    """Return the tensors of a state dict or of a module; None for neither, and for a module that is damaged or strange
    and cannot be the averaged generator.
    """
    value = node.value
    if not is_module(value):
        named = state_dict(value.named if isinstance(value, ForeignRecord) else value)
        return None if named is None else Weights(node.place, named, None, node.above)
    try:
        return Weights(node.place, module_tensors(value), value, node.above)
    except CheckpointError:
        if not node.place or Weights(node.place, {}).averaged:
            raise
    return None


def _parts(weights: Weights, names: tuple[str, ...]) -> Iterator[Weights]:
    """Yield the parts of a state dict whose tensors have all the `names`."""
    first = names[0]
    prefixes = [name.removesuffix(first) for name in weights.tensors if name == first or name.endswith(f".{first}")]
    for prefix in prefixes:
        if all(f"{prefix}{name}" in weights.tensors for name in names):
            yield weights.below(prefix)
