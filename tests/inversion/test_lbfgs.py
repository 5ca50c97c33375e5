"""L-BFGS: against scipy, against dense matrices, and by the conditions that define its line search."""

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganvas.inversion.lbfgs import LBFGSOptions, LinePoint, lbfgs, line_search, two_loop_recursion

Function = Callable[[Tensor], tuple[float, Tensor]]


def rosenbrock(x: Tensor) -> tuple[float, Tensor]:
    values = x.numpy()
    return float(scipy.optimize.rosen(values)), torch.from_numpy(scipy.optimize.rosen_der(values))


def quadratic(size: int, condition: float) -> Function:
    random = np.random.default_rng(0)
    axes, _ = np.linalg.qr(random.normal(size=(size, size)))
    matrix = torch.from_numpy(axes * np.geomspace(1, condition, size) @ axes.T)

    def call(x: Tensor) -> tuple[float, Tensor]:
        return float(x @ matrix @ x / 2), matrix @ x

    return call


def minimized(
    function: Function, x: Tensor, most: int, options: LBFGSOptions = LBFGSOptions()
) -> tuple[list[float], Tensor]:
    """Return all losses that were asked for, and the best vector."""
    search = lbfgs(x, options)
    asked, losses, best = next(search), [], (np.inf, x)
    for _ in range(most):
        loss, gradient = function(asked)
        losses.append(loss)
        best = min(best, (loss, asked), key=lambda pair: pair[0])
        try:
            asked = search.send((loss, gradient))
        except StopIteration:
            break
    return losses, best[1]


def test_rosenbrock_takes_at_most_half_as_many_evaluations_more_than_scipy():
    start = torch.full((10,), -1.0, dtype=torch.float64)
    losses, found = minimized(rosenbrock, start, 200)
    theirs = scipy.optimize.minimize(
        scipy.optimize.rosen, start.numpy(), jac=scipy.optimize.rosen_der, method="L-BFGS-B"
    )
    needed = next(number for number, loss in enumerate(losses) if loss < 1e-8)
    assert needed < 1.5 * theirs.nfev
    torch.testing.assert_close(found, torch.ones_like(found), atol=1e-3, rtol=0)


def test_a_quadratic_is_minimized_to_rounding():
    start = torch.ones(30, dtype=torch.float64)
    losses, _ = minimized(quadratic(30, 1000), start, 200, LBFGSOptions(history=30))
    assert min(losses) < 1e-15


def test_the_search_ends_by_itself_at_a_minimum():
    losses, found = minimized(quadratic(4, 10), torch.ones(4, dtype=torch.float64), 1000)
    assert len(losses) < 100
    assert found.norm() < 1e-6


def test_two_loop_recursion_is_the_dense_update():
    """Nocedal and Wright, Eq. 6.17: H' = (I - r s y^T) H (I - r y s^T) + r s s^T from H = s^T y / y^T y."""
    random = torch.Generator().manual_seed(0)
    spread = torch.randn(6, 6, generator=random, dtype=torch.float64)
    hessian = spread @ spread.T + torch.eye(6)
    pairs = deque((s, hessian @ s) for s in torch.randn(4, 6, generator=random, dtype=torch.float64))
    last_step, last_change = pairs[-1]
    inverse = torch.eye(6, dtype=torch.float64) * (last_step @ last_change) / (last_change @ last_change)
    for step, change in pairs:
        r = 1 / (step @ change)
        left = torch.eye(6) - r * torch.outer(step, change)
        inverse = left @ inverse @ left.T + r * torch.outer(step, step)
    gradient = torch.randn(6, generator=random, dtype=torch.float64)
    torch.testing.assert_close(two_loop_recursion(gradient, pairs), inverse @ gradient)


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4), st.floats(0.01, 30))
@settings(max_examples=60)
def test_a_long_line_search_meets_both_wolfe_conditions(point: list[float], length: float):
    x = torch.tensor(point, dtype=torch.float64)
    loss, gradient = rosenbrock(x)
    if gradient.norm() < 1e-3:
        return
    direction, options = -gradient / gradient.norm(), LBFGSOptions(line_steps=60)
    start = LinePoint(0.0, loss, float(gradient @ direction), gradient)
    search = line_search(x, direction, start, length, options)
    asked = next(search)
    while True:
        try:
            asked = search.send(rosenbrock(asked))
        except StopIteration as end:
            found = end.value
            break
    assert found is not None
    assert found.loss <= loss + 1e-4 * found.length * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_search_steps_back_from_values_that_are_not_finite(bad: float):
    """A loss that breaks down beyond |x| = 1 does not lead the search astray."""

    def function(x: Tensor) -> tuple[float, Tensor]:
        if x.norm() > 1:
            return bad, torch.full_like(x, bad)
        return float((x - 0.5).square().sum()), 2 * (x - 0.5)

    _, found = minimized(function, torch.zeros(2, dtype=torch.float64), 60, LBFGSOptions(first_step=4.0))
    torch.testing.assert_close(found, torch.full_like(found, 0.5), atol=1e-6, rtol=0)
