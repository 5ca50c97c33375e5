"""Paths: what they pass through, how long their codes are, and which latents have none in common."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganvas.edits.interpolate import along, ease, frame_positions, linear, only_layers, path_through, spherical
from ganvas.edits.retime import stds_along_path
from ganvas.errors import LatentError
from ganvas.generators.weight_differences import LEFT, RIGHT, weights_of, with_weights
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent, sample
from tests.fakes import LayeredGenerator, LinearGenerator
from tests.generators.small import small_stylegan2

SHAPES = st.sampled_from([(5,), (3, 4)])


def codes(count: int, shape: tuple[int, ...] = (5,), seed: int = 0) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 50), SHAPES, st.floats(0, 1))
def test_both_kinds_begin_and_end_at_their_codes_and_are_symmetric(seed, shape, t):
    a, b = codes(2, shape, seed)
    for blend in (linear, spherical):
        ends = blend(a, b, torch.tensor([0.0, 1.0]))
        assert torch.allclose(ends, torch.stack([a, b]), atol=1e-9)
        there, back = blend(a, b, torch.tensor([t])), blend(b, a, torch.tensor([1 - t]))
        assert torch.allclose(there, back, atol=1e-6)


@given(st.integers(0, 50), st.floats(0, 1))
def test_spherical_paths_turn_evenly_and_keep_lengths(seed, t):
    a, b = codes(2, seed=seed)
    here = spherical(a, b, torch.tensor([t]))[0]
    assert float(here.norm()) == pytest.approx(float((1 - t) * a.norm() + t * b.norm()), rel=1e-6)
    cosine = torch.nn.functional.cosine_similarity
    whole, part = (float(torch.arccos(cosine(a, other, dim=0).clamp(-1, 1))) for other in (b, here))
    assert part == pytest.approx(t * whole, abs=1e-5)
    # A second formula: the rotation by part in the plane of a and b.
    e = a / a.norm()
    f = b - (b @ e) * e
    turned = math.cos(t * whole) * e + math.sin(t * whole) * f / f.norm()
    assert torch.allclose(here / here.norm(), turned, atol=1e-6)


def test_spherical_paths_of_parallel_and_opposite_codes():
    a = codes(1)[0]
    assert torch.allclose(spherical(a, 2 * a, torch.tensor([0.5]))[0], 1.5 * a)
    with pytest.raises(LatentError, match="opposite"):
        spherical(a, -a, torch.tensor([0.5]))


@given(st.integers(2, 6), st.booleans())
def test_a_path_meets_every_key_at_its_share(count, closed):
    keys = codes(count)
    pieces = count if closed else count - 1
    places = torch.arange(pieces + 1).double() / pieces
    assert torch.allclose(along(keys, places, "linear", closed), torch.cat([keys, keys[:1]])[: pieces + 1])


@given(st.floats(0, 1), st.booleans(), st.sampled_from(["linear", "spherical"]))
def test_a_path_is_continuous_and_lies_between_its_keys(t, closed, mode):
    keys = codes(4)
    near = along(keys, torch.tensor([t, min(1.0, t + 1e-6)], dtype=torch.float64), mode, closed)
    assert (near[1] - near[0]).abs().max() < 1e-3
    if mode == "linear":
        assert (near[0] <= keys.amax(0) + 1e-9).all()


def test_paths_that_cannot_be():
    keys, t = codes(2), torch.tensor([0.5])
    for arguments in ((keys[:1], t), (keys, t + 1), (keys, t, "cubic"), (keys, torch.tensor([math.nan]))):
        with pytest.raises(LatentError):
            along(*arguments)
    with pytest.raises(LatentError, match="at least 2"):
        frame_positions(1)


def test_easing_rests_at_both_ends_and_never_turns_back():
    t = np.linspace(0, 1, 1001)
    eased = ease(t)
    speed = np.gradient(eased, t)
    assert (eased[0], eased[-1]) == (0, 1)
    assert speed[[0, -1]] == pytest.approx(0, abs=0.01)
    assert (speed >= 0).all()
    assert speed.max() == pytest.approx(1.5, abs=0.01)
    assert eased + ease(1 - t) == pytest.approx(1)


def test_only_some_layers_change():
    keys = codes(3, (4, 2))
    changed = only_layers(keys, "1-2")
    assert torch.equal(changed[:, 1:3], keys[:, 1:3])
    assert torch.equal(changed[:, [0, 3]], keys[:1, [0, 3]].expand(3, -1, -1))


@pytest.mark.parametrize("closed", [False, True])
def test_a_path_of_latents_of_several_kinds(closed):
    generator = LayeredGenerator()
    seeds = sample(generator, [0, 1], truncation=0.5)
    widened = Latent(generator.map(generator.sample([2])), "w+", names=("photo",))
    raw = sample(generator, [3], space="z")
    path = path_through(generator, [seeds, widened, raw], loop=closed)
    assert path.keys.space == "w+"
    assert path.keys.captions == ("seed 0", "seed 1", "photo", "seed 3")
    expected = generator.map(generator.sample([0]), truncation=0.5)
    ends = path.at(frame_positions(5, closed)[[0, -1]])
    assert torch.allclose(ends.codes[0], expected[0])
    assert torch.allclose(ends.codes[1], expected[0] if closed else generator.map(generator.sample([3]))[0])
    assert len(next(iter(ends.images(generator)))) == 2


def test_spherical_paths_lie_in_z_and_are_mapped_afterwards():
    generator = LayeredGenerator()
    latent = sample(generator, [0, 1], truncation=0.5, space="z")
    path = path_through(generator, [latent], mode="spherical")
    middle = path.at(np.array([0.5]))
    assert (middle.space, middle.truncation) == ("z", 0.5)
    assert torch.allclose(middle.codes, spherical(*latent.codes, torch.tensor([0.5])))


def test_latents_without_a_common_path():
    generator = LayeredGenerator()
    z = [sample(generator, [seed], space="z", truncation=0.5 + seed / 4) for seed in (0, 1)]
    w = sample(generator, [0, 1])
    labeled = [Latent(generator.sample([seed]), "z", label=seed) for seed in (0, 1)]
    for latents, options, words in (
        ([w], {"mode": "spherical"}, r"do not lead back to z.*ganvas invert --space z"),
        ([w], {"mode": "spherical", "space": "w"}, "Spherical"),
        ([w], {"mode": "cubic"}, "no kind of path"),
        ([w], {"space": "s"}, "does not exist"),
        ([w.rows([0])], {}, "at least two"),
        (z, {"space": "z"}, "truncations"),
        (labeled, {"space": "z"}, "classes"),
        ([z[0], z[0]], {"space": "z", "layers": "0"}, "Layers are those of w"),
    ):
        with pytest.raises(LatentError, match=words):
            path_through(generator, latents, **options)
    assert path_through(generator, z).keys.space == "w+"


def tuned_latents(generator) -> list[Latent]:
    """Return two photos' latents whose weights were tuned, the one by factors, the other whole in one weight."""
    w = sample(generator, [0, 1])
    name, weight = next((n, v) for n, v in weights_of(generator).items() if n.endswith("conv1.weight"))
    random = torch.Generator().manual_seed(3)
    rows, columns = weight.flatten(1).shape
    left, right = torch.randn(rows, 2, generator=random), torch.randn(2, columns, generator=random)
    thin = {name + LEFT: left.half(), name + RIGHT: (right / 5).half()}
    whole = {name: torch.randn(weight.shape, generator=random).half()}
    return [replace(w.rows([0]), tuned=thin), replace(w.rows([1]), tuned=whole)]


