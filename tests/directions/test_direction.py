"""Directions: alignment, files of ours and of others, and whether they fit a generator."""

import json
import math
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import save_file

from ganvas.directions.direction import Direction, Directions, Origin
from ganvas.directions.files import load_directions
from ganvas.directions.find import find_directions
from ganvas.edits.move import edit
from ganvas.errors import GanvasError, LatentError, ResultFileError
from ganvas.generators.protocol import About
from ganvas.io import tensor_files
from ganvas.latents.latent import sample
from ganvas.regions import Region
from tests.fakes import LayeredGenerator, LinearGenerator

steady = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHAPES = {"z": (6,), "w": (6,), "w+": (3, 6), "s": (9,)}


def unit(*shape, seed=0):
    vectors = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return vectors / vectors.flatten(1).norm(dim=1).view(-1, *[1] * (len(shape) - 1))


def some(space="w", layers=(0, 2), count=3, origin=None, mask=True, lengths=None):
    numbers = torch.tensor(
        [[math.pi, math.nan, 1e-310], [0.0, -0.0, 2 / 3], [1.5, 1e300, math.nan]], dtype=torch.float64
    )
    return Directions(
        unit(count, *SHAPES[space]),
        space,
        None if space == "z" else layers,
        *numbers[:, :count].unbind(),
        Region.box(0.1, 0.2, 0.6, 0.9).mask(8, 8) if mask else None,
        origin or Origin("resefa"),
        lengths,
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
whole = st.none() | st.integers(0, 2**40)
origins = st.fixed_dictionaries(
    {
        "method": texts,
        "generator": texts,
        "generator_hash": texts,
        "region": st.none() | st.just(Region.box(0.1, 0.2, 1 / 3, 0.9).describe()),
        "region_name": texts,
        "ridge": texts,
        "seeds": st.lists(st.integers(0, 2**32 - 1), max_size=3).map(tuple),
        "truncation": st.floats(-2, 2),
        "truncation_layers": whole,
        "label": whole,
        "resolution": whole,
        "channels": texts,
        "rank": whole,
        "sign": texts,
        "notes": texts,
    }
)


def bits(tensor):
    return None if tensor is None else (tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())


@steady
@given(st.sampled_from(list(SHAPES)), origins, st.booleans(), st.none() | st.floats(1e-300, 1e300))
def test_a_file_keeps_every_field_bit_for_bit(tmp_path, space, origin, mask, length):
    lengths = None if length is None else torch.full((3,), length, dtype=torch.float64)
    before = some(space, origin=Origin(**origin), mask=mask, lengths=lengths)
    after = load_directions(before.save(tmp_path / "x.safetensors"))
    for field in fields(Directions):
        old, new = getattr(before, field.name), getattr(after, field.name)
        assert bits(old) == bits(new) if isinstance(old, torch.Tensor) else old == new
    again = after.save(tmp_path / "y.safetensors")
    assert again.read_bytes() == (tmp_path / "x.safetensors").read_bytes()


def test_float64_vectors_are_stored_as_float32(tmp_path):
    before = some()
    wide = Directions(
        before.vectors.double(), "w", (0,), *[torch.ones(3, dtype=torch.float64)] * 3, None, before.origin
    )
    assert bits(load_directions(wide.save(tmp_path / "x")).vectors) == bits(before.vectors)


def test_one_direction_of_several():
    found = some()
    assert len(found) == 3
    for index, along in enumerate(found):
        assert torch.equal(along.vector, found.vectors[index])
        assert (along.predicted_ratio, along.layers) == (float(found.predicted_ratios[index]), (0, 2))
    assert found[0].eigenvalue == math.pi
    assert torch.equal(found[-1].vector, found.vectors[2])
    for beyond in (3, -4):
        with pytest.raises(LatentError, match=f"Direction {beyond} does not exist: these are 0-2"):
            found[beyond]
    assert len(found[:2]) == 2
    assert torch.equal(found[::-1][0].vector, found[2].vector)
    assert found[5:] == []


@steady
@given(st.integers(0, 2**16), st.integers(0, 2**16))
def test_alignment_turns_towards_and_never_twice(first, second):
    here, there = (Direction(unit(1, 6, seed=seed)[0], "w", None, 2.0, 3.0, 4.0) for seed in (first, second))
    aligned = here.align(there)
    assert (aligned.vector @ there.vector) >= 0
    assert torch.equal(aligned.vector.abs(), here.vector.abs())
    assert torch.equal(aligned.align(there).vector, aligned.vector)
    assert (aligned.eigenvalue, aligned.predicted_ratio, aligned.std) == (2.0, 3.0, 4.0)
    opposite = Direction(-here.vector, "w", None)
    assert torch.equal(here.align(opposite).vector, opposite.vector)


def test_alignment_of_perpendicular_and_of_foreign_directions():
    one, two = (Direction(row, "w", None) for row in torch.eye(6)[:2])
    assert one.align(two) is one
    for foreign in (
        Direction(torch.eye(7)[0], "w", None),
        Direction(unit(1, 3, 6)[0], "w+", None),
        Direction(two.vector, "z", None),
    ):
        with pytest.raises(LatentError, match="have no angle"):
            one.align(foreign)
    assert torch.equal(one.align(Direction(-one.vector.double(), "w", None)).vector, -one.vector)


FOREIGN = {
    (12,): (1, 12),
    (4, 12): (4, 12),
    (4, 1, 12): (4, 12),
    (4, 5, 12): (4, 5, 12),
    (1, 12): (1, 12),
    (1, 1, 12): (1, 12),
}


@pytest.mark.parametrize(("shape", "expected"), FOREIGN.items())
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_published_arrays_are_read_scaled_and_keep_their_signs(tmp_path, shape, expected, dtype, order):
    array = np.asarray(np.random.RandomState(0).randn(*shape) * 3, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    found = load_directions(tmp_path / "x.npy")
    assert found.vectors.shape == expected
    assert found.vectors.dtype == torch.float32
    rows = torch.from_numpy(array.astype(np.float64)).reshape(expected)
    lengths = rows.flatten(1).norm(dim=1).view(-1, *[1] * (rows.ndim - 1))
    torch.testing.assert_close(found.vectors, (rows / lengths).float())
    assert found.space == ("w" if len(expected) == 2 else "w+")
    assert found.layers == (None if len(expected) == 2 else (0, 1, 2, 3, 4))
    assert found.eigenvalues.isnan().all()
    assert found.stds.isnan().all()
    assert found.origin.sign == "as in the file"


def test_a_foreign_file_can_be_saved_as_ours_and_used(tmp_path):
    array = np.zeros((2, 3, 6))
    array[0, 1, 2], array[1, 2, 0] = -2, 5
    np.save(tmp_path / "x.NPY.npy", array)
    found = load_directions((tmp_path / "x.NPY.npy").rename(tmp_path / "x.NPY"))
    assert found.layers == (1, 2)
    after = load_directions(found.save(tmp_path / "x.safetensors"))
    assert bits(after.vectors) == bits(found.vectors)
    assert after.origin == found.origin
    assert bits(after.lengths) == bits(found.lengths)
    generator = LayeredGenerator()
    after.check_fits(generator)
    ws = sample(generator, [0])
    assert (edit(generator, ws, after[0], 3.0).codes - ws.codes)[0, 1, 2] == pytest.approx(
        -6
    )  # strength 1: 2, as filed
    assert (edit(generator, ws, after[1], -1.0).codes - ws.codes)[0, 2, 0] == pytest.approx(-5)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e308])
