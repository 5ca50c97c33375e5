import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F

from ganvas.generators import ops

KERNEL = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


def insert_zeros(x: torch.Tensor) -> torch.Tensor:
    stretched = torch.zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3], dtype=x.dtype)
    stretched[..., ::2, ::2] = x
    return stretched


def test_upsample_is_zero_insertion_and_smoothing() -> None:
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = np.stack(
        [
            scipy.ndimage.convolve(plane, 4 * KERNEL.double().numpy(), mode="constant", origin=(-1, -1))
            for plane in insert_zeros(x)[0].numpy()
        ]
    )
    torch.testing.assert_close(ops.upsample(x, KERNEL.double())[0], torch.from_numpy(expected))


def test_upsample_keeps_an_asymmetric_kernel_the_right_way_round() -> None:
    taps = torch.rand(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    impulse = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    impulse[0, 0, 1, 1] = 1
    answer = ops.upsample(impulse, taps)[0, 0]
    torch.testing.assert_close(answer[1:5, 1:5], 4 * taps)
    assert answer.abs().sum() == (4 * taps).sum()


def test_upsample_of_a_constant_is_the_constant_inside() -> None:
    y = ops.upsample(torch.ones(1, 1, 6, 6), KERNEL)
    torch.testing.assert_close(y[..., 2:-2, 2:-2], torch.ones(1, 1, 8, 8))


def test_convolve_up_is_upsampling_by_the_kernel_of_a_full_convolution() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64, generator=generator)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, generator=generator)
    # Zero insertion, then a true convolution by the weight, then smoothing: the transposed convolution written out.
    spread = F.conv2d(F.pad(insert_zeros(x)[..., :-1, :-1], (2, 2, 2, 2)), weight.flip([2, 3]))
    expected = F.conv2d(F.pad(spread, (1, 1, 1, 1)), 4 * KERNEL.double().expand(4, 1, 4, 4), groups=4)
    torch.testing.assert_close(ops.convolve_up(x, weight.transpose(0, 1), KERNEL.double()), expected)


def test_demodulation_gives_unit_weights() -> None:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, generator=generator)
    style = torch.randn(2, 3, dtype=torch.float64, generator=generator)
    factors = ops.demodulation(weight.square().sum(dim=(2, 3)).T, style)
    modulated = weight[None] * style[:, None, :, None, None] * factors[:, :, None, None, None]
    torch.testing.assert_close(modulated.square().sum(dim=(2, 3, 4)), torch.ones(2, 4, dtype=torch.float64))


def test_derivative_of_demodulation_equals_forward_mode() -> None:
    generator = torch.Generator().manual_seed(4)
    energy = torch.rand(3, 4, dtype=torch.float64, generator=generator)
    style = torch.randn(1, 3, dtype=torch.float64, generator=generator)
    tangents = torch.randn(5, 3, dtype=torch.float64, generator=generator)
    jacobian = torch.func.jacrev(lambda s: ops.demodulation(energy, s))(style)[0, :, 0]
    factor = ops.demodulation(energy, style)
    torch.testing.assert_close(ops.demodulation_tangent(energy, style, factor, tangents), tangents @ jacobian.T)


def test_normalized_rows_have_second_moment_one() -> None:
    x = ops.normalize_second_moment(torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(5)))
    torch.testing.assert_close(x.square().mean(dim=1), torch.ones(3, dtype=torch.float64), rtol=1e-6, atol=0)


def test_slopes_are_the_derivative_of_the_clamped_leaky_relu() -> None:
    x = torch.tensor([-9.0, -1.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    y = ops.scaled_leaky(x * 1.0, clamp=1.5)
    (expected,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(ops.leaky_slopes(y.detach(), clamp=1.5), expected)
