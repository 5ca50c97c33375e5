"""Ways to spoil a checkpoint file: the same bytes, structure or sizes with one or a few things wrong.

Every mutation is a pure function of the file's bytes and of a `random.Random`. Those of a container (a zip archive, the
header of safetensors) know its structure, so that the damage gets past the first check.
"""

import io
import json
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable
from functools import lru_cache

Mutation = Callable[[bytes, random.Random], bytes]

OPERATIONS = [operation.code.encode("latin-1") for operation in pickletools.opcodes]
NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1")
MEMO = ("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET")
LENGTHS = {"BINUNICODE": 4, "BINBYTES": 4, "SHORT_BINUNICODE": 1, "SHORT_BINBYTES": 1, "BINBYTES8": 8, "FRAME": 8}
HUGE = (2**31 - 1, 2**32, 2**40, 2**62, 2**63 - 1, 2**100, -1, -(2**31), -(2**63), 0)
FLOOD = 200_000_000  # bytes of zeros, which a zip archive holds in 200 kB


def flip_bits(content: bytes, choose: random.Random) -> bytes:
    """Turn over one to twenty bits, half of the time near the start or the end, where structure lies."""
    changed = bytearray(content)
    low, high = choose.choice(
        [(0, len(changed)), (0, min(4000, len(changed))), (max(0, len(changed) - 4000), len(changed))]
    )
    for _ in range(choose.choice([1, 1, 2, 5, 20])):
        changed[choose.randrange(low, high)] ^= 1 << choose.randrange(8)
    return bytes(changed)


def truncate(content: bytes, choose: random.Random) -> bytes:
    """Cut the end off."""
    return content[: choose.randrange(len(content))]


def cut_out(content: bytes, choose: random.Random) -> bytes:
    """Drop a run of bytes inside."""
    start, length = choose.randrange(len(content)), choose.choice([1, 2, 8, 100, 5000])
    return content[:start] + content[start + length :]


def repeat(content: bytes, choose: random.Random) -> bytes:
    """Write a run of bytes twice."""
    start, length = choose.randrange(len(content)), choose.choice([1, 2, 8, 100, 5000])
    return content[: start + length] + content[start:]


def overwrite(content: bytes, choose: random.Random) -> bytes:
    """Replace a run of bytes by zeros, ones or noise."""
    start, length = choose.randrange(len(content)), min(choose.choice([1, 4, 8, 64, 1000]), len(content))
    noise = choose.choice([bytes(length), b"\xff" * length, choose.randbytes(length)])
    return (content[:start] + noise + content[start + length :])[: len(content)]


def swap_runs(content: bytes, choose: random.Random) -> bytes:
    """Exchange two runs of equal length."""
    length = choose.choice([1, 4, 16, 256])
    first, second = sorted(choose.randrange(max(1, len(content) - length)) for _ in range(2))
    if second < first + length:
        return flip_bits(content, choose)
    left, right = content[first : first + length], content[second : second + length]
    return content[:first] + right + content[first + length : second] + left + content[second + length :]


def append(content: bytes, choose: random.Random) -> bytes:
    """Put something behind the end."""
    return content + choose.choice([b"\0", content[:100], choose.randbytes(1000), b"PK\x05\x06" + bytes(18)])


BYTES: tuple[Mutation, ...] = (flip_bits, truncate, cut_out, repeat, overwrite, swap_runs, append)


@lru_cache(maxsize=4)
def operations(content: bytes) -> list[tuple[str, int, int]]:
    """Return (name, start, end) of the operations of the pickles at the start of `content`, one after the other."""
    found: list[tuple[str, int, int]] = []
    stream = io.BytesIO(content)
    try:
        while stream.tell() < len(content):
            positions = [(operation.name, place) for operation, _, place in pickletools.genops(stream)]
            ends = [place for _, place in positions[1:]] + [stream.tell()]
            found += [(name, start, end) for (name, start), end in zip(positions, ends, strict=True)]
    except ValueError:  # what follows is no pickle
        pass
    return found


def one_of(content: bytes, choose: random.Random, names: tuple[str, ...]) -> tuple[str, int, int] | None:
    """Return an operation of one of these names."""
    fitting = [operation for operation in operations(content) if operation[0] in names]
    return choose.choice(fitting) if fitting else None


