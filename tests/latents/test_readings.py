"""What the shape of foreign numbers means: one reading, or a question; never a guess."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ganvas.directions.direction import Direction
from ganvas.directions.files import load_directions
from ganvas.edits.move import edit
from ganvas.errors import LatentError, ResultFileError
from ganvas.latents.foreign.codes import read_foreign_codes
from ganvas.latents.foreign.directions import read_foreign_directions
from ganvas.latents.latent import Latent, sample
from ganvas.latents.open import open_latent_file
from tests.fakes import LayeredGenerator, LinearGenerator


class Split(LayeredGenerator):
    """A generator whose z is wider than its w."""

    def dimensions(self, space: str) -> tuple[int, ...]:
        return (7,) if space == "z" else super().dimensions(space)


def written(path: Path, shape: tuple[int, ...], seed: int = 0) -> tuple[Path, np.ndarray]:
    array = np.random.RandomState(seed).randn(*shape)
    np.save(path, array)
    return path, array


# shape of the array -> space and shape that a generator with z [7], w [6] and w+ [3, 6] reads
READ = {
    (7,): ("z", (1, 7)),
    (4, 7): ("z", (4, 7)),
    (6,): ("w", (1, 6)),
    (1, 6): ("w", (1, 6)),
    (4, 6): ("w", (4, 6)),
    (4, 1, 6): ("w", (4, 6)),
    (1, 3, 6): ("w+", (1, 3, 6)),
    (4, 3, 6): ("w+", (4, 3, 6)),
    (18,): ("w+", (1, 3, 6)),
    (4, 18): ("w+", (4, 3, 6)),
    (4, 1, 18): ("w+", (4, 3, 6)),
}


@pytest.mark.parametrize("shape", READ)
def test_dimensions_of_the_generator_decide(tmp_path: Path, shape: tuple[int, ...]):
    path, array = written(tmp_path / "x.npy", shape)
    space, expected = READ[shape]
    latent = open_latent_file(path, Split())
    assert (latent.space, tuple(latent.codes.shape), latent.codes.dtype) == (space, expected, torch.float32)
    np.testing.assert_allclose(latent.codes, array.reshape(expected), rtol=1e-6)
    latent.check_fits(Split())
    found = load_directions(path, generator=Split())
    assert (found.space, tuple(found.vectors.shape)) == (space, expected)
    torch.testing.assert_close(
        torch.stack([one.vector * one.length(1) for one in found]), latent.codes, msg="strength 1 is the array itself"
    )


@pytest.mark.parametrize("shape", [(8,), (3, 8), (4, 3, 7), (2, 4, 6), (19,), (1, 2, 3, 6), ()])
def test_other_widths_are_refused_with_those_of_the_generator(tmp_path: Path, shape: tuple[int, ...]):
    path, _ = written(tmp_path / "x.npy", shape) if shape else (tmp_path / "x.npy", np.save(tmp_path / "x.npy", 1.5))
    for read in (open_latent_file, lambda path, generator: load_directions(path, generator=generator)):
        with pytest.raises(ResultFileError, match=r"z \[6\], w \[6\], w\+ \[3, 6\]"):
            read(path, LayeredGenerator())


def test_rows_that_may_be_layers_are_asked_for(tmp_path: Path):
    path, array = written(tmp_path / "x.npy", (3, 6))
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    np.save(path, array)
    generator = LayeredGenerator()
    for read in (open_latent_file, lambda path, generator, space=None: load_directions(path, space, generator)):
        with pytest.raises(LatentError, match=r"3 codes \[6\] of space w or 1 code \[3, 6\] of space w\+; say which"):
            read(path, generator)
        assert [len(read(path, generator, space)) for space in ("w", "w+")] == [3, 1]
    np.testing.assert_allclose(open_latent_file(path, generator, "w+").codes[0], array, rtol=1e-6)


@pytest.mark.parametrize("zero", [(), (0, 2), (1,)], ids=["all layers", "one layer", "two layers"])
def test_as_many_rows_as_layers_are_one_direction_of_all_layers(tmp_path: Path, zero: tuple[int, ...]):
    path, array = written(tmp_path / "x.npy", (3, 6))
    array[list(zero)] = 0
    np.save(path, array)
    generator = LayeredGenerator()
    ws = sample(generator, [0])
    for space in (None, "w+"):
        found = load_directions(path, space, generator)
        assert (found.space, len(found)) == ("w+", 1)
        assert found.layers == tuple(sorted({0, 1, 2} - set(zero)))
        moved = edit(generator, ws, found[0], 1.0).codes - ws.codes
        torch.testing.assert_close(moved[0], torch.from_numpy(array).float())
    assert "for a direction of w in each row give space w" in load_directions(path, generator=generator).origin.notes
    if not zero:
        assert len(load_directions(path, "w", generator)) == 3


def test_as_many_components_or_named_directions_as_layers_are_directions_of_w(tmp_path: Path):
    rows = np.random.RandomState(0).randn(3, 6)
    np.savez(tmp_path / "comp.npz", comp=rows, std=np.ones(3))
    torch.save({"eigvec": torch.from_numpy(rows.T.copy())}, tmp_path / "factor.pt")
    np.savez(tmp_path / "named.npz", age=rows[0], pose=rows[1], smile=rows[2])
    for name in ("comp.npz", "factor.pt", "named.npz"):
        found = load_directions(tmp_path / name, generator=LayeredGenerator())
        assert (found.space, len(found)) == ("w", 3)


def test_codes_with_an_axis_of_one_layer_are_of_w(tmp_path: Path):
    path, array = written(tmp_path / "x.npy", (2, 1, 6))
    latent = open_latent_file(path, LayeredGenerator())
    assert (latent.space, tuple(latent.codes.shape)) == ("w", (2, 6))
    assert open_latent_file(path, LayeredGenerator(), "z").space == "z"
    assert open_latent_file(path, LinearGenerator()).space == "z"
    np.testing.assert_allclose(latent.codes, array[:, 0], rtol=1e-6)


def test_as_many_rows_as_a_published_generator_has_layers_are_asked_for_without_one(tmp_path: Path):
    path, array = written(tmp_path / "x.npy", (18, 6))
    np.save(path, array / np.linalg.norm(array, axis=1, keepdims=True))
    with pytest.raises(LatentError, match=r"18 codes .* of space w or 1 code"):
        load_directions(path)
    assert len(load_directions(path, "w")) == 18
    assert load_directions(path, "w+").layers == tuple(range(18))


@pytest.mark.parametrize(
    ("name", "space"),
    [("z", "z"), ("w", "w"), ("W", "w"), ("dlatents", "w"), ("wp", "w"), ("s", None), ("latent", None)],
)
def test_name_of_the_array_says_its_space(tmp_path: Path, name: str, space: str | None):
    np.savez(tmp_path / "x.npz", **{name: np.ones((1, 6))})
    error = ResultFileError if name == "s" else LatentError
    if space is None:
        with pytest.raises(error, match="fits only space z, w" if name == "s" else "say which"):
            open_latent_file(tmp_path / "x.npz", LayeredGenerator())
    else:
        assert open_latent_file(tmp_path / "x.npz", LayeredGenerator()).space == space


def test_name_that_contradicts_the_width_or_the_given_space_is_refused(tmp_path: Path):
    np.savez(tmp_path / "x.npz", w=np.ones((1, 7)))
    with pytest.raises(ResultFileError, match="called 'w' in its file, but fits only space z"):
        open_latent_file(tmp_path / "x.npz", Split())
    np.savez(tmp_path / "y.npz", w=np.ones((1, 6)))
    with pytest.raises(ResultFileError, match="is called 'w', which is not space z"):
        open_latent_file(tmp_path / "y.npz", LayeredGenerator(), "z")


def test_codes_are_found_among_other_arrays_by_name(tmp_path: Path):
    torch.save({"me.png": {"img": torch.ones(3, 4, 4), "latent": torch.ones(3, 6)}}, tmp_path / "x.pt")
    assert open_latent_file(tmp_path / "x.pt", LayeredGenerator(), "w+").codes.shape == (1, 3, 6)
    np.savez(tmp_path / "x.npz", first=np.ones(6), second=np.zeros(6))
    with pytest.raises(ResultFileError, match=r"holds 2 arrays \(first \[6\], second \[6\]\); which of them"):
        open_latent_file(tmp_path / "x.npz", LayeredGenerator(), "w")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float):
    np.save(tmp_path / "x.npy", [[1.0, value, 2.0, 0.0, 0.0, 0.0]])
    with pytest.raises(ResultFileError, match=r"not finite .*1 of 6"):
        open_latent_file(tmp_path / "x.npy", LayeredGenerator(), "w")
    with pytest.raises(ResultFileError, match=r"not finite .*1 of 6"):
        load_directions(tmp_path / "x.npy")
    (tmp_path / "x.txt").write_text(f"0 1 2 3 4 {value}", "utf-8")
    with pytest.raises(ResultFileError, match="not finite"):
        open_latent_file(tmp_path / "x.txt", LayeredGenerator(), "w")
    np.save(tmp_path / "y.npy", np.full(6, 1e200))
    with pytest.raises(ResultFileError, match="beyond the range of float32"):
        open_latent_file(tmp_path / "y.npy", LayeredGenerator(), "w")


def test_without_a_generator_single_vectors_need_a_word(tmp_path: Path):
    path, _ = written(tmp_path / "x.npy", (4, 6))
    with pytest.raises(LatentError, match="say which"):
        read_foreign_codes(path)
    assert [read_foreign_codes(path, space=space).codes.shape for space in ("z", "w", "w+", "s")] == [
        (4, 6),
        (4, 6),
        (1, 4, 6),
        (4, 6),
    ]
    path, _ = written(tmp_path / "y.npy", (2, 4, 6))
    assert read_foreign_codes(path).space == "w+"
    with pytest.raises(LatentError, match="Space 'q' is not known; there are z, w, w\\+, s"):
        read_foreign_codes(path, space="q")


def test_strength_one_of_a_foreign_direction_is_its_own_length(tmp_path: Path):
    array = np.zeros((2, 6))
    array[0, 1], array[1, 2] = -2.5, 1.0
    np.save(tmp_path / "x.npy", array)
    generator = LayeredGenerator()
    found = load_directions(tmp_path / "x.npy", generator=generator)
    assert [one.length(1) for one in found] == [2.5, 1.0]
    assert [one.length("2") for one in found] == [5.0, 2.0]
    assert "a strength of 1 is the length in the file, 1 to 2.5" in found.origin.notes
    w = sample(generator, [0], space="w")
    torch.testing.assert_close(edit(generator, w, found[0], 1.0).codes - w.codes, torch.from_numpy(array[:1]).float())
    again = load_directions(found.save(tmp_path / "x.safetensors"))
    assert [one.length(1) for one in again] == [2.5, 1.0]
    assert again.origin == found.origin


def test_own_directions_have_strength_one_of_length_one():
    assert Direction(torch.eye(6)[0], "w", None).length(3) == 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_unit_directions_stay_of_length_one_in_any_float_type(tmp_path: Path, dtype: type):
    vectors = np.random.RandomState(0).randn(5, 512)
    np.save(tmp_path / "x.npy", (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(dtype))
    found = read_foreign_directions(tmp_path / "x.npy")
    assert torch.equal(found.lengths, torch.ones(5, dtype=torch.float64))
    assert "length" not in " ".join(found.notes)


def test_same_row_for_all_layers_moves_all_layers_alike(tmp_path: Path):
    row = np.arange(1.0, 7.0)
    np.save(tmp_path / "x.npy", np.tile(row, (3, 1)))
    generator = LayeredGenerator()
    ws = sample(generator, [0])
    for space in (None, "w", "w+"):
        found = load_directions(tmp_path / "x.npy", space, generator)
        assert found.space == (space or "w")
        moved = edit(generator, ws, found[0], 1.0).codes - ws.codes
        torch.testing.assert_close(moved[0], torch.from_numpy(np.tile(row, (3, 1))).float())
    np.save(tmp_path / "four.npy", np.tile(row, (4, 1)))
    assert len(load_directions(tmp_path / "four.npy", "w", generator)) == 1


COMPONENTS = {
    "plain": {"comp": np.eye(4, 6)[:, None], "mean": np.ones((1, 6)), "std": np.arange(1.0, 5)},
    "ganspace": {
        "act_comp": np.ones((4, 1, 3, 8, 8)),
        "act_mean": np.ones((1, 3, 8, 8)),
        "act_stdev": np.ones(4),
        "lat_comp": np.eye(4, 6)[:, None],
        "lat_mean": np.ones((1, 6)),
        "lat_stdev": np.arange(1.0, 5),
        "var_ratio": np.ones(4),
        "random_stdevs": np.ones(4),
    },
    "activations": {"act_comp": np.eye(4, 6)[:, None], "act_mean": np.ones((1, 6)), "act_stdev": np.arange(1.0, 5)},
}


@pytest.mark.parametrize("kind", COMPONENTS)
def test_principal_components_keep_their_std(tmp_path: Path, kind: str):
    np.savez_compressed(tmp_path / "x.npz", **COMPONENTS[kind])
    torch.save({name: torch.from_numpy(array) for name, array in COMPONENTS[kind].items()}, tmp_path / "x.pt")
    for name in ("x.npz", "x.pt"):
        found = load_directions(tmp_path / name, generator=LayeredGenerator())
        assert torch.equal(found.vectors, torch.eye(4, 6))
        assert [one.length("1s") for one in found] == [1, 2, 3, 4]
        with pytest.raises(ResultFileError, match="holds principal components"):
            open_latent_file(tmp_path / name, LayeredGenerator())


@pytest.mark.parametrize("std", [np.ones(3), -np.ones(4), np.array([1, 2, 3, np.nan])])
def test_std_that_cannot_be_is_refused(tmp_path: Path, std: np.ndarray):
    np.savez(tmp_path / "x.npz", comp=np.eye(4, 6), std=std)
    with pytest.raises(ResultFileError, match="4 components, but standard deviations of shape"):
        load_directions(tmp_path / "x.npz")


def test_components_of_feature_maps_are_refused(tmp_path: Path):
    np.savez(tmp_path / "x.npz", act_comp=np.ones((4, 1, 3, 8, 8)), act_stdev=np.ones(4))
    with pytest.raises(ResultFileError, match="components of a feature map"):
        load_directions(tmp_path / "x.npz")


def test_eigenvectors_are_the_columns(tmp_path: Path):
    vectors = np.linalg.qr(np.random.RandomState(0).randn(6, 6))[0]
    torch.save({"ckpt": "faces.pt", "eigvec": torch.from_numpy(vectors)}, tmp_path / "x.pt")
    found = load_directions(tmp_path / "x.pt", generator=LayeredGenerator())
    torch.testing.assert_close(found[2].vector, torch.from_numpy(vectors[:, 2]).float())


def test_several_named_directions_keep_their_names(tmp_path: Path):
    save_file({"age": torch.eye(6)[:1], "smile": 2 * torch.eye(6)[1:2]}, tmp_path / "x.safetensors")
    found = read_foreign_directions(tmp_path / "x.safetensors", LayeredGenerator())
    assert (found.names, found.lengths.tolist()) == (("age", "smile"), [1, 2])
    assert "named age, smile" in load_directions(tmp_path / "x.safetensors").origin.notes
    save_file({"age": torch.ones(6), "smile": torch.ones(7)}, tmp_path / "y.safetensors")
    with pytest.raises(ResultFileError, match="of which the directions cannot be told"):
        load_directions(tmp_path / "y.safetensors")


def test_only_space_of_a_width_is_that_of_its_directions(tmp_path: Path):
    path, _ = written(tmp_path / "x.npy", (2, 6))
    found = load_directions(path, generator=LinearGenerator())
    assert found.space == "z"
    found.check_fits(LinearGenerator())


def test_latent_of_ours_is_opened_as_it_is(tmp_path: Path):
    generator = LayeredGenerator()
    path = Latent(torch.ones(2, 6), "w", (3, 5), truncation=0.5).save(tmp_path / "x.safetensors")
    latent = open_latent_file(path, generator)
    assert (latent.space, latent.seeds, latent.truncation) == ("w", (3, 5), 0.5)
    with pytest.raises(ResultFileError, match="says itself that its space is w, not z"):
        open_latent_file(path, generator, "z")
    with pytest.raises(ResultFileError, match="generator of another shape"):
        open_latent_file(path, LayeredGenerator(width=7))


def test_opened_codes_can_be_saved_as_ours(tmp_path: Path):
    path, array = written(tmp_path / "x.npy", (2, 3, 6))
    latent = open_latent_file(path, LayeredGenerator())
    assert latent.names == ("x.npy, 0", "x.npy, 1")
    again = open_latent_file(latent.save(tmp_path / "x.safetensors"), LayeredGenerator())
    np.testing.assert_allclose(again.codes, array, rtol=1e-6)