def test_lengths_beyond_the_range_of_squares_are_scaled_too(tmp_path, scale):
    np.save(tmp_path / "x.npy", np.array([[scale, -scale, 0, scale]]))
    expected = torch.tensor([[1.0, -1.0, 0.0, 1.0]]) / 3**0.5
    torch.testing.assert_close(load_directions(tmp_path / "x.npy").vectors, expected)


ODD_ARRAYS = {
    "objects": np.array([{"a": 1}, None]),
    "whole": np.arange(12).reshape(2, 6),
    "bool": np.ones((2, 6), bool),
    "complex": np.ones((2, 6), complex),
    "text": np.array(["a", "b"]),
    "structured": np.zeros(3, dtype=[("x", "f8"), ("y", "f4")]),
    "dates": np.zeros(3, dtype="M8[s]"),
    "nan": np.array([1.0, np.nan]),
    "infinite": np.array([[1.0, -np.inf]]),
    "empty": np.zeros((0, 512)),
    "no width": np.zeros((3, 0)),
    "scalar": np.array(1.0),
    "four axes": np.ones((1, 2, 3, 4)),
    "zero": np.zeros(5),
    "one zero row": np.eye(3) * [[1], [0], [1]],
    "beyond float64": np.full((2, 3), np.finfo(np.longdouble).max),
}


