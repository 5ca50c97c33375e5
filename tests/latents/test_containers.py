"""Containers of foreign numbers: what is written is read back equal, in every kind of file; nothing else is read."""

import io
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from safetensors.torch import save_file

from ganvas.checkpoints.own_format import save_generator
from ganvas.directions.files import load_directions
from ganvas.errors import ResultFileError
from ganvas.generators.protocol import About
from ganvas.latents.foreign.arrays import read_arrays
from ganvas.latents.open import open_latent_file
from tests.checkpoints import pickle_parts as parts
from tests.generators.test_dcgan import small_dcgan

steady = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)
floats = hnp.arrays(np.float64, shapes, elements=st.floats(-1e6, 1e6, allow_subnormal=False))
narrow = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64]), shapes, elements=st.floats(-1000, 1000, width=16)
)


def save_torch(array: np.ndarray, path: Path, zipped: bool = True) -> None:
    torch.save(torch.from_numpy(np.ascontiguousarray(array)), path, _use_new_zipfile_serialization=zipped)


def save_pickle(array: object, path: Path, protocol: int = 4) -> None:
    path.write_bytes(pickle.dumps(array, protocol))


WRITERS: dict[str, tuple[str, str, Callable[[np.ndarray, Path], None]]] = {
    "npy": ("npy", "x.npy", lambda array, path: np.save(path, array)),
    "npy in columns": ("npy", "x.npy", lambda array, path: np.save(path, np.asfortranarray(array))),
    "npy, big-endian": ("npy", "x.npy", lambda array, path: np.save(path, array.astype(array.dtype.newbyteorder(">")))),
    "npz": ("npz", "x.npz", lambda array, path: np.savez(path, array)),
    "npz, compressed": ("npz", "x.npz", lambda array, path: np.savez_compressed(path, array)),
    "pt": ("torch", "x.pt", save_torch),
    "pt, old": ("torch", "x.pth", lambda array, path: save_torch(array, path, zipped=False)),
    "pt of numpy": ("torch", "x.pt", lambda array, path: torch.save(array, path)),
    "pkl": ("pickle", "x.pkl", save_pickle),
    "pkl, protocol 2": ("pickle", "x.pkl", lambda array, path: save_pickle(array, path, 2)),
    "pkl, protocol 5": ("pickle", "x.pkl", lambda array, path: save_pickle(array, path, 5)),
    "pkl of a tensor": ("pickle", "x.pkl", lambda array, path: save_pickle(torch.from_numpy(array.copy()), path)),
    "pkl of lists": ("pickle", "x.pkl", lambda array, path: save_pickle(array.astype(float).tolist(), path)),
    "safetensors": ("safetensors", "x", lambda array, path: save_file({"": torch.from_numpy(array.copy())}, path)),
}


@pytest.mark.parametrize("kind", WRITERS)
@steady
@given(array=narrow)
def test_array_is_read_back_equal(tmp_path: Path, kind: str, array: np.ndarray):
    container, name, write = WRITERS[kind]
    write(array, tmp_path / name)
    found = read_arrays(tmp_path / name)
    assert found.container == container
    (read,) = found.arrays.values()
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, array.astype(np.float64))


PRINTED: dict[str, Callable[[np.ndarray], str]] = {
    "numpy": lambda array: np.array2string(array, threshold=10**6, floatmode="unique"),
    "numpy, repr": lambda array: f"array({np.array2string(array, threshold=10**6, separator=', ')}, dtype=float64)",
    "lists": lambda array: str(array.tolist()),
    "lists in lines": lambda array: str(array.tolist()).replace(",", ",\r\n"),
}


@pytest.mark.parametrize("kind", PRINTED)
@steady
@given(array=floats)
def test_printed_array_is_read_back_equal(tmp_path: Path, kind: str, array: np.ndarray):
    with np.printoptions(precision=17, floatmode="unique"):
        (tmp_path / "x.txt").write_text(PRINTED[kind](array), "utf-8")
    found = read_arrays(tmp_path / "x.txt")
    assert found.container == "text"
    np.testing.assert_array_equal(found.arrays[""], array)


@steady
@given(array=floats.filter(lambda array: array.ndim == 2), mark=st.sampled_from([" ", ",", ", ", ";", "\t", "  "]))
def test_rows_of_numbers_are_lines_and_a_column_is_one_row(tmp_path: Path, array: np.ndarray, mark: str):
    lines = [mark.join(repr(float(value)) for value in row) for row in array]
    (tmp_path / "x.csv").write_text("\n".join(lines) + "\n", "utf-8")
    read = read_arrays(tmp_path / "x.csv").arrays[""]
    expected = array if array.shape[0] > 1 and array.shape[1] > 1 else array.reshape(-1)
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("written", ["1 2 3\n4 5 6\n7", "1\n2,3\r\n\r\n4 5\n6;7", "\ufeff1,2,3,4,5,6,7"])
def test_wrapped_row_is_one_row(tmp_path: Path, written: str):
    (tmp_path / "x.txt").write_text(written, "utf-8")
    np.testing.assert_array_equal(read_arrays(tmp_path / "x.txt").arrays[""], [1, 2, 3, 4, 5, 6, 7])


