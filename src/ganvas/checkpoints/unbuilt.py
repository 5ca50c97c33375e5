"""What a reader of a foreign format returns: a family, an architecture, and tensors under our names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

UNVERIFIED = "written from its description, not yet verified on a published file"


@dataclass(frozen=True, eq=False)
class UnbuiltGenerator:
    """A generator as a file describes it, before it is built.

    ``family`` is a key of `ganvas.checkpoints.families.FAMILIES`, ``architecture`` an instance of that family's
    dataclass, ``tensors`` the whole state dict of its module under our names, ``format`` the name of the file's format.
    ``verified`` is False for a reader that was never tested on a file of another implementation; ``facts`` go to the
    source of the generator, and say what the reader had to assume.
    """

    family: str
    architecture: Any
    tensors: Mapping[str, Tensor]
    format: str
    verified: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)


Reader = Callable[[Any, Path], UnbuiltGenerator | None]
"""Takes a file's tree (dicts, lists, tuples, tensors, numpy arrays, plain values, records), which
`ganvas.checkpoints.search` searches, and its path.

Returns None when the tree is not of its format; raises `CheckpointError` when it is but is damaged.
"""