@pytest.mark.parametrize("name", ODD_ARRAYS)
def test_arrays_that_are_no_directions_are_refused(tmp_path, name):
    np.save(tmp_path / "x.npy", ODD_ARRAYS[name], allow_pickle=True)
    if name == "beyond float64" and np.finfo(np.longdouble).max == np.finfo(np.float64).max:
        pytest.skip("long double is float64 here")
    with pytest.raises(ResultFileError, match=r"x\.npy' (holds|cannot be read as)"):
        load_directions(tmp_path / "x.npy")


def npy(header: str, data: bytes = bytes(80)) -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def described(shape: str, descr: str = "'<f8'") -> bytes:
    return npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}")


ODD_FILES = {
    "empty": b"",
    "magic only": b"\x93NUMPY",
    "version": b"\x93NUMPY\x09\x00" + bytes(80),
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01.",
    "zip": b"PK\x03\x04" + bytes(80),
    "huge": described("(1000000000000,)"),
    "beyond all": described(f"({10**30},)"),
    "short": described("(11,)"),
    "negative": described("(-1, 5)"),
    "product": described("(3037000500, 3037000500, 2)"),
    "true": described("(True,)"),
    "no shape": described("5"),
    "float shape": described("(2.0,)"),
    "objects": described("(2,)", "'|O'"),
    "dtype": described("(2,)", "('<f8', 'x')"),
    "nested dtype": described("(2,)", "[('a', '|O')]"),
    "brackets": npy("(" * 5000),
    "open text": npy("'''"),
    "open dict": npy("{"),
    "code": npy("__import__('os').system('false')"),
    "long header": b"\x93NUMPY\x02\x00" + (2**32 - 1).to_bytes(4, "little") + bytes(80),
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_damaged_npy_files_are_refused_with_a_reason(tmp_path, name):
    (tmp_path / "x.npy").write_bytes(ODD_FILES[name])
    with pytest.raises(ResultFileError, match=r"x\.npy' cannot be read as a latent or directions: "):
        load_directions(tmp_path / "x.npy")


@steady
@given(hnp.arrays(hnp.floating_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4, max_side=3)))
def test_any_float_array_is_directions_of_length_one_or_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    try:
        found = load_directions(tmp_path / "x.npy")
    except ResultFileError:
        assert array.ndim not in (1, 2, 3) or not np.isfinite(array.astype(np.float64)).all() or not array.any(-1).all()
    else:
        torch.testing.assert_close(found.vectors.flatten(1).norm(dim=1), torch.ones(len(found)))


def test_files_that_are_not_there(tmp_path):
    for name in ("no.npy", "no.safetensors", ""):
        with pytest.raises(ResultFileError, match="There is no file"):
            load_directions(tmp_path / name)
    with pytest.raises(ResultFileError, match="There is no file"):
        load_directions((tmp_path / "folder.npy").mkdir() or tmp_path / "folder.npy")
    for name in ("n" * 5000 + ".npy", "a\0.npy"):
        with pytest.raises(GanvasError, match=r"path must be a path; you gave .*npy"):
            load_directions(name)