def swap_operations(content: bytes, choose: random.Random) -> bytes:
    """Exchange two operations, with what belongs to them."""
    found = operations(content)
    if len(found) < 3:
        return flip_bits(content, choose)
    (_, a, b), (_, c, d) = sorted(choose.sample(found, 2), key=lambda operation: operation[1])
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def change_operation(content: bytes, choose: random.Random) -> bytes:
    """Make one operation another one; what belonged to it stays."""
    found = operations(content)
    if not found:
        return flip_bits(content, choose)
    _, start, _ = choose.choice(found)
    return content[:start] + choose.choice(OPERATIONS) + content[start + 1 :]


def insert_operations(content: bytes, choose: random.Random) -> bytes:
    """Put a few operations between two, some with a name to call."""
    found = operations(content)
    extra = choose.choice(
        [
            b"".join(choose.choices(OPERATIONS, k=choose.randrange(1, 5))),
            b"cos\nsystem\nX\x05\0\0\0id>/x\x85R",
            b"cbuiltins\neval\n)R",
            b"cpathlib\nPosixPath\n)R",
            b"csomebody.networks\nNet\n)\x81}b",
            b"ccollections\ndeque\n)R](NNe",
            b"cbuiltins\ngetattr\n",
            b"csomebody\nA\n" + b")R" * 3000,
            b"2" * 1000,
            b"(" * 1000,
            b"]" * 5000,
            b"\x8f" * 10_000,
        ]
    )
    at = choose.choice(found)[1] if found else 0
    return content[:at] + extra + content[at:]


def huge_number(content: bytes, choose: random.Random) -> bytes:
    """Make a number, such as one of a shape, huge, negative or zero."""
    found = one_of(content, choose, NUMBERS)
    if found is None:
        return flip_bits(content, choose)
    value = choose.choice(HUGE)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return content[: found[1]] + b"\x8a" + bytes([len(raw)]) + raw + content[found[2] :]


def huge_memo(content: bytes, choose: random.Random) -> bytes:
    """Keep or look up something under another, mostly huge, number."""
    found = one_of(content, choose, MEMO)
    if found is None:
        return flip_bits(content, choose)
    code = b"r" if "PUT" in found[0] else b"j"
    number = choose.choice([2**32 - 1, 2**31, 10**6, choose.randrange(3000)])
    return content[: found[1]] + code + struct.pack("<I", number) + content[found[2] :]


def huge_length(content: bytes, choose: random.Random) -> bytes:
    """Announce another length of a text, of bytes or of a frame."""
    found = one_of(content, choose, tuple(LENGTHS))
    if found is None:
        return flip_bits(content, choose)
    name, start, _ = found
    size = LENGTHS[name]
    number = choose.choice([2 ** (8 * size) - 1, 2 ** (8 * size - 1), choose.randrange(256), 0])
    return content[: start + 1] + number.to_bytes(size, "little") + content[start + 1 + size :]


PICKLE: tuple[Mutation, ...] = (
    swap_operations,
    change_operation,
    insert_operations,
    huge_number,
    huge_memo,
    huge_length,
)


