"""A run's metrics for TensorBoard, where that is installed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = Callable[[int, Mapping[str, float | int]], None]
FOLDER = "tensorboard"
NOT_METRICS = ("images", "seconds", "step")


@contextmanager
def board(folder: Path) -> Iterator[Record]:
    """Yield a function that writes metrics after so many images to the subfolder ``tensorboard``.

    The first call opens the log and replaces what an earlier run wrote from that number of images on. Does nothing
    where TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda images, metrics: None
        return
    writer: Any = None

    def record(images: int, metrics: Mapping[str, float | int]) -> None:
        nonlocal writer
        writer = writer or SummaryWriter(str(folder / FOLDER), purge_step=images)
        for name, value in metrics.items():
            if name not in NOT_METRICS:
                writer.add_scalar(name, value, images)

    try:
        yield record
    finally:
        if writer is not None:
            writer.close()
