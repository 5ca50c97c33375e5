import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.errors import GanvasError
from ganvas.metrics.distribution import (
    frechet_distance,
    gaussian_distance,
    kernel_mmd,
    kernel_sums,
    moments,
    principal_basis,
    symmetric_root,
)


def normal(rows: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def covariance(width: int, seed: int) -> torch.Tensor:
    factor = normal(width, width, seed)
    return factor @ factor.T + 0.1 * torch.eye(width, dtype=torch.float64)


def discrepancy_of_all_pairs(x: torch.Tensor, y: torch.Tensor) -> float:
    """The definition, pair by pair."""

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    within = [
        sum(kernel(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j) / (len(s) * (len(s) - 1))
        for s in (x, y)
    ]
    return sum(within) - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))


class TestKernelMMD:
    def test_equals_its_definition(self):
        x, y = normal(7, 5, 0), normal(9, 5, 1) + 0.5
        assert kernel_mmd(x, y).value == pytest.approx(discrepancy_of_all_pairs(x, y), rel=1e-12)

    def test_error_equals_the_jackknife_by_hand(self):
        x, y = normal(7, 5, 0), normal(9, 5, 1) + 0.5

        def spread(values: list[float]) -> float:
            return (len(values) - 1) / len(values) * float(np.sum((np.array(values) - np.mean(values)) ** 2))

        def without(rows: torch.Tensor, i: int) -> torch.Tensor:
            return torch.cat([rows[:i], rows[i + 1 :]])

        variance = spread([discrepancy_of_all_pairs(without(x, i), y) for i in range(7)])
        variance += spread([discrepancy_of_all_pairs(x, without(y, i)) for i in range(9)])
        assert kernel_mmd(x, y).error == pytest.approx(variance**0.5, rel=1e-9)

    def test_is_unbiased(self):
        pool = [kernel_mmd(normal(20, 8, 2 * seed), normal(30, 8, 2 * seed + 1)).value for seed in range(60)]
        assert abs(np.mean(pool)) < 3 * np.std(pool) / len(pool) ** 0.5

    def test_error_matches_the_spread_over_draws(self):
        pool = [kernel_mmd(normal(100, 8, 2 * seed), normal(100, 8, 2 * seed + 1) + 1) for seed in range(50)]
        measured = np.std([distance.value for distance in pool])
        assert np.mean([distance.error for distance in pool]) == pytest.approx(measured, rel=0.3)

    @settings(max_examples=20)
    @given(st.integers(3, 12), st.integers(3, 12), st.integers(1, 6), st.integers(0, 10**6))
    def test_is_symmetric_and_invariant_to_order_and_rotation(self, m: int, n: int, width: int, seed: int):
        x, y = normal(m, width, seed), normal(n, width, seed + 1)
        one, other = kernel_mmd(x, y), kernel_mmd(y, x)
        turn = torch.linalg.qr(normal(width, width, seed + 2)).Q
        turned = kernel_mmd(x.flip(0) @ turn, y @ turn)
        for distance in (other, turned):
            assert distance.value == pytest.approx(one.value, rel=1e-6, abs=1e-9)
            assert distance.error == pytest.approx(one.error, rel=1e-6, abs=1e-9)

    def test_detects_a_shift_a_scale_and_a_collapse(self):
        x = normal(200, 8, 0)
        same = kernel_mmd(x, normal(200, 8, 1))
        for y in (normal(200, 8, 2) + 0.5, 1.5 * normal(200, 8, 3), normal(8, 8, 4).repeat(25, 1)):
            assert kernel_mmd(x, y).value > max(0, same.value) + 5 * same.error

    def test_is_independent_of_the_block_size(self, monkeypatch: pytest.MonkeyPatch):
        x, y = normal(10, 4, 0), normal(11, 4, 1)
        whole = kernel_sums(x, y)
        monkeypatch.setattr("ganvas.metrics.distribution.ROWS", 3)
        torch.testing.assert_close(kernel_sums(x, y), whole)

    def test_is_printed_with_its_error(self):
        assert str(kernel_mmd(torch.zeros(3, 2), torch.zeros(4, 2))) == "0.0000 ± 0.0000"


