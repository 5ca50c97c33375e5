"""Pickles that mean harm: none may run anything, end in a raw Python error, or take much time and memory."""

import os
import pickle
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganvas.checkpoints.safe_pickle.modules import module_tensors
from ganvas.checkpoints.safe_pickle.pickles import read_pickle
from ganvas.checkpoints.safe_pickle.plain_trees import PersistentRecord
from ganvas.errors import CheckpointError, UnsafeFileError
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
    write,
)

HUGE = 1 << 60
FLOATS = storage(bytes(16), 4)
F4 = call("numpy", "dtype", text("f4"))
ARRAY = call("numpy._core.multiarray", "_reconstruct", name("numpy", "ndarray"), tuple_of(b"K\x00"), raw(b"b"))
MANY_BYTES = raw(bytes(200_000))


class Bomb:
    """Touches a file where an unpickler obeys it."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.flag}",)


def array_state(shape: bytes, data: bytes, dtype: bytes = F4) -> bytes:
    return ARRAY + tuple_of(b"K\x01", shape, dtype, b"\x89", raw(data)) + b"b"


def remembered(thing: bytes, use: bytes, times: int) -> bytes:
    """Keep a thing in the memo as number 0, then put what `use` makes of it into a list, many times."""
    return thing + b"q\x00]" + b"(" + (b"h\x00" + use) * times + b"e"


def again(module: str, attribute: str, arguments: bytes, times: int) -> bytes:
    """Call the same function with the same arguments, many times."""
    return name(module, attribute) + b"q\x01" + arguments + b"q\x02]" + b"(" + b"h\x01h\x02R" * times + b"e"


NAMES = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "setattr"),
    ("builtins", "__import__"),
    ("__builtin__", "eval"),
    ("subprocess", "Popen"),
    ("builtins", "object.__subclasses__"),
    ("functools", "reduce"),
    ("importlib", "import_module"),
    ("io", "open"),
    ("operator", "methodcaller"),
    ("pickle", "loads"),
    ("shutil", "rmtree"),
    ("types", "FunctionType"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("torch.jit._script", "RecursiveScriptModule"),
    ("torch", "_utils._rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ("torch._utils._rebuild_tensor_v2", "__globals__"),
    ("torch.storage", "_load_from_bytes.__globals__"),
    ("torch_utils.persistence", "_src_to_module"),
    ("torch_utils.persistence", "_reconstruct_persistent_obj.__globals__"),
    ("dnnlib.util", "EasyDict.__init__.__globals__"),
    ("dnnlib.util", "call_func_by_name"),
    ("numpy", "load"),
    ("numpy", "ndarray.__reduce__"),
    ("numpy.core.multiarray", "scalar.__class__"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy.core._multiarray_umath", "scalar"),
    ("numpy.testing._private.utils", "runstring"),
    ("collections", "OrderedDict.__class__"),
]


@pytest.mark.parametrize("found", NAMES, ids=".".join)
def test_names_of_programs_are_refused_and_told(tmp_path: Path, found: tuple[str, str]):
    module, attribute = found
    for way in (name(module, attribute), b"c" + f"{module}\n{attribute}\n".encode()):
        start = HEAD + b"}" + text("G")
        path = write(tmp_path, start + way + text("touch x") + b"\x85Rs.")
        with pytest.raises(UnsafeFileError) as caught:
            read_pickle(path)
        position = len(start + way) - 1 if way.endswith(b"\x93") else len(start)
        assert str(caught.value).startswith(f"{path}: byte {position}: asks for {module}.{attribute}.")


@pytest.mark.parametrize("protocol", range(6))
def test_no_code_of_a_pickle_is_run(tmp_path: Path, protocol: int):
    flag = tmp_path / "flag"
    for content in (Bomb(flag), {"G": [Bomb(flag)]}):
        with pytest.raises(UnsafeFileError, match=r"asks for \w+\.system" if protocol else "asks for "):
            read_pickle(write(tmp_path, content, protocol))
    inner = pickle.dumps(Bomb(flag), 2)[2:-1]
    with pytest.raises(UnsafeFileError, match=r"in a tensor's storage, byte \d+: asks for \w+\.system"):
        read_pickle(write(tmp_path, HEAD + storage(bytes(4), 1, head=inner) + b"."))
    assert not flag.exists()


def test_a_name_in_a_message_cannot_steer_the_terminal(tmp_path: Path):
    with pytest.raises(UnsafeFileError) as caught:
        read_pickle(write(tmp_path, HEAD + name("os\x1b[2J\n", "x" * 5000) + b"."))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


REFUSED = {
    "PERSID": b"P1\n.",
    "BINPERSID": text("x") + b"Q.",
    "EXT1": b"\x82\x01.",
    "EXT2": b"\x83\x01\x00.",
    "EXT4": b"\x84\x01\x00\x00\x00.",
    "INST": b"(" + text("touch x") + b"ios\nsystem\n.",
    "OBJ": b"(" + name("numpy", "ndarray") + b"o.",
    "NEWOBJ_EX": name("dnnlib.util", "EasyDict") + b")}\x92.",
    "NEXT_BUFFER": b"\x97.",
    "READONLY_BUFFER": b"N\x98.",
    "LONG4": b"\x8b\xff\xff\xff\x7f.",
    "DUP": b"N2.",
    "STRING": b"S'x'\n.",
}


@pytest.mark.parametrize("operation", REFUSED)
def test_operations_that_no_generator_needs_are_refused(tmp_path: Path, operation: str):
    with pytest.raises(UnsafeFileError, match=rf"byte \d+: asks for the pickle operation {operation},"):
        read_pickle(write(tmp_path, HEAD + REFUSED[operation]))


HOSTILE = {
    "state of a record": record(b"}") + b"}b",
    "state of a tensor": tensor(FLOATS, tuple_of(b"K\x04"), tuple_of(b"K\x01")) + b"}b",
    "state of a name": name("numpy", "ndarray") + b"}b",
    "call of a record": record(b"}") + b")R",
    "call of a text": text("os.system") + b")R",
    "call of a class": name("numpy", "ndarray") + tuple_of(number(HUGE)) + b"R",
    "call with a list": name("collections", "OrderedDict") + b"]R",
    "new array": name("numpy", "ndarray") + tuple_of(number(HUGE)) + b"\x81",
    "new text": text("x") + b")\x81",
    "new function": name("torch._utils", "_rebuild_tensor_v2") + b")\x81",
    "items into a record": record(b"}") + text("a") + b"Ns",
    "items into a list": b"]" + text("a") + b"Ns",
    "append to a tuple": b")Na",
    "append to a record": record(b"}") + b"Na",
    "add to a list": b"](N\x90",
    "odd items": b"}(" + text("a") + b"u",
    "tuple key": b"}" + b")q\x00" + b"h\x00h\x00\x86q\x00" * 200 + b"Ns",
    "tuple in a set": b"\x8f(" + b")q\x00" + b"h\x00h\x00\x86q\x00" * 200 + b"\x90",
    "tuple in an old set": call("builtins", "set", b"])q\x00" + b"h\x00h\x00\x86q\x00" * 200 + b"a"),
    "key twice": b"}(" + text("a") + b"N" + text("a") + b"Nu",
    "list in itself": b"]q\x00h\x00a",
    "dict in itself": b"}q\x00" + text("G") + b"h\x00s",
    "record in itself": b"}q\x05" + record(b"h\x05") + b"q\x00" + b"h\x05" + text("again") + b"h\x00s",
    "deep lists": b"]" * 100_000 + b"a" * 99_999,
    "deep dicts": (b"}" + text("a")) * 50_000 + b"N" + b"s" * 50_000,
    "deep records": b"}" + (b"q\x07" + record(dict_of(text("m"), b"h\x07"))) * 3000,
    "laughs of lists": b"]q\x00" + b"](h\x00h\x00eq\x00" * 90,
    "laughs of tuples": b")q\x00" + b"h\x00h\x00\x86q\x00" * 90,
    "empty stack": b"R",
    "missing memo": b"h\x07",
    "no text": b"\x8c\x02\xff\xff",
    "long bytearray": b"\x96" + struct.pack("<Q", HUGE),
    "long bytes": b"\x8e" + struct.pack("<Q", 2**64 - 1),
    "long text": b"\x8d" + struct.pack("<Q", HUGE),
    "4 GB of bytes": b"B\xff\xff\xff\xff",
    "long frame": b"\x95" + struct.pack("<Q", HUGE),
    "long name": b"c" + b"x" * 300_000,
    "sets": b"](" + b"\x8f" * 1_100_000 + b"e",
    "old sets": b"](" + b"N" * 50_000 + b"e" + b"\x85q\x00" + again("builtins", "set", b"h\x00", 50_000),
    "dtype state with fields": F4 + tuple_of(b"K\x03", text("<"), b"N", tuple_of(text("a")), b"}", b"J\0\0\0\0") + b"b",
    "big-endian dtype": F4 + tuple_of(b"K\x03", text(">"), b"N", b"N", b"N") + b"b",
    "array of a huge shape": call(
        "numpy.core.multiarray", "_reconstruct", name("numpy", "dtype"), tuple_of(number(10**12)), raw(b"b")
    ),
    "array state of a huge shape": array_state(tuple_of(number(10**12)), bytes(4)),
    "array state with short bytes": array_state(tuple_of(b"K\x03"), bytes(4)),
    "array state with long bytes": array_state(tuple_of(b"K\x01"), bytes(400)),
    "array state with a list of objects": ARRAY + tuple_of(b"K\x01", b")", F4, b"\x89", b"]") + b"b",
    "array state with a negative shape": array_state(tuple_of(b"J\xff\xff\xff\xff", b"J\xff\xff\xff\xff"), bytes(4)),
    "array state of many dimensions": array_state(tuple_of(*[b"K\x01"] * 10_000), bytes(4)),
    "array state of no bytes and huge": array_state(tuple_of(b"K\x00", *[number(2**40)] * 7), b""),
    "array state with a text for dtype": array_state(tuple_of(b"K\x01"), bytes(8), dtype=text("O8")),
    "number of short bytes": call("numpy.core.multiarray", "scalar", F4, raw(b"\0")),
    "number of an object": call("numpy.core.multiarray", "scalar", text("O8"), b"N"),
    "buffer of a huge shape": call(
        "numpy.core.numeric", "_frombuffer", raw(b"x"), F4, tuple_of(number(HUGE)), text("C")
    ),
    "tensor with stride 0": tensor(FLOATS, tuple_of(number(10**12)), tuple_of(b"K\x00")),
    "tensor larger than its storage": tensor(FLOATS, tuple_of(b"K\x05"), tuple_of(b"K\x01")),
    "tensor past its storage": tensor(FLOATS, tuple_of(b"K\x04"), tuple_of(b"K\x01"), offset=b"K\x01"),
    "tensor before its storage": tensor(FLOATS, tuple_of(b"K\x02"), tuple_of(b"K\x01"), offset=b"J\xff\xff\xff\xff"),
    "tensor with a negative stride": tensor(
        FLOATS, tuple_of(b"K\x02"), tuple_of(b"J\xff\xff\xff\xff"), offset=b"K\x03"
    ),
    "tensor with a huge stride": tensor(FLOATS, tuple_of(b"K\x02"), tuple_of(number(2**80))),
    "tensor with a huge offset": tensor(FLOATS, tuple_of(b"K\x01"), tuple_of(b"K\x01"), offset=number(2**80)),
    "tensor with too few strides": tensor(FLOATS, tuple_of(b"K\x02"), b")"),
    "tensor of many dimensions": tensor(FLOATS, tuple_of(*[b"K\x01"] * 10_000), tuple_of(*[b"K\x01"] * 10_000)),
    "tensor of no elements and huge": tensor(
        FLOATS, tuple_of(b"K\x00", *[number(2**40)] * 7), b"(" + b"K\0" * 8 + b"t"
    ),
    "tensor of a text": tensor(text("x"), tuple_of(b"K\x01"), tuple_of(b"K\x01")),
    "parameter of a list": call("torch._utils", "_rebuild_parameter", b"]", b"\x88", b"}"),
    "storage of a zip archive": call("torch.storage", "_load_from_bytes", raw(b"PK\x03\x04" + bytes(100))),
    "storage of nothing": call("torch.storage", "_load_from_bytes", raw(b"")),
    "storage of a text": call("torch.storage", "_load_from_bytes", text("x" * 100)),
    "storage with too few bytes": storage(bytes(16), 5),
    "storage with too many bytes": storage(bytes(16), 3),
    "storage with a huge number": storage(bytes(16), HUGE),
    "storage with a negative number": storage(bytes(16), -4),
    "storage of objects": storage(bytes(16), 4, kind="UntypedStorage"),
    "storage with a foreign plan": storage(bytes(16), 4, head=tuple_of(text("module"), text("x"), text("y")) + b"Q"),
    "storage without a plan": storage(bytes(16), 4, head=b"N"),
    "storage inside a storage": storage(bytes(16), 4, head=FLOATS),
    "one storage as many tensors": storage(bytes(200_000), 50_000)
    + b"q\x03"
    + again(
        "torch._utils",
        "_rebuild_tensor_v2",
        tuple_of(b"h\x03", b"K\x00", tuple_of(number(50_000)), tuple_of(b"K\x01"), b"\x89", b"}"),
        20_000,
    ),
    "many small tensors": FLOATS
    + b"q\x03"
    + again(
        "torch._utils",
        "_rebuild_tensor_v2",
        tuple_of(b"h\x03", b"K\x00", tuple_of(b"K\x01"), tuple_of(b"K\x01"), b"\x89", b"}"),
        300_000,
    ),
    "one run of bytes as many storages": again(
        "torch.storage", "_load_from_bytes", tuple_of(raw(storage_bytes(bytes(200_000), 50_000))), 20_000
    ),
    "one run of bytes as many arrays": again(
        "numpy.core.numeric", "_frombuffer", tuple_of(MANY_BYTES, F4, tuple_of(number(50_000)), text("C")), 20_000
    ),
    "record of another type": call(
        "torch_utils.persistence", "_reconstruct_persistent_obj", dict_of(text("type"), b"N")
    ),
    "record of a list": call("torch_utils.persistence", "_reconstruct_persistent_obj", b"]"),
    "record without state": record(b"N"),
    "record with odd arguments": record(dict_of(text("_init_args"), b"N")),
    "EasyDict of something": name("dnnlib.util", "EasyDict") + tuple_of(b"}") + b"\x81",
    "OrderedDict of something": call("collections", "OrderedDict", b"]"),
}


@pytest.mark.parametrize("kind", [kind for kind, content in HOSTILE.items() if len(content) < 20_000])
def test_hostile_structure_is_refused_in_words(tmp_path: Path, kind: str):
    with pytest.raises(CheckpointError) as caught:
        read_pickle(write(tmp_path, HEAD + HOSTILE[kind] + b"."))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


HARMLESS = {
    "state of a dict": b"}}b",
    "name as data": b"]" + name("numpy", "ndarray") + b"a",
    "dtype as data": F4,
    "storage as data": FLOATS,
    "float key": b"}G" + bytes(8) + b"Ns",
    "tensor key": b"}" + tensor(FLOATS, tuple_of(b"K\x04"), tuple_of(b"K\x01")) + b"Ns",
    "large key": b"}" + number(HUGE) + b"Ns",
    "long key": b"}" + text("x" * 10_000) + b"Ns",
    "object dtype": call("numpy", "dtype", text("O8"), b"\x89", b"\x88"),
    "text dtype": call("numpy", "dtype", text("U1000000000")),
    "record dtype": call("numpy", "dtype", text("f4,O")),
    "list dtype": call("numpy", "dtype", b"](" + tuple_of(text("a"), text("O")) + b"e"),
    "array dtype": call("numpy", "dtype", text("(100000,100000)f4")),
    "bytes as data": MANY_BYTES,
    "an unknown class": name("pathlib", "PosixPath") + tuple_of(text("data"), text("faces")) + b"R",
    "many records": name("pathlib", "PosixPath") + b"q\x01]" + b"(" + b"h\x01)R" * 300_000 + b"e",
    "records that fill": b"](" + (name("collections", "deque") + b")R" + b"](e" + b"b") * 20_000 + b"e",
    "a record in itself": name("a", "B") + b")\x81q\x00" + b"}" + text("me") + b"h\x00sb",
    "laughs of records": name("a", "B") + b"q\x01)Rq\x00" + b"h\x01h\x00h\x00\x86Rq\x00" * 3000,
    "deep records of an unknown class": name("a", "B") + b"q\x01)Rq\x00" + b"h\x01h\x00\x85Rq\x00" * 150_000,
    "a frozen set": b"(" + text("a") + b"N\x91",
    "keys of records": b"}(" + (name("a", "B") + b")R" + b"N") * 20_000 + b"u",
    "memo of a huge number": b"Nr\xff\xff\xff\xff",
    "a view of overlapping rows": tensor(FLOATS, tuple_of(b"K\x02", b"K\x02"), tuple_of(b"K\x01", b"K\x01")),
    "an array of its shape": array_state(tuple_of(b"K\x02"), bytes(8)),
    "a record": record(dict_of(text("_parameters"), b"}", text("_buffers"), b"}", text("_modules"), b"}")),
    "marks alone": b"(" * 100_000 + b"t",
    "a list many times": remembered(b"]", b"", 1000),
}

MEASURE = """
import resource, sys, time
from pathlib import Path
from ganvas.checkpoints.safe_pickle.pickles import read_pickle
from ganvas.errors import CheckpointError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
for path in sorted(Path(sys.argv[1]).iterdir()):
    before, start = peak(), time.process_time()
    try:
        read_pickle(path)
        outcome = "read"
    except CheckpointError:
        outcome = "refused"
    print(path.name, outcome, peak() - before, time.process_time() - start, sep=":")
