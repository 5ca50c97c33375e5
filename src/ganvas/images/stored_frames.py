"""Frames of 8-bit values kept on disk, so that a video of any length takes the memory of a few of them."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from ganvas.errors import ImageError

Frame = UInt8[np.ndarray, "h w 3"]


@runtime_checkable
class Frames(Protocol):
    """Frames of one size, each read when it is asked for."""

    def __len__(self) -> int:
        """Return the number of frames."""
        ...

    def __getitem__(self, index: int, /) -> Frame:
        """Return one frame."""
        ...


class StoredFrames:
    """Frames in a temporary file, raw; the file has no name and is gone when it is closed or the process ends.

    It lies in `folder`, beside the results: the system's own folder for temporary files may be memory.

    Raises:
        ImageError: The disk is full, or frames are not all of one size.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._shape: tuple[int, ...] = ()
        self._count = 0
        try:
            self._file = tempfile.TemporaryFile(dir=folder, prefix=".ganvas-")  # noqa: SIM115 (closed on leaving)
        except OSError as reason:
            raise ImageError(f"No video can be kept in '{folder}': {reason.strerror}.") from reason

    def __enter__(self) -> "StoredFrames":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def append(self, frames: UInt8[Tensor, "n h w 3"]) -> None:
        """Add frames at the end."""
        shape = tuple(frames.shape[1:])
        if self._shape not in ((), shape):
            raise ImageError(f"Frames of {self._shape[:2]} and {shape[:2]} pixels make no video; give them one size.")
        self._shape = shape
        try:
            self._file.seek(0, 2)
            self._file.write(frames.cpu().contiguous().numpy().data)
            self._file.flush()
        except OSError as reason:
            size = (self._count + len(frames)) * int(np.prod(shape)) / 2**20
            raise ImageError(
                f"A video needs {size:,.0f} MiB of disk for its first {self._count + len(frames)} frames: "
                f"{reason.strerror}. Make room, or give fewer frames or a smaller --size."
            ) from reason
        self._count += len(frames)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Frame:
        if not 0 <= index < self._count:
            raise IndexError(index)
        size = int(np.prod(self._shape))
        self._file.seek(index * size)
        return np.frombuffer(self._file.read(size), np.uint8).reshape(self._shape)

    def played(self, order: Sequence[int]) -> "PlayedFrames":
        """Return the frames in another order, some of them perhaps several times."""
        return PlayedFrames(self, tuple(order))

    def there_and_back(self) -> "PlayedFrames":
        """Return the frames from the first to the last and back, for an animation that loops."""
        return self.played([*range(len(self)), *range(len(self) - 2, 0, -1)])


@dataclass(frozen=True)
class PlayedFrames:
    """Stored frames in an order."""

    frames: StoredFrames
    order: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> Frame:
        return self.frames[self.order[index]]
