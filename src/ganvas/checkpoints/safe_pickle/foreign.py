"""Objects of classes that Ganvas does not know, as inert records: a name, arguments, a state. Nothing is imported.

Checkpoints hold more than weights: paths, counters, settings, whole modules. What the file says of such an object is
kept as data; the class behind the name is never looked up, and no call that the file asks for is ever made. So no list
of names decides whether code runs: none does. The list here is only for words: a file that asks for ``os.system`` is
refused, because it was made to do harm to other programs and its owner should know.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_NAME = 512  # characters
DEEPEST_NAME = 30  # parts between dots
MODULES_OF_PROGRAMS = """
_codecs _ctypes _pickle _posixsubprocess _thread _winapi asyncio bdb builtins __builtin__ cPickle cProfile codecs codeop
ctypes distutils doctest ensurepip ftplib http imp importlib linecache marshal multiprocessing nt ntpath os pdb pickle
pip pkgutil popen2 posix posixpath pty pydoc runpy setuptools shelve shutil smtplib socket socketserver sqlite3 ssl
subprocess sys tarfile telnetlib tempfile timeit types urllib venv webbrowser xmlrpc zipfile zipimport
_io.FileIO _io.open _io.open_code code.InteractiveInterpreter code.interact commands.getoutput commands.getstatusoutput
functools.reduce io.FileIO io.open operator.methodcaller platform.popen profile.run trace.Trace
dnnlib.util.call_func_by_name dnnlib.util.open_url torch_utils.custom_ops torch_utils.persistence
numpy.core.multiarray numpy.core._multiarray_umath numpy.core.numeric numpy.ctypeslib numpy.f2py numpy.fromfile
numpy._core.multiarray numpy._core._multiarray_umath numpy._core.numeric numpy.lib numpy.load numpy.loadtxt numpy.memmap
numpy.save numpy.savetxt numpy.testing
torch.hub torch.jit torch.load torch.ops torch.package torch.save torch.serialization torch.storage
torch.utils.cpp_extension torch.utils.model_zoo
"""
DATA_AMONG_THEM = """
Ellipsis NoneType NotImplemented bool bytearray bytes complex dict float frozenset getattr int list long object range
set slice str tuple type unicode xrange
"""
PROGRAMS = frozenset(MODULES_OF_PROGRAMS.split())
DATA = frozenset(
    [f"{module}.{name}" for module in ("builtins", "__builtin__") for name in DATA_AMONG_THEM.split()]
    + [f"types.{name}" for name in ("MappingProxyType", "NoneType", "SimpleNamespace")]
    + ["torch.serialization._get_layout", "torch.storage.TypedStorage", "torch.storage.UntypedStorage"]
)


@dataclass(frozen=True, eq=False, slots=True)
class ForeignName:
    """The name of a class or function that Ganvas does not know."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False, slots=True)
class ForeignRecord:
    """What a pickle says about an object of a class that Ganvas does not know.

    `arguments` are those of the call that would make it, `state` what would be set on it (as a rule its ``__dict__``);
    `entries` are its items where it is a kind of dictionary, `items` where it is a kind of list; None where the file
    gives none.
    """

    kind: object
    arguments: tuple
    state: object = None
    entries: dict | None = None
    items: list | None = None

    @property
    def class_name(self) -> str:
        """The name of its class, without the module."""
        kind = self.kind
        while isinstance(kind, ForeignRecord):
            kind = kind.kind
        return kind.name if isinstance(kind, ForeignName) else type(kind).__name__

    def __repr__(self) -> str:
        return f"<record of a {self.class_name[:60]}>"

    @property
    def named(self) -> dict:
        """What it holds by name: its entries, and its state where that is a dictionary."""
        own = [part for part in (self.state, self.entries) if isinstance(part, dict)]
        # Objects whose attributes are their items (EasyDict) have everything twice; the entries count.
        return own[0] if len(own) == 1 else {name: value for part in own for name, value in part.items()}

    def parts(self) -> tuple[object, ...]:
        """Return what the file says of it."""
        return self.kind, self.arguments, self.state, self.entries, self.items


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class OddKey:
    """A key of a dictionary, or a member of a set, that is neither a short text nor a small whole number.

    It is hashed as the object that it is: comparing and hashing what a file chose can take exponential time.
    """

    value: object

    def __repr__(self) -> str:
        return f"<a {type(self.value).__name__} as a key>"


def is_foreign(module: str, name: str, known: Mapping[tuple[str, str], object]) -> bool:
    """Return whether a name outside of the `known` ones may stand for an inert object; False for names that only a
    program has a use for, and for known ones by another way.
    """
    parts = f"{module}.{name}".split(".")
    if len(parts) > DEEPEST_NAME or any(part.startswith("__") and part.endswith("__") for part in parts[1:]):
        return False
    whole = ".".join(parts)
    if whole in DATA:
        return True
    prefixes = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return not prefixes & PROGRAMS and not any(".".join(pair) in prefixes for pair in known)