HEADER = {"kind": "directions", "version": 1, "space": "w", "layers": [0, 2], "method": "resefa"}
TENSORS = {name: torch.ones(2) for name in ("eigenvalues", "predicted_ratios", "stds")} | {"vectors": unit(2, 6)}


def load_odd(path, tensors=None, without="", **header):
    told = {name: value for name, value in (HEADER | header).items() if name != without}
    held = {name: tensor for name, tensor in (TENSORS | (tensors or {})).items() if name != without}
    save_file(held, path, metadata={"ganvas": json.dumps(told)})
    return load_directions(path)


def test_a_minimal_file_is_read(tmp_path):
    found = load_odd(tmp_path / "x", {"vectors": unit(2, 6).half(), "mask": torch.ones(1, 4, 4).double()})
    assert found.vectors.dtype == found.mask.dtype == torch.float32
    assert found.eigenvalues.dtype == torch.float64
    assert found.origin == Origin("resefa")


@pytest.mark.parametrize("without", ["space", "layers", "method", *TENSORS])
def test_a_file_that_lacks_a_part_is_refused(tmp_path, without):
    with pytest.raises(ResultFileError, match=f"is a damaged directions file: it lacks '{without}'"):
        load_odd(tmp_path / "x", without=without)


@pytest.mark.parametrize(
    "header",
    [
        *({"space": wrong} for wrong in ("q", "w+", None, ["w"], {}, 3)),
        *({"layers": wrong} for wrong in ([], "0-2", 3, [-1], [1.5], ["1"], [True], [[0]], {"a": 1}, False)),
        *({"seeds": wrong} for wrong in (3, "ab", [1.5], ["1"], None, {})),
        *({"generator_hash": wrong} for wrong in (3, None, ["a"])),
        *({"region": wrong} for wrong in (3, "box", ["a"])),
        *({"truncation": wrong} for wrong in ("0.7", [0.7])),
        *({"label": wrong} for wrong in ("cat", ["1"], 1.5)),
        *({"method": wrong} for wrong in (3, None)),
        *({"rank": "3"}, {"resolution": [64]}, {"sign": 1}, {"channels": None}, {"truncation_layers": "all"}),
    ],
)
def test_headers_of_wrong_types_are_refused(tmp_path, header):
    with pytest.raises(ResultFileError, match="is a damaged directions file: "):
        load_odd(tmp_path / "x", **header)


@pytest.mark.parametrize(
    "tensors",
    [
        {"vectors": torch.tensor(1.0)},
        {"vectors": unit(2, 3, 6)},
        {"vectors": unit(3, 6)},
        {"vectors": torch.zeros(2, 0)},
        {"vectors": torch.ones(2, 6, dtype=torch.int64)},
        {"vectors": torch.zeros(2, 6)},
        {"vectors": 2 * unit(2, 6)},
        {"vectors": torch.full((2, 6), math.nan)},
        {"vectors": unit(2, 6).to(torch.complex64)},
        {"eigenvalues": torch.tensor(1.0)},
        {"eigenvalues": torch.ones(2, 1)},
        {"stds": torch.ones(3)},
        {"stds": torch.ones(2, dtype=torch.complex64)},
        {"predicted_ratios": torch.ones(2, dtype=torch.bool)},
        {"mask": torch.ones(4, 4)},
        {"mask": torch.ones(3, 4, 4)},
        {"mask": 2 * torch.ones(1, 4, 4)},
        {"mask": torch.full((1, 4, 4), math.nan)},
        {"mask": torch.ones(1, 4, 4, dtype=torch.uint8)},
        {"lengths": torch.ones(3)},
        {"lengths": torch.tensor([1.0, 0.0])},
        {"lengths": torch.tensor([1.0, math.inf])},
        {"lengths": torch.ones(2, dtype=torch.int64)},
    ],
)
def test_tensors_that_cannot_be_directions_are_refused(tmp_path, tensors):
    with pytest.raises(ResultFileError, match="is a damaged directions file: "):
        load_odd(tmp_path / "x", tensors)


