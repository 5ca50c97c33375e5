"""The numbers of a run for TensorBoard, where that is installed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Record = Callable[[int, Mapping[str, float | int]], None]
FOLDER = "tensorboard"


@contextmanager
def board(folder: Path, images: int = 0, wanted: bool = True) -> Iterator[Record]:
    """Give a function to call with the images seen and the numbers then, which go to ``tensorboard`` in `folder`.

    A run that goes on after so many `images` replaces what came later. Does nothing unless `wanted`, or where
    TensorBoard is not installed.
    """
    try:
        if not wanted:
            raise ImportError
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        yield lambda images, numbers: None
        return
    writer = SummaryWriter(str(folder / FOLDER), purge_step=images + 1 if images else None)

    def record(images: int, numbers: Mapping[str, float | int]) -> None:
        for name, value in numbers.items():
            if name not in ("images", "seconds"):
                writer.add_scalar(name, value, images)

    try:
        yield record
    finally:
        writer.close()