def test_print_of_a_tensor_is_read(tmp_path: Path):
    tensor = torch.tensor([[1.5, -2.0], [3.25, 4e-3]])
    (tmp_path / "x.txt").write_text(f"{tensor}".replace(")", ", device='cuda:0',\n   grad_fn=<AddBackward0>)"), "utf-8")
    np.testing.assert_allclose(read_arrays(tmp_path / "x.txt").arrays[""], tensor.numpy(), rtol=1e-6)


def test_containers_inside_containers_have_dotted_names(tmp_path: Path):
    inside = {"noise": [torch.ones(1, 4), torch.ones(2, 4)], "latent": torch.arange(4.0), "step": 7, "name": "a"}
    torch.save({"me.png": inside, "seeds": torch.arange(3)}, tmp_path / "x.pt")
    found = read_arrays(tmp_path / "x.pt")
    assert list(found.arrays) == ["me.png.noise.0", "me.png.noise.1", "me.png.latent"]
    assert found.others == {
        "me.png.step": "the number 7",
        "me.png.name": "the text 'a'",
        "seeds": "an array of int64 [3]",
    }


def test_list_of_arrays_of_one_shape_is_one_array(tmp_path: Path):
    save_pickle([np.full((1, 4), value) for value in (1.0, 2.0, 3.0)], tmp_path / "x.pkl")
    np.testing.assert_array_equal(read_arrays(tmp_path / "x.pkl").arrays[""][:, 0, 0], [1, 2, 3])


