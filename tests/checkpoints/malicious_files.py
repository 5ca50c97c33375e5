"""Files made by hand to do harm, one or more for every container, with what their refusal must say."""

import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from tests.checkpoints.pickle_parts import (
    HEAD,
    call,
    dict_of,
    name,
    number,
    raw,
    record,
    storage,
    storage_bytes,
    tensor,
    text,
    tuple_of,
)
from tests.fuzz.mutations import rezip
from tests.generators.small import small_stylegan2

FLAG = "ganvas-was-here"
SYSTEM = name("posix", "system") + tuple_of(text(f"touch {FLAG}")) + b"R"
ONE = tuple_of(b"K\x01")
FOUR = tuple_of(b"K\x04")
F4 = call("numpy", "dtype", text("f4"))
ELEMENTS = bytes(16)


def storage_id(key: str = "0", count: int = 4, kind: str = "FloatStorage", word: str = "storage") -> bytes:
    """Return a persistent id as torch writes for a storage."""
    return tuple_of(text(word), f"ctorch\n{kind}\n".encode(), text(key), text("cpu"), number(count)) + b"Q"


def archive(pickled: bytes, *more: tuple[str, bytes], storages: tuple[bytes, ...] = (ELEMENTS,)) -> bytes:
    """Return a zip archive as torch.save writes it around a pickle."""
    data = [(f"archive/data/{key}", elements) for key, elements in enumerate(storages)]
    return rezip([("archive/data.pkl", HEAD + pickled + b"."), *more, ("archive/version", b"3\n"), *data])


def entry(file: str, mode: int = 0, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive with one entry of this name and these attributes."""
    info, buffer = zipfile.ZipInfo(file), BytesIO()
    info.external_attr, info.compress_type = mode << 16, method
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, HEAD + b"}." if method == zipfile.ZIP_STORED else bytes(50_000_000))
    return buffer.getvalue()


def twins() -> bytes:
    """Return an archive with two pickles of one name, of which programs see one or the other."""
    return rezip([("archive/data.pkl", HEAD + b"}."), ("archive/data.pkl", HEAD + SYSTEM + b".")])


def many_entries() -> bytes:
    """Return an archive whose directory claims 2^40 entries."""
    place = len(b"PK\x03\x04")
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**40, 2**40, 0, 0)
    where = struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1)
    return b"PK\x03\x04" + end + where + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 0, 0, 0)


def overlapping() -> bytes:
    """Return an archive with 300 entries that all lie on the same megabyte (Fifield 2019), each a tensor's storage."""
    count = 300
    tensors = [
        tensor(storage_id(str(key), 250_000), tuple_of(number(250_000)), ONE, offset=b"K\x00") for key in range(count)
    ]
    listed = b"](" + b"".join(tensors) + b"e"
    whole = bytearray(archive(listed, storages=(bytes(1_000_000), *[b""] * (count - 1))))
    at = whole.find(b"PK\x01\x02")
    first: tuple[bytes, bytes] | None = None
    while at >= 0:
        length = struct.unpack_from("<H", whole, at + 28)[0]
        if whole[at + 46 : at + 46 + length].startswith(b"archive/data/"):
            first = first or (bytes(whole[at + 20 : at + 28]), bytes(whole[at + 42 : at + 46]))
            whole[at + 20 : at + 28], whole[at + 42 : at + 46] = first
        at = whole.find(b"PK\x01\x02", at + 1)
    return bytes(whole)


def torch_script() -> bytes:
    return archive(b"}", ("archive/constants.pkl", HEAD + b")."), ("archive/code/__torch__.py", b"raise SystemExit"))


def old_torch(pickled: bytes, keys: bytes = b"]") -> bytes:
    """Return a file of torch.save in its old format: five pickles, then the storages."""
    head = [number(0x1950A86A20F9469CFC6C), number(1001), dict_of(text("little_endian"), b"\x88")]
    return b"".join(b"\x80\x02" + part + b"." for part in (*head, pickled, keys))


def tarred() -> bytes:
    """Return a tar archive, torch's first format, with a link that leads out of it."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("storages")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def safetensors(header: object, data: bytes = bytes(16), length: int | None = None) -> bytes:
    written = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return (len(written) if length is None else length).to_bytes(8, "little") + written + data


def ours(**tensors: dict) -> dict:
    """Return a header of safetensors with ours in it."""
    about = {"kind": "generator", "version": 1, "family": "stylegan2", "name": "x", "architecture": {}}
    return {"__metadata__": {"ganvas": json.dumps(about)}, **tensors}


def described(**change: object) -> Callable[[Path], bytes]:
    """Return what makes a sound file of ours with another architecture in its header."""

    def make(folder: Path) -> bytes:
        path = save_generator(folder / "sound.safetensors", small_stylegan2(8), About("small", ""))
        content = path.read_bytes()
        path.unlink()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        about = json.loads(header["__metadata__"]["ganvas"])
        about["architecture"] |= change
        header["__metadata__"]["ganvas"] = json.dumps(about)
        return safetensors(header, content[8 + length :])

    return make


def span(start: int, end: int, *shape: int) -> dict:
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}


def pickled_twice() -> bytes:
    """Return a storage whose head holds a storage whose head wants a system call."""
    inner = call("torch.storage", "_load_from_bytes", raw(storage_bytes(ELEMENTS, 4, head=SYSTEM)))
    return HEAD + dict_of(text("G_ema"), storage(ELEMENTS, 4, head=inner)) + b"."


class Runs:
    """What an unpickler that obeys would run."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {FLAG}",)