def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = some().save(tmp_path / "x.safetensors")
    old = path.read_bytes()

    def half(tensors, target, metadata):
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(tensor_files, "save_file", half)
    with pytest.raises(KeyboardInterrupt):
        some("w+").save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def named(digest: str) -> LayeredGenerator:
    generator = LayeredGenerator()
    generator.about = About("fake", digest)
    return generator


def test_directions_of_another_generator_warn_and_of_another_shape_raise(tmp_path):
    generator = named("a" * 64)
    found = find_directions(generator, sample(generator, [0]), "box:0.1,0.2,0.6,0.9", layers="1-2", count=2)
    assert (found.origin.seeds, found.origin.generator) == ((0,), "fake")
    found = load_directions(found.save(tmp_path / "x.safetensors"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.check_fits(generator)
        found.check_fits(LayeredGenerator())
    with pytest.warns(UserWarning, match=r"found on another generator \(fake, hash aaaaaaaaaaaa; this one is bbbb"):
        found.check_fits(named("b" * 64))
    with pytest.raises(ResultFileError, match=r"have shape \[6\], but codes of space w of this generator have \[7\]"):
        found.check_fits(LayeredGenerator(width=7))
    with pytest.raises(ResultFileError, match="lie in space w; this generator has z"):
        found.check_fits(LinearGenerator())


def test_layers_beyond_the_generator_raise():
    with pytest.raises(ResultFileError, match="move layer 7; this generator has layers 0-2"):
        some(layers=(0, 7)).check_fits(LayeredGenerator())
    with pytest.raises(ResultFileError, match=r"have shape \[3, 6\], but .* have \[3, 7\]"):
        some("w+").check_fits(LayeredGenerator(width=7))


@pytest.mark.parametrize("space", ["z", "s"])
def test_an_array_lies_in_the_space_that_is_said(tmp_path, space):
    np.save(tmp_path / "some.npy", np.eye(3, 6, dtype=np.float32))
    assert load_directions(tmp_path / "some.npy").space == "w"
    found = load_directions(tmp_path / "some.npy", space)
    assert (found.space, found.layers, len(found)) == (space, None, 3)
    assert load_directions(found.save(tmp_path / "ours.safetensors"), space).space == space


def test_a_space_that_contradicts_the_file_is_refused(tmp_path):
    np.save(tmp_path / "flat.npy", np.arange(6.0))
    np.save(tmp_path / "layered.npy", np.ones((2, 3, 6)))
    with pytest.raises(ResultFileError, match="none of space w\\+"):
        load_directions(tmp_path / "flat.npy", "w+")
    with pytest.raises(ResultFileError, match="none of space z"):
        load_directions(tmp_path / "layered.npy", "z")
    with pytest.raises(ResultFileError, match="says itself that its space is w, not z"):
        load_directions(some("w").save(tmp_path / "ours.safetensors"), "z")
    with pytest.raises(LatentError, match="Space 'y' is not known"):
        load_directions(tmp_path / "flat.npy", "y")


def test_an_array_that_a_z_generator_lacks_the_space_of_says_how_to_name_it(tmp_path):
    np.save(tmp_path / "some.npy", np.eye(3, 6))
    with pytest.raises(ResultFileError, match="--space z"):
        load_directions(tmp_path / "some.npy").check_fits(LinearGenerator())
    load_directions(tmp_path / "some.npy", "z").check_fits(LinearGenerator())


@pytest.mark.parametrize("name", ["mean_latent", "generator.latent_avg", "w_opt", "latent_in"])
def test_latent_of_others_is_not_taken_for_a_direction(tmp_path: Path, name: str):
    np.savez(tmp_path / "projected.npz", **{name: np.full((1, 512), 0.5)})
    with pytest.raises(
        ResultFileError, match=f"'{name}', which is a latent by its name, not a direction; .*open_latent"
    ):
        load_directions(tmp_path / "projected.npz")
    np.save(tmp_path / "projected.npy", np.full((1, 512), 0.5))  # as the message says
    assert load_directions(tmp_path / "projected.npy").space == "w"