def rezip(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive of these members, which may have the same name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive._didModify = True
            archive.NameToInfo.pop(name, None)  # so that zipfile does not warn of twins
            archive.writestr(info, data)
    return buffer.getvalue()


@lru_cache(maxsize=4)
def members(content: bytes) -> list[tuple[str, bytes]]:
    """Return names and bytes of a zip archive's entries."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def spoil_a_member(content: bytes, choose: random.Random) -> bytes:
    """Spoil the pickle of an archive as pickles are spoilt, or another entry byte by byte."""
    found = list(members(content))
    pickles = [index for index, (name, _) in enumerate(found) if name.endswith(".pkl")]
    index = choose.choice(pickles) if pickles and choose.random() < 0.8 else choose.randrange(len(found))
    name, data = found[index]
    ways = (*PICKLE, *BYTES) if name.endswith(".pkl") else BYTES
    found[index] = name, choose.choice(ways)(data, choose) if data else b"x"
    return rezip(found)


def swap_members(content: bytes, choose: random.Random) -> bytes:
    """Exchange the contents of two entries."""
    found = list(members(content))
    first, second = choose.sample(range(len(found)), 2)
    (a, x), (b, y) = found[first], found[second]
    found[first], found[second] = (a, y), (b, x)
    return rezip(found)


def rename_a_member(content: bytes, choose: random.Random) -> bytes:
    """Give an entry another name: of another one, outside the archive, or of nonsense."""
    found = list(members(content))
    index = choose.randrange(len(found))
    names = [name for name, _ in found]
    new = choose.choice([choose.choice(names), "../../escaped", "/etc/escaped", "a/\udcff"[:2], "x" * 60_000, ""])
    found[index] = new, found[index][1]
    return rezip(found)


def drop_a_member(content: bytes, choose: random.Random) -> bytes:
    """Leave an entry out, or keep one twice."""
    found = list(members(content))
    index = choose.randrange(len(found))
    return rezip(found[:index] + found[index + 1 :] if choose.random() < 0.5 else [*found, found[index]])


def compress(content: bytes, choose: random.Random) -> bytes:
    """Pack the entries, which torch never does; sometimes one of them into a flood of zeros."""
    found = list(members(content))
    if choose.random() < 0.1:
        index = choose.randrange(len(found))
        found[index] = found[index][0], bytes(FLOOD)
    return rezip(found, zipfile.ZIP_DEFLATED)


def wrong_directory(content: bytes, choose: random.Random) -> bytes:
    """Write another number over one of the fields of a local head, of the directory or of its end."""
    signature = choose.choice([b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"])
    places, at = [], content.find(signature)
    while at >= 0:
        places.append(at)
        at = content.find(signature, at + 1)
    if not places:
        return flip_bits(content, choose)
    size = choose.choice([1, 2, 4, 8])
    at = choose.choice(places) + choose.randrange(4, 46)
    raw = (choose.choice(HUGE) % 2 ** (8 * size)).to_bytes(size, "little")
    return content[:at] + raw + content[at + size :]


ZIP: tuple[Mutation, ...] = (
    *(spoil_a_member, spoil_a_member, spoil_a_member),
    *(swap_members, rename_a_member, drop_a_member, compress, wrong_directory),
)


def header_length(content: bytes, choose: random.Random) -> bytes:
    """Announce another length of the header of safetensors."""
    true = int.from_bytes(content[:8], "little")
    number = choose.choice([*HUGE, true + 1, true - 1, true + 8, len(content), len(content) - 8, 10_000_000_000])
    return (number % 2**64).to_bytes(8, "little") + content[8:]


def change_header(content: bytes, choose: random.Random) -> bytes:
    """Change one tensor in the header of safetensors: shape, type, offsets (overlapping ones too), or its name."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    name = choose.choice([name for name in header if name != "__metadata__"])
    tensor, other = header[name], header[choose.choice([key for key in header if key != "__metadata__"])]
    match choose.randrange(6):
        case 0:
            tensor["shape"] = [choose.choice(HUGE) for _ in range(choose.choice([1, 2, 8]))]
        case 1:
            tensor["dtype"] = choose.choice(["F64", "I8", "BOOL", "F8_E4M3", "nonsense", 7, None])
        case 2:
            tensor["data_offsets"] = other["data_offsets"]
        case 3:
            tensor["data_offsets"] = [choose.choice([*HUGE, 0, 4]), choose.choice([*HUGE, 8])]
        case 4:
            header[choose.choice(["", "x" * 100_000, "a.b", "__proto__"])] = header.pop(name)
        case 5:
            header[name] = choose.choice([None, [], {}, "text", 5])
    return _with_header(header, content[8 + length :])


def change_description(content: bytes, choose: random.Random) -> bytes:
    """Change what our header says of the architecture and the rest."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if "__metadata__" not in header:
        return change_header(content, choose)
    ours = json.loads(header["__metadata__"]["ganvas"])
    place = choose.choice([ours, ours["architecture"]])
    key = choose.choice(list(place))
    place[key] = choose.choice([None, -1, 0, 10**9, 2**63, 1e308, "text", [], [1] * 100, {}, {"kind": "box"}, True])
    header["__metadata__"]["ganvas"] = choose.choice([json.dumps(ours)] * 9 + ["[" * 100_000])
    return _with_header(header, content[8 + length :])


def _with_header(header: dict, tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + tensors


SAFETENSORS: tuple[Mutation, ...] = (
    header_length,
    change_header,
    change_header,
    change_description,
    change_description,
)


def mutations_of(content: bytes) -> tuple[Mutation, ...]:
    """Return the mutations that fit a file: those of its kind as often as those of bare bytes."""
    if content.startswith(b"PK"):
        own = ZIP
    elif content[8:9] == b"{":
        own = SAFETENSORS
    else:
        own = PICKLE
    return (*BYTES, *own * (1 + len(BYTES) // len(own)))


def mutate(content: bytes, choose: random.Random) -> tuple[str, bytes]:
    """Return the name of a mutation chosen by chance, and the spoilt file."""
    mutation = choose.choice(mutations_of(content))
    return mutation.__name__, mutation(content, choose)
