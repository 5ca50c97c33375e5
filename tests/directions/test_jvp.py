"""Bases of the spaces: coordinates, lengths, layers; and the Jacobian along them of linear generators."""

import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.directions.basis import make_basis
from ganvas.directions.find import find_directions
from ganvas.directions.jacobian import hold, plan_columns
from ganvas.directions.jvp import default_measure, derivative
from ganvas.directions.linalg import NO_RIDGE
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import LatentError
from ganvas.generators.codes import parse_layers
from ganvas.latents.latent import Latent, sample
from ganvas.regions import Region
from tests.fakes import LayeredGenerator, LinearGenerator, gram
from tests.generators.small import small_stylegan2

steady = settings(max_examples=40)
STYLEGAN2 = small_stylegan2()
SPACES = [("z", None), ("w", None), ("w", "1-2"), ("w+", None), ("w+", [0, 3]), ("s", None), ("s", "2")]


@pytest.mark.parametrize(("space", "layers"), SPACES)
@steady
@given(st.integers(0, 2**16), st.floats(-2, 2), st.floats(-2, 2))
def test_embedding_is_linear_and_keeps_lengths_up_to_the_number_of_layers(space, layers, seed, alpha, beta):
    basis = make_basis(STYLEGAN2, space, layers)
    x, y = torch.randn(2, 3, basis.size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    moved = basis.embed(alpha * x + beta * y)
    torch.testing.assert_close(moved, alpha * basis.embed(x) + beta * basis.embed(y))
    assert moved.shape[1:] == STYLEGAN2.dimensions(basis.acts_in)
    factor = len(basis.layers or ()) ** 0.5 if space == "w" else 1.0
    torch.testing.assert_close(basis.embed(x).flatten(1).norm(dim=1), factor * x.norm(dim=1))


@pytest.mark.parametrize(("space", "layers"), SPACES)
def test_tangents_are_the_coordinates(space, layers):
    basis = make_basis(STYLEGAN2, space, layers)
    identity = torch.eye(basis.size)
    tangents = basis.tangents(0, basis.size)
    assert torch.equal(tangents, basis.embed(identity))
    assert torch.equal(torch.cat([basis.tangents(0, 2), basis.tangents(2, basis.size)]), tangents)
    if space != "w":
        inner = tangents.flatten(1) @ tangents.flatten(1).T
        assert torch.equal(inner, identity)


@pytest.mark.parametrize(("space", "layers"), SPACES)
def test_only_the_chosen_layers_move(space, layers):
    basis = make_basis(STYLEGAN2, space, layers)
    moved = basis.embed(torch.ones(1, basis.size))[0]
    if space in ("w", "w+"):
        chosen = parse_layers(layers, STYLEGAN2.layers)
        assert basis.layers == chosen
        assert moved.any(dim=1).nonzero()[:, 0].tolist() == list(chosen)
    if space == "s":
        chosen = parse_layers(layers, STYLEGAN2.layers)
        fed = zip(STYLEGAN2.style_rows(), moved.split(STYLEGAN2.style_channels()), strict=True)
        assert all(part.bool().all() if row in chosen else not part.any() for row, part in fed)


def test_stored_vectors_have_the_shapes_of_a_directions_file():
    shapes = {"z": (7,), "w": (6,), "w+": (6, 6), "s": STYLEGAN2.dimensions("s")}
    for space, shape in shapes.items():
        basis = make_basis(STYLEGAN2, space, None if space == "z" else "1,2")
        vectors = torch.nn.functional.normalize(torch.randn(4, basis.size), dim=1)
        stored = basis.stored(vectors)
        assert stored.shape == (4, *shape)
        torch.testing.assert_close(stored.flatten(1).norm(dim=1), torch.ones(4))


@pytest.mark.parametrize(
    ("make", "space", "layers", "message"),
    [
        (LinearGenerator, "w", None, "Space 'w' does not exist here: this generator has z"),
        (LinearGenerator, "z", "0", "space z has no layers"),
        (LayeredGenerator, "z", [1], "space z has no layers"),
        (LayeredGenerator, "s", None, "Space 's' does not exist here: this generator has z, w, w"),
        (LayeredGenerator, "w", "3", "Layer 3 does not exist: this generator has layers 0-2"),
        (LayeredGenerator, "w+", [], "An empty list of layers"),
    ],
)
def test_spaces_and_layers_that_are_not_there_are_refused(make, space, layers, message):
    with pytest.raises(LatentError, match=message):
        make_basis(make(), space, layers)


def held(generator, latent, basis):
    measure = default_measure(generator)
    return hold(derivative(generator, latent, basis, measure), plan_columns(basis.size, 3 * generator.resolution**2))


MASKS = [Region.box(0, 0, 0.5, 0.5), Region.box(0.25, 0.25, 0.75, 1), Region.box(0.0625, 0.125, 0.875, 1)]


@pytest.mark.parametrize("region", MASKS)
def test_the_gram_of_a_linear_generator_is_its_closed_form_exactly(region):
    generator = LinearGenerator()
    mask = region.mask(8, 8)
    jacobian = held(generator, sample(generator, [3]), make_basis(generator, "z"))
    assert torch.equal(jacobian.columns, generator.matrix.T)
    assert torch.equal(jacobian.gram(mask), gram(generator, mask))
    assert torch.equal(jacobian.whole(), gram(generator, torch.ones(1, 8, 8)))


@pytest.mark.parametrize(("space", "layers"), [("w", None), ("w", "0,2"), ("w+", "1-2"), ("w+", None)])
def test_the_gram_over_layers_is_the_closed_form_seen_through_the_basis(space, layers):
    generator = LayeredGenerator()
    mask = Region.box(0.1, 0.2, 0.6, 0.9).mask(8, 8)
    basis = make_basis(generator, space, layers)
    jacobian = held(generator, sample(generator, [3]), basis)
    embedding = basis.embed(torch.eye(basis.size)).flatten(1).double()
    torch.testing.assert_close(jacobian.gram(mask), embedding @ gram(generator, mask) @ embedding.T, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("make", "space"), [(LinearGenerator, "z"), (LayeredGenerator, "z"), (LayeredGenerator, "w")])
def test_directions_of_a_linear_generator_are_those_of_its_closed_form(make, space):
    generator, region = make(), Region.box(0.1, 0.2, 0.6, 0.9)
    inside, outside = region.split(8, 8)
    latent = sample(generator, [0, 1], space=space)
    found = find_directions(generator, latent, region, space=space, count=6, method=ReSeFa(NO_RIDGE))
    # How the image's codes answer to the direction: the map of LayeredGenerator doubles z, all layers get the same.
    gain = 2 if space == "z" and generator.layers else 1
    blocks = gain * torch.eye(6, dtype=torch.float64).repeat(max(1, generator.layers), 1)
    a, b = (blocks.T @ gram(generator, mask) @ blocks / (3 * mask.sum().double()) for mask in (inside, outside))
    values = scipy.linalg.eigh(a.numpy(), b.numpy(), eigvals_only=True)[::-1]
    torch.testing.assert_close(found.eigenvalues, torch.from_numpy(values.copy()), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.predicted_ratios, found.eigenvalues, rtol=1e-5, atol=0)
    vectors = found.vectors.double()
    torch.testing.assert_close(vectors @ a, found.eigenvalues[:, None] * (vectors @ b), rtol=1e-3, atol=1e-3)
    assert len(found) == 6
    assert found.layers == (None if space == "z" else (0, 1, 2))


def test_a_float64_generator_and_widened_codes_are_differentiated_too():
    generator, region = LayeredGenerator(dtype=torch.float64), Region.box(0.1, 0.2, 0.6, 0.9)
    ws = Latent(generator.map(generator.sample([0])), "w+")  # one row of w, seen three times
    basis = make_basis(generator, "w+")
    assert torch.equal(held(generator, ws, basis).columns.double(), generator.matrix.T)
    assert find_directions(generator, ws, region, count=2).vectors.dtype == torch.float32