@dataclass(frozen=True)
class Malice:
    """A file, what its refusal must say, and whether it is refused for wanting more than data."""

    suffix: str
    content: bytes | Callable[[Path], bytes]
    message: str
    unsafe: bool = True


def object_array() -> bytes:
    array = call("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), tuple_of(b"K\x00"), raw(b"b"))
    return array + tuple_of(b"K\x01", ONE, call("numpy", "dtype", text("O8")), b"\x89", b"](" + SYSTEM + b"e") + b"b"


FILES = {
    # torch.save, zip
    "zip: system call": Malice(".pt", archive(SYSTEM), r"byte \d+: asks for posix\.system\. Only tensors"),
    "zip: eval of text": Malice(
        ".pt", archive(b"cbuiltins\neval\n" + tuple_of(text("1")) + b"R"), r"asks for builtins\.eval"
    ),
    "zip: torch.load": Malice(".pt", archive(call("torch", "load", text("/etc/passwd"))), r"asks for torch\.load"),
    "zip: method of a tensor": Malice(
        ".pt", archive(name("torch._tensor", "Tensor.__setstate__")), r"asks for torch\._tensor"
    ),
    "zip: module class": Malice(
        ".pt", archive(name("torch.nn.modules.linear", "Linear") + b")\x81"), "Found: a Linear", unsafe=False
    ),
    "zip: nested pickle": Malice(
        ".pt", archive(storage(ELEMENTS, 4, head=SYSTEM)), r"asks for torch\.storage\._load_from_bytes"
    ),
    "zip: pickled by Python": Malice(".pt", rezip([("a/data.pkl", pickle.dumps(Runs(), 2))]), r"asks for \w+\.system"),
    "zip: TorchScript": Malice(".pt", torch_script(), "a TorchScript archive, a program"),
    "zip: way out": Malice(
        ".pt", entry("../../../etc/cron.d/data.pkl"), r"\.\./etc/cron\.d/data\.pkl leads out of the archive"
    ),
    "zip: absolute name": Malice(".pt", entry("/etc/cron.d/data.pkl"), "leads out of the archive"),
    "zip: link": Malice(".pt", entry("archive/data.pkl", 0o120777), "is a link"),
    "zip: bomb": Malice(".pt", entry("archive/data.pkl", method=zipfile.ZIP_DEFLATED), "is compressed or encrypted"),
    "zip: overlapping bomb": Malice(".pt", overlapping(), "uses the same bytes so often"),
    "zip: twins": Malice(".pt", twins(), r"two entries archive/data\.pkl"),
    "zip: 2^40 entries": Malice(".pt", many_entries(), "zip archive of 1099511627776 entries"),
    "zip: no pickle": Malice(
        ".pt", rezip([("word/document.xml", b"<x/>")]), r"no data\.pkl as torch\.save writes it", unsafe=False
    ),
    "zip: storage elsewhere": Malice(
        ".pt",
        archive(tensor(storage_id("../../etc/passwd"), FOUR, ONE)),
        r"names the storage \.\./\.\./etc/passwd, which is not in the file",
        unsafe=False,
    ),
    "zip: persistent module": Malice(
        ".pt", archive(storage_id(word="module")), "storage in a form that torch does not write"
    ),
    "zip: persistent text": Malice(
        ".pt", archive(text("file:///etc/passwd") + b"Q"), "storage in a form that torch does not write"
    ),
    "zip: huge storage": Malice(
        ".pt",
        archive(tensor(storage_id(count=2**39), ONE, ONE)),
        "storage of 549755813888 elements, but 16 bytes",
        unsafe=False,
    ),
    "zip: negative stride": Malice(
        ".pt", archive(tensor(storage_id(), FOUR, tuple_of(b"J\xff\xff\xff\xff"), b"K\x03")), "whole numbers from 0"
    ),
    "zip: negative offset": Malice(
        ".pt", archive(tensor(storage_id(), ONE, ONE, b"J\xff\xff\xff\xff")), "from a storage of 4 elements"
    ),
    "zip: past the end": Malice(
        ".pt", archive(tensor(storage_id(), FOUR, tuple_of(b"K\x02"))), "from a storage of 4 elements"
    ),
    "zip: stride 0": Malice(
        ".pt",
        archive(tensor(storage_id(), tuple_of(number(2**39)), tuple_of(b"K\x00"))),
        "from a storage of 4 elements",
    ),
    "zip: list in itself": Malice(".pt", archive(b"]q\x00h\x00a"), "contains itself"),
    "zip: laughs": Malice(".pt", archive(b"]q\x00" + b"](h\x00h\x00eq\x00" * 90), "more than 2000000 parts"),
    "zip: deep": Malice(".pt", archive(b"]" * 100_000 + b"a" * 99_999), "more than 100 containers"),
    # torch.save, old
    "old: system call": Malice(".pth", old_torch(SYSTEM), r"byte \d+: asks for posix\.system"),
    "old: source of a class": Malice(
        ".pth",
        old_torch(tuple_of(text("module"), name("__main__", "Evil"), text("f.py"), text("raise SystemExit")) + b"Q"),
        r"Found: the name __main__\.Evil",
        unsafe=False,
    ),
    "old: tuples as keys": Malice(
        ".pth",
        old_torch(b"}", b")q\x00" + b"h\x00h\x00\x86q\x00" * 90 + b"\x85"),
        "list of storages that the tensors do not name",
        unsafe=False,
    ),
    "old: tar with a link": Malice(".tar", tarred(), "a tar archive, not a generator", unsafe=False),
    # pickles
    "pickle: nested twice": Malice(
        ".pkl", pickled_twice(), r"in a tensor's storage, byte \d+: asks for torch\.storage\._load_from_bytes"
    ),
    "pickle: nested once": Malice(
        ".pkl",
        HEAD + dict_of(text("G_ema"), storage(ELEMENTS, 4, head=SYSTEM)) + b".",
        r"in a tensor's storage, byte \d+: asks for posix\.system",
    ),
    "pickle: array of objects": Malice(".pkl", HEAD + object_array() + b".", r"asks for posix\.system"),
    "pickle: numpy's own pickle": Malice(
        ".pkl", HEAD + call("numpy", "load", text("x.npy")) + b".", r"asks for numpy\.load"
    ),
    "pickle: call of an unknown class": Malice(
        ".pkl",
        HEAD + call("evil.payload", "Runner", text(f"touch {FLAG}")) + dict_of(text("cmd"), text("id")) + b"b.",
        "Found: a Runner with cmd",
        unsafe=False,
    ),
    "pickle: program beside a record": Malice(
        ".pkl", HEAD + dict_of(text("a"), call("evil", "Safe"), text("b"), SYSTEM) + b".", r"asks for posix\.system"
    ),
    "pickle: program in a record": Malice(
        ".pkl", HEAD + call("functools", "partial", name("builtins", "exec")) + b".", r"asks for builtins\.exec"
    ),
    "pickle: program by another split": Malice(
        ".pkl", HEAD + call("torch", "hub.load", text("x")) + b".", r"asks for torch\.hub\.load"
    ),
    "pickle: class with source": Malice(
        ".pkl",
        HEAD + dict_of(text("G_ema"), record(b"}", "../../x\x1b[2J")) + b".",
        "is no generator|is no module",
        unsafe=False,
    ),
    "pickle: a memo of 2^32": Malice(".pkl", HEAD + b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.", "pickle operation POP"),
    # safetensors
    "safetensors: 10 GB header": Malice(
        ".safetensors", safetensors(b'{"a"', length=10_000_000_000), "header of 10000000000 bytes", unsafe=False
    ),
    "safetensors: overlapping": Malice(
        ".safetensors", safetensors(ours(a=span(0, 16, 4), b=span(8, 16, 2))), "offset", unsafe=False
    ),
    "safetensors: past the end": Malice(
        ".safetensors", safetensors(ours(a=span(0, 1 << 40, 1 << 38))), "readable safetensors", unsafe=False
    ),
    "safetensors: shape of 2^124": Malice(
        ".safetensors", safetensors(ours(a=span(0, 16, 1 << 62, 1 << 62))), "readable safetensors", unsafe=False
    ),
    "safetensors: deep header": Malice(
        ".safetensors",
        safetensors({"__metadata__": {"ganvas": "[" * 100_000}, "a": span(0, 16, 4)}),
        "without a Ganvas header|is no generator",
        unsafe=False,
    ),
    "safetensors: 2^30 pixels": Malice(
        ".safetensors",
        described(resolution=2**30),
        "Sizes of a StyleGAN2 are whole numbers from 1 to 65536",
        unsafe=False,
    ),
    "safetensors: 10^9 classes": Malice(".safetensors", described(label_dim=10**9), "classes", unsafe=False),
    "safetensors: widths of text": Malice(
        ".safetensors", described(channels=["__import__('os')"] * 2), "whole numbers|damaged header", unsafe=False
    ),
}


def write_malice(folder: Path, malice: Malice) -> Path:
    """Write one of the files; returns its path."""
    content = malice.content if isinstance(malice.content, bytes) else malice.content(folder)
    path = folder / f"network{malice.suffix}"
    path.write_bytes(content)
    return path