class TestFrechetDistance:
    def test_of_shifted_gaussians_is_the_squared_shift(self):
        c = covariance(6, 0)
        distance = gaussian_distance(torch.zeros(6).double(), c, torch.full((6,), 2.0).double(), c)
        assert float(distance) == pytest.approx(6 * 4, rel=1e-9)

    def test_of_commuting_covariances_in_closed_form(self):
        a, b = torch.tensor([1.0, 4.0, 9.0]).double(), torch.tensor([4.0, 4.0, 1.0]).double()
        zero = torch.zeros(3).double()
        distance = gaussian_distance(zero, torch.diag(a), zero, torch.diag(b))
        assert float(distance) == pytest.approx(1 + 0 + 4, rel=1e-12)

    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_the_general_matrix_root(self, seed: int):
        a, b, mean = covariance(12, seed), covariance(12, seed + 10), normal(12, 1, seed).flatten()
        cross = np.trace(scipy.linalg.sqrtm((a @ b).numpy())).real
        expected = float(mean @ mean + a.trace() + b.trace()) - 2 * cross
        assert float(gaussian_distance(torch.zeros_like(mean), a, mean, b)) == pytest.approx(expected, rel=1e-9)

    def test_symmetric_root_of_a_singular_matrix_squares_to_it(self):
        factor = normal(6, 2, 0)
        root = symmetric_root(factor @ factor.T)
        torch.testing.assert_close(root @ root, factor @ factor.T)
        torch.testing.assert_close(root, root.T)

    def test_is_zero_for_equal_sets_and_complete_with_all_components(self):
        x, y = normal(50, 5, 0), 2 * normal(60, 5, 1) + 1
        assert float(frechet_distance(x, x)) == pytest.approx(0, abs=1e-9)
        whole = gaussian_distance(*moments(x), *moments(y))
        assert float(frechet_distance(x, y)) == pytest.approx(float(whole), rel=1e-9)

    def test_depends_on_the_components_of_the_real_set_alone(self):
        real = normal(100, 6, 0) * torch.tensor([5.0, 4.0, 3.0, 0.01, 0.01, 0.01]).double()
        fake = real.clone()
        fake[:, 5] += 10
        assert float(frechet_distance(real, fake, components=3)) < 0.01
        assert float(frechet_distance(real, fake, components=6)) == pytest.approx(100, rel=0.01)

    def test_principal_basis_is_orthonormal_and_as_large_as_possible(self):
        spread = moments(normal(50, 9, 0))[1]
        basis = principal_basis(spread, 64)
        assert basis.shape == (9, 9)
        torch.testing.assert_close(basis.T @ basis, torch.eye(9).double())
        values = torch.linalg.vecdot(basis.T @ spread, basis.T)
        assert (values.diff() <= 0).all()

    def test_moments_agree_with_numpy(self):
        x = normal(20, 4, 0)
        mean, spread = moments(x)
        np.testing.assert_allclose(mean, x.numpy().mean(0))
        np.testing.assert_allclose(spread, np.cov(x.numpy().T))


@pytest.mark.parametrize("distance", [kernel_mmd, frechet_distance])
class TestWrongInput:
    def test_features_of_other_widths_are_refused(self, distance):
        with pytest.raises(GanvasError, match=r"\[4, 3\] and \[4, 2\] cannot be compared"):
            distance(torch.zeros(4, 3), torch.zeros(4, 2))

    def test_too_few_images_are_refused(self, distance):
        with pytest.raises(GanvasError, match="1 and 4 images are too small"):
            distance(torch.zeros(1, 3), torch.zeros(4, 3))

    def test_features_that_are_not_finite_are_refused(self, distance):
        with pytest.raises(GanvasError, match="not finite"):
            distance(torch.zeros(4, 3), torch.full((4, 3), torch.nan))
