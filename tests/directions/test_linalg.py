import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganvas.directions import linalg
from ganvas.directions.linalg import Ridge
from ganvas.errors import GanvasError


def positive(size: int, rank: int | None = None, seed: int = 0) -> torch.Tensor:
    """Return a random symmetric matrix with a spectrum of four decades, of this rank."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.standard_normal((size, size)))
    values = np.logspace(1, -3, size)
    if rank is not None:
        values[rank:] = 0
    return torch.from_numpy((basis * values) @ basis.T)


@pytest.mark.parametrize(("a", "rank"), [(1e-3, 5), (0.4, 5), (30.0, 12)])
def test_shifted_inverse_is_the_inverse(a: float, rank: int) -> None:
    b = positive(12, rank)
    v, d_squared = linalg.truncated_spectrum(b, rank)
    dense = torch.linalg.inv(b + a * torch.eye(12, dtype=torch.float64))
    torch.testing.assert_close(linalg.shifted_inverse(v, d_squared, a), dense, rtol=1e-9, atol=1e-9)


def test_the_printed_equation_twelve_is_not_the_inverse() -> None:
    a, b = 0.01, positive(12, 5)
    v, d_squared = linalg.truncated_spectrum(b, 5)
    printed = a * torch.eye(12, dtype=torch.float64) - (v * (d_squared / (a + d_squared))) @ v.T
    dense = torch.linalg.inv(b + a * torch.eye(12, dtype=torch.float64))
    assert (printed - dense).norm() > 0.8 * dense.norm()
    assert torch.linalg.eigvalsh(printed).min() < 0


def test_generalized_eigh_solves_and_agrees_with_scipy() -> None:
    a, b = positive(9, seed=1), positive(9, seed=2)
    values, vectors = linalg.generalized_eigh(a, b, 4)
    torch.testing.assert_close(a @ vectors, (b @ vectors) * values)
    torch.testing.assert_close(vectors.norm(dim=0), torch.ones(4, dtype=torch.float64))
    expected = scipy.linalg.eigh(a.numpy(), b.numpy(), eigvals_only=True)[::-1][:4]
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-10)


def test_generalized_eigh_refuses_a_singular_background() -> None:
    with pytest.raises(GanvasError, match="Use a ridge"):
        linalg.generalized_eigh(positive(9), positive(9, rank=4, seed=1), 3)


def test_low_rank_equals_dense_when_the_rank_is_exact() -> None:
    a, b, ridge = positive(10, seed=1), positive(10, rank=4, seed=2), 0.05
    values, vectors = linalg.low_rank_eigh(a, *linalg.truncated_spectrum(b, 4), ridge, 3)
    dense_values, dense_vectors = linalg.generalized_eigh(a, b + ridge * torch.eye(10, dtype=torch.float64), 3)
    torch.testing.assert_close(values, dense_values)
    torch.testing.assert_close((vectors * dense_vectors).sum(0).abs(), torch.ones(3, dtype=torch.float64))


def test_low_rank_needs_a_ridge() -> None:
    with pytest.raises(GanvasError, match="ridge above 0"):
        linalg.low_rank_eigh(positive(5), *linalg.truncated_spectrum(positive(5), 2), 0.0, 1)


@pytest.mark.parametrize("size", [5, 300])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_weighted_gram(size: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linalg, "PIXELS_AT_ONCE", 100)
    rng = torch.Generator().manual_seed(0)
    columns = torch.randn(size, 250, dtype=torch.float64, generator=rng).to(dtype)
    weights = torch.rand(250, generator=rng)
    exact = columns.double()
    torch.testing.assert_close(
        linalg.weighted_gram(columns, weights), (exact * weights) @ exact.T, rtol=1e-4, atol=1e-3
    )
    torch.testing.assert_close(linalg.weighted_gram(columns), exact @ exact.T, rtol=1e-4, atol=1e-3)


@given(rows=st.integers(1, 6), others=st.integers(1, 6), pixels=st.integers(1, 9))
@settings(max_examples=20)
def test_product_is_a_matrix_product(rows: int, others: int, pixels: int) -> None:
    a, b = torch.arange(rows * pixels).view(rows, -1).float(), torch.arange(others * pixels).view(others, -1).float()
    torch.testing.assert_close(linalg.product(a, b), a @ b.T)


def test_quotients_are_the_eigenvalues() -> None:
    a, b = positive(6, seed=3), positive(6, seed=4)
    values, vectors = linalg.generalized_eigh(a, b, 6)
    torch.testing.assert_close(linalg.rayleigh_quotients(a, b, vectors), values)


def test_quotients_over_rounding_are_large_and_positive():
    a, b = torch.eye(3, dtype=torch.float64), torch.diag(torch.tensor([1.0, 1e-12, -1e-12], dtype=torch.float64))
    found = linalg.rayleigh_quotients(a, b, torch.eye(3, dtype=torch.float64))
    assert found[0] == 1
    assert (found[1:] == found[1]).all()
    assert 1e6 < found[1] < 1e7


def test_signs() -> None:
    vectors = torch.tensor([[0.1, 0.9], [-0.8, 0.2]])
    assert torch.equal(linalg.fix_signs(vectors), torch.tensor([[-0.1, 0.9], [0.8, 0.2]]))
    assert torch.equal(linalg.fix_signs(linalg.fix_signs(-vectors)), linalg.fix_signs(vectors))


def test_ridge() -> None:
    b = positive(8)
    assert Ridge(1e-3).amount(b) == pytest.approx(1e-3 * float(b.trace()))
    assert Ridge(0.008, of="mean").amount(b) == pytest.approx(Ridge(1e-3).amount(b))
    assert [str(ridge) for ridge in (Ridge(), Ridge(0.5, of="mean"), linalg.NO_RIDGE)] == [
        "0.001 of the trace",
        "0.5 of the mean eigenvalue",
        "none",
    ]


@pytest.mark.parametrize("settings", [{"tau": -1.0}, {"tau": float("nan")}, {"tau": float("inf")}, {"of": "max"}])
def test_ridges_that_are_none(settings: dict) -> None:
    with pytest.raises(GanvasError, match=r"not possible|not known"):
        Ridge(**settings)


def test_a_background_singular_within_float32_is_refused() -> None:
    b = positive(9, rank=8) + 1e-9 * torch.eye(9, dtype=torch.float64)
    with pytest.raises(GanvasError, match="Use a ridge"):
        linalg.require_definite(b)
    linalg.require_definite(positive(9))