"""


@pytest.mark.slow
def test_memory_and_time_stay_small(tmp_path: Path):
    """In a process of its own, where no checks of types slow down; a million sets are all that the operations allow,
    and their time is the measure of the others' on any machine.
    """
    for kind, content in (HOSTILE | HARMLESS).items():
        (tmp_path / kind).write_bytes(HEAD + content + b".")
    run = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)
    rows = [line.split(":") for line in run.stdout.splitlines()]
    assert len(rows) == len(HOSTILE) + len(HARMLESS)
    assert {kind for kind, outcome, _, _ in rows if outcome == "read"} == set(HARMLESS)
    assert [row for row in rows if int(row[2]) > (250 if row[0] == "sets" else 40)] == []
    longest = 5 * next(float(row[3]) for row in rows if row[0] == "sets")
    assert [row for row in rows if float(row[3]) > longest] == []


def outcome(path: Path, content: bytes) -> str:
    """Return what reading gave; anything but success and `CheckpointError` comes out as it is."""
    path.write_bytes(content)
    try:
        tree = read_pickle(path)
        for part in tree.values() if isinstance(tree, dict) else ():
            if isinstance(part, PersistentRecord):
                module_tensors(part)
    except CheckpointError:
        return "refused"
    return "read"


def damaged(content: bytes, choose: random.Random, end: int) -> bytes:
    """Return `content` with a few changes between byte 2 and byte `end`."""
    changed = bytearray(content)
    for _ in range(choose.choice([1, 1, 1, 2, 5, 20])):
        position = choose.randrange(2, min(end, len(changed)))
        match choose.randrange(4):
            case 0:
                changed[position] = choose.randrange(256)
            case 1:
                changed[position] ^= 1 << choose.randrange(8)
            case 2:
                changed[position : position + choose.randrange(1, 9)] = b""
            case 3:
                changed[position:position] = choose.choice([b"R", b"b", b"0", b"a", b"s", b"e", b"u", b"(", b"h\x05"])
    return bytes(changed)


@pytest.mark.slow
def test_damage_never_gives_a_raw_error(tmp_path: Path):
    module = record(
        dict_of(
            text("_parameters"),
            dict_of(text("weight"), tensor(FLOATS, tuple_of(b"K\x02", b"K\x02"), tuple_of(b"K\x02", b"K\x01"))),
            text("_buffers"),
            dict_of(text("gain"), call("numpy.core.multiarray", "scalar", F4, raw(bytes(4)))),
            text("_modules"),
            dict_of(text("size"), array_state(tuple_of(b"K\x02"), bytes(8))),
        )
    )
    content = HEAD + dict_of(text("G"), module) + b"."
    choose = random.Random(0)
    for _ in range(600):
        outcome(tmp_path / "file.pkl", damaged(content, choose, len(content)))


FUZZ = """
import random, sys
from pathlib import Path
from tests.checkpoints.test_pickles_hostile import damaged, outcome
content, path, choose = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), random.Random(0)
for index in range(300):
    end = 3000 if index % 2 else len(content)
    print(outcome(path, damaged(content, choose, end)))
for index in range(50):
    print(outcome(path, content[:choose.randrange(len(content))]))
"""


@pytest.mark.slow
def test_a_damaged_published_file_never_gives_a_raw_error(shared: Path, tmp_path: Path):
    """In a process of its own, where no checks of types slow down."""
    arguments = [str(shared / "conformance/stylegan2-orig.pkl"), str(tmp_path / "file.pkl")]
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", FUZZ, *arguments], capture_output=True, text=True, check=True, cwd=root)
    outcomes = run.stdout.split()
    assert len(outcomes) == 350
    assert set(outcomes[:300]) == {"read", "refused"}
    assert set(outcomes[300:]) == {"refused"}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_random_bytes_never_give_a_raw_error(tmp_path: Path, content: bytes):
    for start in (b"", HEAD):
        assert outcome(tmp_path / "file.pkl", start + content) in ("read", "refused")