def npz_of(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return stream.getvalue()


def npy_of(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def claiming(shape: str, data: bytes = bytes(64)) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def calling(module: str, name: str) -> bytes:
    return parts.HEAD + parts.call(module, name, parts.text("true")) + b"."


def image_of(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, kind)
    return stream.getvalue()


DAMAGED = bytearray(npz_of(("w.npy", npy_of(np.ones(64)))))
DAMAGED[200] ^= 1
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty": ("x.npy", b"", "it is empty"),
    "web page": ("x.pt", b"<!DOCTYPE html><html>", "web page: the download probably failed"),
    "git lfs": ("x.npy", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run 'git lfs pull'"),
    "png": ("x.npy", image_of("PNG"), "a PNG image, and holds no codes or directions; ganvas invert"),
    "jpeg": ("x.pt", image_of("JPEG"), "a JPEG image"),
    "webp": ("x.pkl", image_of("WEBP"), "a WebP image"),
    "gif": ("x", image_of("GIF"), "a GIF image"),
    "gzip": ("x.npy", b"\x1f\x8b" + bytes(20), "a gzip archive: unpack it first"),
    "hdf5": ("x.npy", b"\x89HDF\r\n" + bytes(20), "HDF5"),
    "binary": ("x.bin", bytes(range(256)), "content is not what a file called '.bin' holds"),
    "text as npy": ("x.npy", b"1 2 3", "content is not what a file called '.npy' holds"),
    "old pickle": ("x.pkl", pickle.dumps([1.5], 0), "pkl of protocol 2 or later"),
    "prose": ("x.txt", b"1 2\n3 four", "line 2 has 'four'"),
    "date": ("x.txt", b"2026-11-29", "line 1 has '2026-11-29'"),
    "shortened": ("x.txt", b"[0.1 0.2 ... 0.3]", "middle is left out"),
    "ragged": ("x.txt", b"[[1 2] [3]]", "rows have different lengths"),
    "open bracket": ("x.txt", b"[[1 2]", "brackets do not match; it may be cut short"),
    "closed twice": ("x.txt", b"[1 2]]]", "brackets do not match"),
    "deep": ("x.txt", b"[" * 1000, "brackets do not match"),
    "cut pickle": ("x.pkl", pickle.dumps(np.ones(100), 4)[:-30], "download was probably cut short"),
    "cut zip": ("x.npz", npz_of(("w.npy", npy_of(np.ones(64))))[:-30], "zip archive without its end"),
    "cut npy": ("x.npy", npy_of(np.ones(64))[:-3], r"takes 512 bytes, but 509 bytes follow"),
    "two arrays": ("x.npy", npy_of(np.ones(4)) * 2, "takes 32 bytes, but"),
    "huge shape": ("x.npy", claiming(f"({10**12},)"), r"takes 8000000000000 bytes, but 64 bytes follow"),
    "many axes": ("x.npy", claiming(f"({'1, ' * 99})"), "which no array has"),
    "negative": ("x.npy", claiming("(-2, -4)"), "which no array has"),
    "huge in npz": (
        "x.npz",
        npz_of(("w.npy", claiming(f"({10**12},)"))),
        r"entry w\.npy: .*but 64 bytes follow",
    ),
    "flipped bit": ("x.npz", bytes(DAMAGED), "does not match its checksum"),
    "objects in npz": (
        "x.npz",
        npz_of(("w.npy", npy_of(np.array([{}])))),
        r"no array of floats: w \(an array of",
    ),
    "other zip": ("x.npz", npz_of(("readme.txt", b"hello")), "an entry that is not an array"),
    "empty zip": ("x.npz", npz_of(), "holds an empty dict"),
    "outside": ("x.npz", npz_of(("../w.npy", npy_of(np.ones(4)))), "leads out of the archive"),
    "empty list": ("x.pkl", pickle.dumps([], 4), "holds an empty list"),
    "number": ("x.pkl", pickle.dumps(3.5, 4), "holds the number 3.5, not an array of floats"),
    "whole numbers": ("x.pkl", pickle.dumps(np.arange(4), 4), r"an array of int64 \[4\], not an array of floats"),
    "cut safetensors": ("x", (1000).to_bytes(8, "little") + b'{"w"' + bytes(90), "safetensors file that was cut short"),
    "dill": (
        "x.pkl",
        parts.HEAD + parts.call("dill._dill", "_load_type", parts.text("ndarray")) + b".",
        "with dill, wh",
    ),
    "code": (
        "x.pkl",
        parts.HEAD + parts.call("os", "system", parts.text("true")) + b".",
        "function os.system, not only",
    ),
    "class": (
        "x.pkl",
        parts.HEAD + parts.name("projector", "Run") + b")\x81.",
        "class or function projector.Run, not onl",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_file_that_holds_no_numbers_is_refused_with_its_reason(tmp_path: Path, case: str):
    name, data, reason = REFUSED[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ResultFileError, match=reason) as refusal:
        read_arrays(tmp_path / name)
    assert str(refusal.value).startswith(f"'{tmp_path / name}' ")


def bomb(size: int) -> bytes:
    """Return a small archive whose entry is `size` bytes of zeros with a header that says so."""
    head = claiming(f"({size // 8},)", b"")
    return npz_of(("w.npy", head + bytes(size)), method=zipfile.ZIP_DEFLATED)


def aliases(count: int) -> bytes:
    """Return a pickle of one array in many places."""
    array = np.ones(1000)
    return pickle.dumps([{"w": array} for _ in range(3)] + [[array] * count] * 2, 4)


@pytest.mark.parametrize("data", [bomb(64 << 20), aliases(1000)], ids=["deflated zeros", "one array many times"])
def test_bomb_is_refused_before_it_takes_memory(tmp_path: Path, data: bytes):
    (tmp_path / "x.npz").write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ResultFileError, match="uses the same bytes so often"):
            read_arrays(tmp_path / "x.npz")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_deflated_entry_that_holds_more_than_it_says_is_refused(tmp_path: Path):
    data = bytearray(npz_of(("w.npy", npy_of(np.zeros(10_000))), method=zipfile.ZIP_DEFLATED))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<L", 100)
    data[at + 16 : at + 20] = struct.pack("<L", zlib.crc32(npy_of(np.zeros(10_000))[:100]))
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(ResultFileError, match="does not match its checksum"):
        read_arrays(tmp_path / "x.npz")


@steady
@given(st.binary(max_size=200), st.sampled_from(["x.npy", "x.npz", "x.pt", "x.pkl", "x.txt"]), st.integers(0, 5))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, name: str, start: int):
    head = (b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x04", b"PK\x05\x06", b"[")[start]
    (tmp_path / name).write_bytes(head + data)
    with suppress(ResultFileError):
        read_arrays(tmp_path / name)


@steady
@given(st.sampled_from([kind for kind in WRITERS if "npy" not in kind]), st.integers(0, 2**20), st.integers(0, 255))
def test_damaged_byte_never_leads_to_another_error(tmp_path: Path, kind: str, place: int, value: int):
    _, name, write = WRITERS[kind]
    write(np.linspace(0, 1, 12).reshape(3, 4), tmp_path / name)
    data = bytearray((tmp_path / name).read_bytes())
    data[place % len(data)] = value
    (tmp_path / name).write_bytes(data)
    with suppress(ResultFileError):
        read_arrays(tmp_path / name)


def test_generator_given_by_mistake_is_told_where_it_belongs(tmp_path: Path):
    faces = small_dcgan(16)
    path = save_generator(tmp_path / "own.safetensors", faces, About("faces", "a" * 64))
    with pytest.raises(ResultFileError, match=r"it is a generator; load it with ganvas\.load"):
        read_arrays(path)
    for read in (load_directions, lambda path: open_latent_file(path, faces)):
        with pytest.raises(ResultFileError, match=r"holds generator, not \w+; load it with ganvas\.load"):
            read(path)
    torch.save({"features.conv1.weight": torch.ones(4, 3), "features.conv1.bias": torch.ones(4)}, tmp_path / "net.pt")
    with pytest.raises(ResultFileError, match=r"weights of a network \(features\.conv1\.weight, \.\.\.\), not codes"):
        read_arrays(tmp_path / "net.pt")


def test_missing_file_and_folder(tmp_path: Path):
    for path in (tmp_path / "no.npy", tmp_path):
        with pytest.raises(ResultFileError, match="There is no file"):
            read_arrays(path)
