"""A small machine that turns the operations of a pickle into plain data and runs nothing.

It knows the file format of ``pickle`` (protocols 2 to 5), a list of names that it answers, and a budget; it knows
nothing of torch, numpy or generators, which come in through a `AllowList`. Other names become inert records
(`ganvas.checkpoints.safe_pickle.foreign`): what the file says of an object, never the object.

Python's own unpicklers are not used: the one in C allocates whatever size a nine-byte file asks for, and both hash,
compare and set attributes on objects that the file chose. Here time and memory stay in proportion to the size of the
file, whatever it holds:

* every length is compared with the bytes that are left before anything is allocated;
* long runs of bytes stay in the file, as a `ByteWindow`, until a tensor is made of them;
* whatever copies bytes pays for it from an `Budget`, so that naming one run of bytes a thousand times is refused;
* the operations are counted, since one byte can ask for 216 (an empty set);
* keys are short strings or small numbers, since hashing a nested tuple can take exponential time; others count by what
  object they are (`OddKey`).
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Never

from ganvas.checkpoints.safe_pickle.byte_windows import Budget, ByteWindow
from ganvas.checkpoints.safe_pickle.foreign import LONGEST_NAME, ForeignName, ForeignRecord, OddKey, is_foreign
from ganvas.errors import CheckpointError, UnsafeFileError

LONG_BYTES = 64  # longer runs of bytes stay in the file
LONGEST_KEY = 512  # characters
LARGEST_KEY = 1 << 48  # optimizers of old torch count by addresses in memory; hashes of such numbers still spread
NEWEST_PROTOCOL = 5
OPERATION_NAMES = {operation.code: operation.name for operation in pickletools.opcodes}


Handler = Callable[[tuple, Budget], object]


@dataclass(frozen=True, eq=False)
class Global:
    """A known name. What it stands for in Python is never looked up.

    `reduce` answers a call of the name and `create` a ``__new__`` of it, both from the tuple of arguments in the file;
    None refuses. `meaning` is for the handlers of other names that get this one as an argument.
    """

    reduce: Handler | None = None
    create: Handler | None = None
    meaning: object = None


@dataclass(frozen=True)
class AllowList:
    """The names, builders and persistent ids that a file may use.

    `names`: (module, name) -> what answers. `methods`: name -> what answers in whatever module a project keeps it.
    `foreign`: whether other names become inert records; False refuses them. `builders`: type of an object that we made
    -> what sets its state. `persistent`: answers persistent ids; None refuses them.
    """

    names: Mapping[tuple[str, str], Global]
    methods: Mapping[str, Global] = field(default_factory=dict)
    foreign: bool = False
    builders: Mapping[type, Callable[[object, object, Budget], None]] = field(default_factory=dict)
    persistent: Callable[[object], object] | None = None


def shown(text: str, longest: int = 100) -> str:
    """Return `text` from a file, shortened and without control characters, for a message."""
    short = text if len(text) <= longest else text[:longest] + "..."
    return short if short.isprintable() else ascii(short)


class Machine:
    """Reads one pickle from a window: `Machine(window, allow_list, budget).run()`."""

    def __init__(self, window: ByteWindow, allow_list: AllowList, budget: Budget) -> None:
        self.window = window
        self.allow_list = allow_list
        self.budget = budget
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.found: dict[tuple[str, str], Global | ForeignName] = {}

    def run(self) -> object:
        """Return the object that the pickle describes; the window then stands behind it.

        Every failure is a `CheckpointError`, and what asks for more than data an `UnsafeFileError`; the message starts
        with the byte.
        """
        start = self.window.position
        try:
            while (code := self.window.take(1)) != b".":
                self.budget.step()
                self.step(code)
                start = self.window.position
            return self.stack.pop()
        except CheckpointError as error:
            raise type(error)(f"byte {start}: {error}") from None
        except Exception as error:  # whatever damage does: an empty stack, text that is no UTF-8, a missing memo ...
            raise CheckpointError(
                f"byte {start}: makes no sense there ({type(error).__name__}). The file is damaged."
            ) from error

    def step(self, code: bytes) -> None:
        """Do one operation."""
        if code in VALUES:
            self.stack.append(VALUES[code](self))
        elif code in EFFECTS:
            EFFECTS[code](self)
        elif code == b"Q" and self.allow_list.persistent is not None:
            self.stack.append(self.allow_list.persistent(self.stack.pop()))
        else:
            refuse_operation(code)

    def unsigned(self, count: int) -> int:
        """Read a whole number of `count` bytes."""
        return int.from_bytes(self.window.take(count), "little")

    def signed(self, count: int) -> int:
        """Read a whole number of `count` bytes, with sign; `count` is at most 255."""
        return int.from_bytes(self.window.take(count), "little", signed=True)

    def text(self, count: int) -> str:
        """Read `count` bytes of UTF-8."""
        return self.window.take(count).decode("utf-8")

    def raw(self, count: int) -> bytes | ByteWindow:
        """Read `count` bytes, or leave them in the file if they are many."""
        return self.window.take(count) if count <= LONG_BYTES else self.window.take_window(count)

    def pop_tuple(self, count: int) -> tuple:
        """Take the uppermost `count` objects off the stack."""
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        if len(items) != count:
            raise CheckpointError("an empty stack. The file is damaged.")
        return items

    def pop_to_mark(self) -> list[object]:
        """Take everything above the last mark off the stack."""
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def memoize(self, index: int) -> None:
        """Remember the top of the stack under a number that the file chose."""
        self.memo[index] = self.stack[-1]

    def top(self, kind: type) -> object:
        """Return the top of the stack, which has to be exactly of type `kind`."""
        if type(self.stack[-1]) is not kind:
            raise UnsafeFileError(f"fills a {type(self.stack[-1]).__name__} as if it were a {kind.__name__}.")
        return self.stack[-1]

    def find(self, module: object, name: object) -> Global | ForeignName:
        """Return what a known name stands for, an inert name for an unknown one; refuse those of programs."""
        if type(module) is not str or type(name) is not str:
            raise UnsafeFileError("asks for a name that is not text.")
        if (module, name) not in self.found:
            self.found[module, name] = self._look_up(module, name)
        return self.found[module, name]

    def _look_up(self, module: str, name: str) -> Global | ForeignName:
        known = self.allow_list.names.get((module, name))
        if known is not None:
            return known
        if self.allow_list.foreign and len(module) + len(name) <= LONGEST_NAME:
            if name in self.allow_list.methods:
                return self.allow_list.methods[name]
            if is_foreign(module, name, self.allow_list.names):
                return ForeignName(module, name)
        found = shown(f"{module[:LONGEST_NAME]}.{name[:LONGEST_NAME]}")
        raise UnsafeFileError(f"asks for {found}. Only tensors and plain data are read; nothing of the file was run.")

    def call(self, way: str) -> object:
        """Answer a call (`way` "reduce") or a ``__new__`` ("create") of a known name; record that of another."""
        target, arguments = self.pop_tuple(2)
        if isinstance(target, ForeignName | ForeignRecord) and type(arguments) is tuple:
            return ForeignRecord(target, arguments)
        handler = getattr(target, way) if isinstance(target, Global) else None
        if handler is None or type(arguments) is not tuple:
            raise UnsafeFileError(f"calls a {type(target).__name__} that must not be called so.")
        return handler(arguments, self.budget)

    def build(self) -> None:
        """Set the state of an object that one of our handlers made, or record it."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, ForeignRecord):
            target.state = state
            return
        builder = next((build for kind, build in self.allow_list.builders.items() if isinstance(target, kind)), None)
        if builder is None:
            raise UnsafeFileError(f"sets attributes of a {type(target).__name__}.")
        builder(target, state, self.budget)

    def set_items(self, items: list[object] | tuple) -> None:
        """Put keys and values, in turn, into the dict (or the record of a kind of dict) on top of the stack."""
        record = self.stack[-1]
        if isinstance(record, ForeignRecord):
            target = record.entries = {} if record.entries is None else record.entries
        else:
            target = self.top(dict)
        assert isinstance(target, dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            plain = plain_key(key)
            if plain in target:
                raise UnsafeFileError(f"gives the key {shown(str(plain))} twice.")
            target[plain] = value

    def extend(self, items: list[object] | tuple) -> None:
        """Put objects at the end of the list (or the record of a kind of list) on top of the stack."""
        record = self.stack[-1]
        if isinstance(record, ForeignRecord):
            target = record.items = [] if record.items is None else record.items
        else:
            target = self.top(list)
        assert isinstance(target, list)
        target.extend(items)

    def add_items(self, items: list[object]) -> None:
        """Put keys into the set on top of the stack."""
        target = self.top(set)
        assert isinstance(target, set)
        target.update(map(plain_key, items))

    def start_protocol(self) -> None:
        """Check the number of the protocol."""
        number = self.unsigned(1)
        if number > NEWEST_PROTOCOL:
            raise CheckpointError(
                f"pickle protocol {number}, but only 2 to {NEWEST_PROTOCOL} exist. The file is damaged."
            )

    def start_frame(self) -> None:
        """Step over the head of a frame, whose bytes must all be there: shows at once that a download was cut."""
        self.window.require(self.unsigned(8))


def plain_key(key: object) -> object:
    """Return a short text or a small whole number as it is; in place of other keys, whose hashing or comparing could
    take long, an `OddKey`.
    """
    if type(key) is str and len(key) <= LONGEST_KEY:
        return key
    return key if type(key) is int and abs(key) <= LARGEST_KEY else OddKey(key)


def refuse_operation(code: bytes) -> Never:
    """Raise for an operation that is not allowed, with its name."""
    name = OPERATION_NAMES.get(code.decode("latin-1"))
    if name is None:
        raise CheckpointError(f"0x{code.hex()} is no operation of a pickle. The file is damaged or not a pickle.")
    raise UnsafeFileError(f"asks for the pickle operation {name}, which no generator file needs; it was not run.")


VALUES: dict[bytes, Callable[[Machine], object]] = {
    b"N": lambda machine: None,
    b"\x88": lambda machine: True,
    b"\x89": lambda machine: False,
    b"K": lambda machine: machine.unsigned(1),
    b"M": lambda machine: machine.unsigned(2),
    b"J": lambda machine: machine.signed(4),
    b"\x8a": lambda machine: machine.signed(machine.unsigned(1)),
    b"G": lambda machine: struct.unpack(">d", machine.window.take(8))[0],
    b"X": lambda machine: machine.text(machine.unsigned(4)),
    b"\x8c": lambda machine: machine.text(machine.unsigned(1)),
    b"\x8d": lambda machine: machine.text(machine.unsigned(8)),
    b"B": lambda machine: machine.raw(machine.unsigned(4)),
    b"C": lambda machine: machine.raw(machine.unsigned(1)),
    b"\x8e": lambda machine: machine.raw(machine.unsigned(8)),
    b"\x96": lambda machine: machine.raw(machine.unsigned(8)),  # a bytearray; plain bytes serve as well
    b")": lambda machine: (),
    b"]": lambda machine: [],
    b"}": lambda machine: {},
    b"\x8f": lambda machine: set(),
    b"\x91": lambda machine: set(map(plain_key, machine.pop_to_mark())),  # a frozenset; a set serves as well
    b"t": lambda machine: tuple(machine.pop_to_mark()),
    b"\x85": lambda machine: machine.pop_tuple(1),
    b"\x86": lambda machine: machine.pop_tuple(2),
    b"\x87": lambda machine: machine.pop_tuple(3),
    b"h": lambda machine: machine.memo[machine.unsigned(1)],
    b"j": lambda machine: machine.memo[machine.unsigned(4)],
    b"c": lambda machine: machine.find(machine.window.take_line(), machine.window.take_line()),
    b"\x93": lambda machine: machine.find(*machine.pop_tuple(2)),
    b"R": lambda machine: machine.call("reduce"),
    b"\x81": lambda machine: machine.call("create"),
}
EFFECTS: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": Machine.start_protocol,
    b"\x95": Machine.start_frame,
    b"(": lambda machine: machine.marks.append(len(machine.stack)),
    b"q": lambda machine: machine.memoize(machine.unsigned(1)),
    b"r": lambda machine: machine.memoize(machine.unsigned(4)),
    b"\x94": lambda machine: machine.memoize(len(machine.memo)),
    b"a": lambda machine: machine.extend(machine.pop_tuple(1)),
    b"e": lambda machine: machine.extend(machine.pop_to_mark()),
    b"s": lambda machine: machine.set_items(machine.pop_tuple(2)),
    b"u": lambda machine: machine.set_items(machine.pop_to_mark()),
    b"\x90": lambda machine: machine.add_items(machine.pop_to_mark()),
    b"b": Machine.build,
}