@pytest.mark.slow
def test_weights_tuned_for_different_photos_are_blended_evenly():
    """Half of the way is painted by the mean of both generators' weights; a generator of seeds has no changes."""
    generator = small_stylegan2(16)
    one, other = tuned_latents(generator)
    seed = sample(generator, [2])
    for a, b in ((one, other), (one, seed), (seed, other), (one, replace(one, codes=other.codes, tuned=double(one)))):
        path = path_through(generator, [a, b])
        images = torch.cat(list(path.images(generator, frame_positions(3))))
        painters = [latent.generator_for(generator) for latent in (a, b)]
        weights = [{name: value.detach() for name, value in weights_of(painter).items()} for painter in painters]
        middle = with_weights(generator, {name: (weights[0][name] + weights[1][name]) / 2 for name in weights[0]})
        codes = path.codes(frame_positions(3))
        for painter, code, image in zip((painters[0], middle, painters[1]), codes, images, strict=True):
            torch.testing.assert_close(painter.synthesize(code[None], "w+")[0], image, atol=2e-3, rtol=0)
        assert (images[1] - images[0]).abs().max() > 0.05
        with pytest.raises(LatentError, match="weights change along this path"):
            path.at(frame_positions(3))
        assert [len(latent) for latent in path.each(frame_positions(3))] == [1, 1, 1]


