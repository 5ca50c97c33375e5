"""Reading a foreign file in stretches, within a budget of memory and operations."""

from io import BufferedIOBase

from ganvas.errors import CheckpointError, UnsafeFileError

LONGEST_NAME = 256  # bytes of a line
SPARE_BYTES = 1 << 20
MOST_OPERATIONS = 1_000_000  # NVIDIA's files take about 24,000, and a little more for each tensor of a larger network


class ByteWindow:
    """A stretch of a seekable stream, read from front to back and never past its end.

    `position` and `end` count bytes from the start of the stream; `whole` names the stretch in messages.
    """

    def __init__(self, stream: BufferedIOBase, start: int, end: int, whole: str) -> None:
        self.stream = stream
        self.position = start
        self.end = end
        self.whole = whole

    @property
    def left(self) -> int:
        """Bytes that are still to be read."""
        return self.end - self.position

    def again(self) -> "ByteWindow":
        """Return the unread rest as a window of its own, so that reading that leaves this one alone."""
        return ByteWindow(self.stream, self.position, self.end, self.whole)

    def take(self, count: int) -> bytes:
        """Read the next `count` bytes; `CheckpointError` where so many are not left."""
        self.require(count)
        self.stream.seek(self.position)
        data = self.stream.read(count)
        self.position += count
        if len(data) != count:
            raise CheckpointError(f"the file grew shorter while it was read, at {self.position}. Read it again.")
        return data

    def take_line(self) -> str:
        """Read up to the next line feed, at most `LONGEST_NAME` bytes; the line feed is dropped."""
        self.stream.seek(self.position)
        line = self.stream.readline(min(LONGEST_NAME, self.left))
        self.position += len(line)
        if not line.endswith(b"\n"):
            raise CheckpointError("a name without an end. The file is damaged.")
        return line[:-1].decode("utf-8")

    def take_window(self, count: int) -> "ByteWindow":
        """Step over the next `count` bytes and return them unread."""
        self.require(count)
        self.position += count
        return ByteWindow(self.stream, self.position - count, self.position, f"the {count} bytes stored there")

    def fill(self, buffer: memoryview) -> None:
        """Read the next ``len(buffer)`` bytes into `buffer` (format "B")."""
        self.require(len(buffer))
        self.stream.seek(self.position)
        while len(buffer):
            count = self.stream.readinto(buffer)
            if not count:
                raise CheckpointError(f"the file grew shorter while it was read, at {self.position}. Read it again.")
            self.position += count
            buffer = buffer[count:]

    def require(self, count: int) -> None:
        """Raise `CheckpointError` where fewer than `count` bytes are left."""
        if count > self.left:
            raise CheckpointError(f"asks for {count} more bytes, but only {self.left} are left of {self.whole}.")


def whole_file(size: int) -> str:
    """Return the name of a whole file in messages."""
    return f"the file's {size}: the download was probably cut short. Fetch it again"


class Budget:
    """How many bytes may still be copied, and how many pickle operations done, in reading one file."""

    def __init__(self, bytes_left: int, operations_left: int) -> None:
        self.bytes_left = bytes_left
        self.operations_left = operations_left

    def spend(self, count: int) -> None:
        """Take `count` bytes off; `UnsafeFileError` where the file wants to become many times its size."""
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise UnsafeFileError("uses the same bytes so often that they would fill many times the file's size.")

    def step(self) -> None:
        """Take one operation off; `UnsafeFileError` where none is left."""
        self.operations_left -= 1
        if self.operations_left < 0:
            raise UnsafeFileError("has far more operations than a generator needs.")
