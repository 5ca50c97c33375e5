"""Latent files: what is saved comes back, and what does not fit is told apart."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

import ganvas
from ganvas.errors import LatentError, ResultFileError
from ganvas.generators.protocol import Generator
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent, sample
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.test_codes import unchecked


@pytest.fixture(scope="module")
def faces() -> Generator:
    return ganvas.load("faces")


def full_latent() -> Latent:
    return Latent(
        torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)),
        "w+",
        (4, 7),
        ("ann", "zoë"),
        3,
        0.7,
        2,
        "photo.png",
        "faces",
        "abc",
        {"b4.conv1": torch.ones(4, 4)},
        {"b4.weight": torch.zeros(2)},
    )


def equal(a: Latent, b: Latent) -> bool:
    groups = (a.noise, b.noise), (a.tuned, b.tuned), ({"": a.codes}, {"": b.codes})
    plain = [name for name in Latent.__dataclass_fields__ if name not in ("codes", "noise", "tuned")]
    return all(getattr(a, name) == getattr(b, name) for name in plain) and all(
        x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x) for x, y in groups
    )


def test_round_trip(tmp_path: Path):
    assert equal(load_latent(full_latent().save(tmp_path / "a.safetensors")), full_latent())
    bare = Latent(torch.ones(1, 8), "z")
    assert equal(load_latent(bare.save(tmp_path / "b.safetensors")), bare)


def test_same_input_same_bytes(tmp_path: Path):
    paths = [full_latent().save(tmp_path / name) for name in ("a.safetensors", "b.safetensors")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.slow
def test_images_are_the_generators(faces: Generator):
    latent = sample(faces, [4, 7], truncation=0.7)
    expected = faces.synthesize(faces.map(faces.sample([4, 7]), truncation=0.7), "w+")
    assert latent.space == "w+"
    assert latent.captions == ("seed 4", "seed 7")
    torch.testing.assert_close(torch.cat(list(latent.images(faces))), expected)
    late = sample(faces, [4, 7], truncation=0.7, space="z")
    torch.testing.assert_close(torch.cat(list(late.images(faces))), expected)


@pytest.mark.slow
@pytest.mark.parametrize("space", ["w+", "s"])
def test_a_latent_in_another_space_gives_the_same_image(faces: Generator, space: str):
    for own in ("z", "w", "w+"):
        latent = sample(faces, [5], truncation=0.5, space=own)
        other = latent.to_space(faces, space)
        assert (other.space, other.seeds, other.truncation) == (space, (5,), 0.5)
        image = faces.synthesize(other.codes, space)
        torch.testing.assert_close(image, next(latent.images(faces)), atol=1e-4, rtol=1e-4)


def test_samples_are_taken_by_index_and_slice():
    latent = full_latent()
    assert equal(latent[1], latent.rows([1]))
    assert equal(latent[-1], latent.rows([1]))
    assert equal(latent[::-1], latent.rows([1, 0]))
    assert [one.seeds for one in latent] == [(4,), (7,)]
    with pytest.raises(LatentError, match="there are samples 0-1"):
        latent[2]


def test_repr_says_what_it_is_and_prints_no_tensor():
    latent = full_latent()
    assert repr(latent) == (
        "Latent(w+ [2, 3, 4], ann, zoë, label 3, truncation 0.7, source 'photo.png', generator 'faces', own noise, "
        "tuned weights)"
    )
    many = Latent(torch.zeros(9, 4), "z", seeds=tuple(range(9)))
    assert repr(many) == "Latent(z [9, 4], seeds 0, 1, 2, 3, ... (9))"


@pytest.mark.parametrize(
    ("codes", "space"),
    [
        (torch.zeros(2, 4), "q"),
        (torch.zeros(2, 4), "w+"),
        (torch.zeros(2, 3, 4), "w"),
        (torch.zeros(4), "z"),
        (torch.zeros(2, 4).long(), "z"),
        ([[0.0]], "z"),
    ],
)
def test_what_are_no_codes_of_the_space_makes_no_latent(codes, space):
    with pytest.raises(LatentError):
        unchecked(Latent.__post_init__)(SimpleNamespace(codes=codes, space=space))


def test_by_default_codes_lie_in_the_space_of_the_layers():
    assert [sample(make(), [0]).space for make in (LayeredGenerator, LinearGenerator)] == ["w+", "z"]


def test_truncation_of_some_layers_needs_w_plus(faces: Generator):
    assert sample(faces, [0], truncation=0.5, truncation_layers=4).space == "w+"
    with pytest.raises(LatentError, match="leave truncation_layers out"):
        sample(faces, [0], truncation_layers=4, space="z")
    with pytest.raises(LatentError, match="this generator has 12"):
        sample(faces, [0], truncation_layers=13)


@pytest.mark.parametrize("truncation", [math.nan, math.inf])
def test_truncation_must_be_a_number(faces: Generator, truncation: float):
    with pytest.raises(LatentError, match="is not possible; give -10 to 10"):
        sample(faces, [0], truncation=truncation)


def test_rows_keep_what_belongs_to_them():
    one = full_latent().rows([1])
    assert (one.seeds, one.names, one.captions) == ((7,), ("zoë",), ("zoë",))
    assert torch.equal(one.codes, full_latent().codes[1:])
    with pytest.raises(LatentError, match="there are samples 0-1"):
        full_latent().rows([2])


@pytest.mark.slow
def test_own_noise_maps_are_used(faces: Generator):
    latent = sample(faces, [0])
    name = next(name for name, _ in faces.synthesis.convolutions())
    images = next(replace(latent, noise={name: torch.zeros(4, 4)}).images(faces))
    assert not torch.equal(images, next(latent.images(faces)))


def test_noise_maps_of_one_row_each_go_with_their_rows():
    maps = torch.randn(2, 1, 4, 4)
    latent = replace(full_latent(), noise={"own": maps, "all": torch.ones(4, 4)})
    assert torch.equal(latent.rows([1, 1, 0]).noise["own"], maps[[1, 1, 0]])
    assert torch.equal(latent.rows([1]).noise["all"], torch.ones(4, 4))


def test_another_generator(faces: Generator):
    latent = sample(faces, [0])
    latent.check_fits(faces)
    with pytest.warns(UserWarning, match="made by another generator"):
        replace(latent, generator_hash="f" * 64).check_fits(faces)
    with pytest.raises(ResultFileError, match="generator of another shape"):
        replace(latent, codes=torch.zeros(1, 12, 8)).check_fits(faces)
    with pytest.raises(ResultFileError, match="this generator has z"):
        replace(latent, codes=torch.zeros(1, 6), space="s").check_fits(LinearGenerator())
    with pytest.raises(ResultFileError, match="no weight 'a'"):
        replace(latent, tuned={"a": torch.zeros(1)}).check_fits(faces)


def test_counts_must_agree():
    with pytest.raises(LatentError, match="1 seeds do not fit 2 codes"):
        Latent(torch.zeros(2, 4), "z", (1,))


HEADER = {"kind": "latent", "space": "z", "seeds": [], "label": None, "truncation": 1, "truncation_layers": None}
GOOD = {"codes": torch.zeros(1, 4)}


@pytest.mark.parametrize(
    ("tensors", "change"),
    [
        ({}, {}),
        ({"codes": torch.zeros(4)}, {}),
        ({"codes": torch.zeros(0, 4)}, {}),
        ({"codes": torch.full((1, 4), math.nan)}, {}),
        ({"codes": torch.zeros(1, 4, dtype=torch.int64)}, {}),
        (GOOD | {"extra": torch.zeros(1)}, {}),
        (GOOD | {"noise.b4": torch.full((1,), math.inf)}, {}),
        (GOOD, {"seeds": [1, 2]}),
        (GOOD, {"seeds": "abc"}),
        (GOOD, {"seeds": None}),
        (GOOD, {"truncation": "x"}),
        (GOOD, {"label": 1e400}),
        (GOOD, {"truncation_layers": {}}),
        (GOOD, {"kind": "directions"}),
        (GOOD, {"kind": ["latent"]}),
    ],
)
def test_hostile_files(tmp_path: Path, tensors: dict[str, torch.Tensor], change: dict[str, object]):
    path = tmp_path / "bad.safetensors"
    save_file(tensors, path, metadata={"ganvas": json.dumps(HEADER | change)})
    with pytest.raises(ResultFileError, match=r"bad\.safetensors"):
        load_latent(path)


@pytest.mark.parametrize("content", [b"", b"abc", b"\x08\0\0\0\0\0\0\0{}{}{}{}", bytes(100)])
def test_files_of_another_kind(tmp_path: Path, content: bytes):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ResultFileError, match=r"bad\.safetensors"):
        load_latent(path)


def test_missing_file():
    with pytest.raises(ResultFileError, match="no file"):
        load_latent("nowhere.safetensors")