def double(latent: Latent) -> dict[str, torch.Tensor]:
    return {name: 2 * part if name.endswith(LEFT) else part for name, part in latent.tuned.items()}


def test_the_same_tuned_weights_loaded_twice_are_the_same(tmp_path):
    generator = small_stylegan2(16)
    one = tuned_latents(generator)[0]
    many = replace(one, codes=sample(generator, [0, 1]).codes, seeds=())
    file = many.save(tmp_path / "a.safetensors")
    path = path_through(generator, [load_latent(file).rows([0]), load_latent(file).rows([1])])
    assert not path.tuned
    assert path.at(frame_positions(3)).tuned.keys() == one.tuned.keys()


def test_a_common_class_is_kept_in_every_space():
    generator = small_stylegan2(16, label_dim=3)
    same, others = sample(generator, [0, 1], label=2), sample(generator, [3], label=1)
    path = path_through(generator, [same, sample(generator, [4], label=2)])
    assert (path.keys.space, path.keys.label) == ("w+", 2)
    each = [sample(generator, seeds, label=(2, 2)) for seeds in ([0, 1], [4, 5])]
    assert path_through(generator, each).at(frame_positions(3)).label == 2
    assert path_through(generator, [same, others]).keys.label is None
    assert not np.isnan(stds_along_path(generator, path, frame_positions(3))).any()


@pytest.mark.parametrize("shape", [(8, 8), (1, 1, 8, 8)])
def test_noise_maps_as_latents_may_have_them(shape):
    generator = small_stylegan2(16)
    w, name = sample(generator, [0, 1]), next(n for n, v in generator.own_noise().items() if v.shape[-1] == 8)
    maps = torch.randn(*shape, generator=torch.Generator().manual_seed(2))
    path = path_through(generator, [replace(w.rows([0]), noise={name: maps}), w.rows([1])])
    assert torch.equal(path.keys.noise[name][0, 0], maps.reshape(8, 8))
    assert len(torch.cat(list(path.images(generator, frame_positions(3))))) == 3


def test_generators_with_z_only():
    generator = LinearGenerator()
    path = path_through(generator, [sample(generator, [0, 1])])
    assert path.keys.space == "z"
    assert torch.allclose(
        path.at(np.array([0.25])).codes[0], generator.sample([0, 1])[0].lerp(generator.sample([1])[0], 0.25)
    )


def test_noise_of_its_own_goes_along_with_its_strength():
    class Noisy(LayeredGenerator):
        def own_noise(self):
            return {"b8": torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))}

    generator = Noisy()
    w = sample(generator, [0])
    maps = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    photo = Latent(w.codes, "w+", noise={"b8": maps})
    path = path_through(generator, [w, photo])
    found = path.at(frame_positions(3)).noise["b8"]
    assert torch.allclose(found[[0, 2]], torch.cat([generator.own_noise()["b8"], maps]), atol=1e-5)
    assert float(found[1].std()) == pytest.approx(1, abs=0.2)
