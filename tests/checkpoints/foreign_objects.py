"""What people keep beside weights: objects of Python's, numpy's and torch's classes, and of their own."""

import argparse
import collections
import datetime
import decimal
import enum
import functools
import pathlib
import types
import uuid
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.checkpoints.nvidia_layouts import EasyDict


class Color(enum.Enum):
    RED = "red"


class History(list):
    """A kind of list with an attribute."""


class Judge(nn.Module):
    """A discriminator of somebody's, with what such modules hold: hooks, functions, settings, a child that knows its
    parent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.utils.spectral_norm(nn.Conv2d(4, 1, 3)))
        self.activation = torch.tanh
        self.home = pathlib.PurePosixPath("/data/judge")
        self.parents = [self]


def objects() -> dict[str, Any]:
    """Return what people keep beside weights."""
    parameter = nn.Parameter(torch.ones(2))
    parameter.note = "kept"
    network = nn.Linear(2, 2)
    return {
        "path": pathlib.PurePosixPath("data/faces"),
        "real path": pathlib.Path("runs/3"),
        "counter": collections.Counter({"a": 3, (256, 256): 1}),
        "time": datetime.datetime(2026, 11, 30, 1, 2, 3, tzinfo=datetime.UTC),
        "duration": datetime.timedelta(hours=3),
        "dtype": torch.float32,
        "dtypes": [torch.bfloat16, np.dtype("f4"), np.float32],
        "set": {"a", "b", 3, 2.5, None, (1, 2)},
        "frozen set": frozenset({"a"}),
        "texts": np.array(["a", "bcd"]),
        "text": np.array(["abc"])[0],
        "many texts": np.array(["x" * 50] * 20),
        "objects": np.array([None, "a", 3], dtype=object),
        "table": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "dates": np.array(["2026-11-30"], dtype="datetime64[D]"),
        "settings": EasyDict(lr=0.1, betas=(0, 0.99), path=pathlib.PurePosixPath("x")),
        "namespace": argparse.Namespace(size=64, data=pathlib.PurePosixPath("x")),
        "simple": types.SimpleNamespace(a=1),
        "default": collections.defaultdict(list, {"a": [1]}),
        "ordered": collections.OrderedDict([("a", pathlib.PurePosixPath("x"))]),
        "queue": collections.deque([1, 2], maxlen=5),
        "list": History([1, "a"]),
        "color": Color.RED,
        "partial": functools.partial(nn.LeakyReLU, negative_slope=0.2),
        "function": nn.functional.relu,
        "class": nn.Conv2d,
        "number": decimal.Decimal("0.1"),
        "complex": 1 + 2j,
        "range": range(3),
        "slice": slice(1, 2),
        "ellipsis": ...,
        "id": uuid.UUID(int=3),
        "bytes": bytes(500),
        "random state": np.random.RandomState(0),
        "parameter": parameter,
        "complex tensor": torch.zeros(2, dtype=torch.complex64),
        "sparse": torch.eye(3).to_sparse(),
        "size": torch.Size([1, 2]),
        "generator state": torch.Generator().get_state(),
        "keys": {(1, 2): "a", None: "b", 2.5: "c", True: "d", b"e": "f", "x" * 600: "g"},
        "optimizer": torch.optim.Adam(network.parameters()),
        "schedule": torch.optim.lr_scheduler.StepLR(torch.optim.SGD(network.parameters(), 0.1), 3),
        "judge": Judge(),
    }
