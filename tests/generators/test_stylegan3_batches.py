"""The synthesis that training uses gives the images, and the gradients, of the one that everything else uses."""

import pytest
import torch

from ganvas.generators.stylegan3.batches import filter_matrices, synthesize_batch
from ganvas.generators.stylegan3.generator import StyleGAN3
from ganvas.generators.stylegan3.synthesis import resampler_of
from tests.generators.small_stylegan3 import small_stylegan3

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS = pytest.mark.parametrize(
    "kind", [{}, {"kernel": 1, "radial": True}, {"clamp": None, "margin": 5}, {"clamp": 0.4}], ids=str
)


def codes(generator: StyleGAN3, rows: int = 3) -> torch.Tensor:
    return torch.randn(rows, generator.layers, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.float32
@KINDS
def test_images_are_those_of_the_generator(kind: dict):
    generator = small_stylegan3(16, **kind)
    ws = codes(generator)
    images = generator.synthesize(ws, "w+")
    torch.testing.assert_close(synthesize_batch(generator, ws, torch.float32), images, atol=1e-5, rtol=1e-4)
    rough = synthesize_batch(generator, ws, torch.bfloat16)
    assert rough.dtype == torch.float32
    assert (rough - images).square().mean() < 0.06**2 * images.square().mean()


@KINDS
def test_gradients_are_those_of_the_generator(kind: dict):
    generator = small_stylegan3(16, **kind).double().requires_grad_(True)
    ws = codes(generator).double().requires_grad_(True)
    along = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    wanted = [ws, *generator.synthesis.parameters()]
    ours = torch.autograd.grad((synthesize_batch(generator, ws, torch.float64) * along).sum(), wanted)
    theirs = torch.autograd.grad((generator.synthesize(ws, "w+") * along).sum(), wanted)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_matrices_are_the_filters():
    """On a map that is random along one axis: U x is what the resampler's transposed convolution gives."""
    for shape in small_stylegan3(32).architecture.shapes[:-1]:
        resampler = resampler_of(shape)
        up, down = filter_matrices(shape)
        assert up.shape == (resampler.fine, resampler.size_in)
        assert down.shape == (resampler.size_out, resampler.fine)
        fine = torch.randn(1, 1, resampler.fine, resampler.fine, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(down @ fine[0, 0] @ down.T, resampler.down(fine)[0, 0], atol=1e-5, rtol=1e-4)
        inside = up[up.shape[0] // 2]
        assert float(inside.sum()) == pytest.approx(1, abs=0.02)  # a constant stays one


def test_magnitudes_move_towards_the_mean_square_of_the_inputs_and_only_when_told():
    generator = small_stylegan3(16)
    ws = codes(generator)
    synthesize_batch(generator, ws, torch.float32)
    assert all(float(layer.magnitude) == pytest.approx(0.7) for _, layer in generator.synthesis.named_layers())
    x = generator.synthesis.input(generator.synthesis.styles(ws)[0], torch.eye(3))
    synthesize_batch(generator, ws, torch.float32, 0.75)
    first = generator.synthesis.named_layers()[0][1]
    assert float(first.magnitude) == pytest.approx(0.75 * 0.7 + 0.25 * float(x.square().mean()), rel=1e-5)
