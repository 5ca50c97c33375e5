"""Products with J and with its transpose."""

import pytest
import torch

from ganvas.directions.basis import make_basis
from ganvas.directions.jvp import Measure
from ganvas.directions.products import Products
from ganvas.generators.protocol import Generator
from ganvas.generators.stylegan2 import layers as stylegan2_layers
from ganvas.latents.latent import Latent, sample
from tests.fakes import LayeredGenerator
from tests.generators.small import small_stylegan2
from tests.generators.small_stylegan3 import small_stylegan3

pytestmark = pytest.mark.usefixtures("one_thread")
GENERATORS = {
    "stylegan2": lambda: small_stylegan2(16, dtype=torch.float64),
    "resnet": lambda: small_stylegan2(16, "resnet", dtype=torch.float64),
    "stylegan3": lambda: small_stylegan3(),
    "linear": lambda: LayeredGenerator(dtype=torch.float64),
}


def products_of(generator: Generator, space: str, layers: str | None = None, seeds: tuple[int, ...] = (1,)) -> Products:
    basis = make_basis(generator, space, layers)
    z = generator.sample(seeds).to(generator.code_dtype)
    latent = Latent(z, "z", truncation=0.7).to_space(generator, basis.acts_in)
    return Products(generator, latent, basis, Measure(generator.resolution // 2))


PLACES = [("z", None), ("w", "1-2"), ("w+", None), ("w+", "1"), ("s", "2"), ("s", None)]


@pytest.mark.parametrize(
    ("name", "space", "layers"),
    [(name, *place) for name in ("stylegan2", "resnet") for place in PLACES]
    + [("linear", *place) for place in PLACES[:4]]
    + [pytest.param("stylegan3", "w+", "2-3", marks=pytest.mark.slow)],
)
def test_the_transpose_is_the_transpose(name: str, space: str, layers: str | None) -> None:
    products = products_of(GENERATORS[name](), space, layers, (1, 2))
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(3, products.basis.size, generator=random, dtype=torch.float64)
    images = products.push(vectors)
    changes = torch.randn(images.shape, generator=random)
    assert images.shape == (3, 2 * 3 * products.measure.resolution**2)
    found = (products.pull(changes).double() * vectors).sum(1)
    torch.testing.assert_close(found, (images * changes).sum(1).double(), rtol=1e-3, atol=1e-3)


def test_products_are_those_of_each_image() -> None:
    generator = small_stylegan2(16)
    both, first, second = (products_of(generator, "w+", None, seeds) for seeds in ((1, 2), (1,), (2,)))
    vectors = torch.eye(both.basis.size)[:4]
    images = torch.cat([first.push(vectors), second.push(vectors)], 1)
    torch.testing.assert_close(both.push(vectors), images)
    halves = zip((first, second), images.chunk(2, 1), strict=True)
    torch.testing.assert_close(both.pull(images), sum(one.pull(image) for one, image in halves), rtol=1e-4, atol=1e-4)
    assert (both.done, first.done) == (16, 8)


def test_tangents_of_a_layer_begin_at_that_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = small_stylegan2(32)
    _, push = generator.linearize(sample(generator, [1], space="w+"))
    convolve, calls = stylegan2_layers.StyledConvolution.convolve, []
    monkeypatch.setattr(
        stylegan2_layers.StyledConvolution, "convolve", lambda self, *a: (calls.append(1), convolve(self, *a))[1]
    )
    tangents = torch.zeros(2, *generator.dimensions("w+"))
    for layer, convolutions in ((0, 7), (3, 4), (6, 1), (7, 0)):
        calls.clear()
        push(tangents.index_fill(1, torch.tensor(layer), 1.0))
        assert len(calls) == convolutions
