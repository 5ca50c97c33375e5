"""The matrix-free search: against the dense solution by SciPy, against known directions, and on small generators."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import scipy.linalg
import torch
from torch import Tensor

from ganvas.directions import matrix_free, resefa
from ganvas.directions.find import find_directions
from ganvas.directions.jacobian import JacobianPlan
from ganvas.directions.linalg import NO_RIDGE, Ridge
from ganvas.directions.matrix_free import Problem, Sketch, State, search
from ganvas.directions.resefa import ReSeFa
from ganvas.directions.solver import MatrixFreePlan
from ganvas.errors import GanvasError
from ganvas.latents.latent import sample
from ganvas.regions import Region
from tests.fakes import LayeredGenerator
from tests.generators.small import small_stylegan2

pytestmark = pytest.mark.usefixtures("one_thread")
FREE, DENSE = ReSeFa(solver="matrix-free"), ReSeFa(solver="dense")
REGION = Region.box(0.2, 0.2, 0.6, 0.6)


@pytest.fixture(autouse=True)
def no_stds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no samples of the spaces, which would take longer than the searches."""
    monkeypatch.setattr(resefa, "draw_samples", lambda *_: None)


def problem_of(size: int, falls_to: float = 0.05, *, seed: int = 0, **settings: object) -> tuple[Problem, Tensor]:
    """Return a problem with a J whose columns fall in strength, and that J [p, d]."""
    random = torch.Generator().manual_seed(seed)
    turned, _ = torch.linalg.qr(torch.randn(size, size, generator=random, dtype=torch.float64))
    strengths = falls_to ** torch.linspace(0, 1, size, dtype=torch.float64).sqrt()
    j = torch.randn(3 * size, size, generator=random, dtype=torch.float64) * strengths @ turned
    inside = torch.rand(3 * size, generator=random, dtype=torch.float64).square()
    masks = inside / inside.sum(), (1 - inside) / (1 - inside).sum()
    return Problem(size, lambda v: v.double() @ j.T, lambda u: u @ j, *masks, **settings), j  # pyrefly: ignore


def dense(problem: Problem, j: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return SciPy's values and unit vectors of Eq. 11, A, and w B + a I."""
    a, b = (j.T @ (weights[:, None] * j) for weights in (problem.foreground, problem.background))
    shifted = problem.weight * b + problem.shift(float(b.trace())) * torch.eye(len(b), dtype=b.dtype)
    values, vectors = scipy.linalg.eigh(a.numpy(), shifted.numpy())
    best = torch.from_numpy(vectors[:, ::-1][:, :count].copy())
    return torch.from_numpy(values[::-1][:count].copy()), best / best.norm(dim=0), a, shifted


def last(problem: Problem, count: int) -> State:
    *_, state = search(problem, count)
    return state


def largest_angle(a: Tensor, b: Tensor) -> float:
    """Return the largest angle between the spans of columns, in degrees."""
    return float(torch.rad2deg(torch.tensor(scipy.linalg.subspace_angles(a.numpy(), b.numpy())).max()))


@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
@pytest.mark.parametrize("ridge", [Ridge(0.5, of="mean"), Ridge(0.02, of="mean"), Ridge(1e-3)])
def test_values_and_subspace_are_those_of_the_dense_problem(ridge: Ridge, weight: float) -> None:
    problem, j = problem_of(240, ridge=ridge, weight=weight)
    values, vectors, a, shifted = dense(problem, j, 6)
    found = last(problem, 6).vectors[:, :6]
    quotients = (found * (a @ found)).sum(0) / (found * (shifted @ found)).sum(0)
    torch.testing.assert_close(quotients, values, rtol=1e-3, atol=0)
    assert largest_angle(found, vectors) < 2
    torch.testing.assert_close(found.norm(dim=0), torch.ones(6, dtype=torch.float64))


def test_values_include_the_exact_ridge_where_the_subspace_is_everything() -> None:
    problem, j = problem_of(20, ridge=Ridge(0.1, of="mean"))
    values, vectors, *_ = dense(problem, j, 5)
    state = last(problem, 5)
    torch.testing.assert_close(state.values[:5], values, rtol=1e-8, atol=0)
    assert largest_angle(state.vectors[:, :5], vectors) < 1e-4


def test_values_differ_from_the_dense_ones_by_the_estimate_of_the_trace_alone() -> None:
    problem, j = problem_of(240, ridge=Ridge(0.5, of="mean"))
    values, *_ = dense(problem, j, 6)
    torch.testing.assert_close(last(problem, 6).values[:6], values, rtol=0.02, atol=0)


def known_problem(size: int = 60, **settings: object) -> Problem:
    """Return a problem whose k-th strongest direction is the k-th coordinate: each moves one value inside, the first
    ones more, and one outside, all the same.
    """
    strengths = torch.linspace(3, 1, size, dtype=torch.float64)
    inside = torch.cat([torch.ones(size), torch.zeros(size)]).double() / size
    return Problem(
        size,
        lambda v: torch.cat([v.double() * strengths, v.double()], 1),
        lambda u: u[:, :size] * strengths + u[:, size:],
        inside,
        inside.flip(0),
        **settings,  # pyrefly: ignore
    )


def test_known_directions_are_found() -> None:
    state = last(known_problem(), 4)
    expected = torch.eye(60, dtype=torch.float64)[:, :4]
    assert ((state.vectors[:, :4] * expected).sum(0).abs() > 0.999).all()
    torch.testing.assert_close(
        state.values[:4], torch.linspace(3, 1, 60).double()[:4].square() / 1.06, rtol=0.01, atol=0
    )


@pytest.mark.parametrize("seed", range(2))
def test_the_preconditioner_saves_steps_where_memory_is_short(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, _ = problem_of(200, seed=seed, ridge=Ridge(0.1, of="mean"), held=36)
    steps = sum(1 for _ in search(problem, 4))
    monkeypatch.setattr(Sketch, "solve", lambda self, rows, weight, a: rows / a)
    without = sum(1 for _ in search(problem, 4))
    assert steps < 0.8 * without


def test_the_sketch_is_equation_12_of_the_background() -> None:
    problem, j = problem_of(12)
    rows = matrix_free.random_rows(problem, problem.background, 4000, torch.Generator().manual_seed(1))
    b = j.T @ (problem.background[:, None] * j)
    sketch = matrix_free.sketch_of(rows, float(b.trace()))
    exact = torch.linalg.inv(b + 0.1 * b.trace() * torch.eye(12))
    found = sketch.solve(torch.eye(12, dtype=torch.float64), 1.0, 0.1 * float(b.trace()))
    torch.testing.assert_close(found, exact, rtol=0, atol=0.05 * float(exact.max()))


def test_the_trace_is_estimated_without_bias_and_better_in_a_better_subspace() -> None:
    problem, j = problem_of(240)
    trace = float((problem.background[:, None] * j.square()).sum())
    subspaces = [state.subspace for state in search(problem, 4)]
    errors = []
    for subspace in (subspaces[0], subspaces[-1]):
        rows = (
            matrix_free.random_rows(problem, problem.background, 32, torch.Generator().manual_seed(s))
            for s in range(30)
        )
        errors.append(torch.tensor([matrix_free.trace_of(subspace, some) / trace - 1 for some in rows]))
    assert errors[0].mean().abs() < 0.02
    assert errors[1].std() < errors[0].std() < 0.06


def test_steps_keep_what_has_settled_and_cost_less_and_less() -> None:
    problem, _ = problem_of(240, ridge=Ridge(0.1, of="mean"))
    pulled: list[int] = []
    counted = replace(problem, pull=lambda u: (pulled.append(len(u)), problem.pull(u))[1])
    states = list(search(counted, 8))
    assert len(pulled) > len(states)
    steps = pulled[-len(states) :]
    assert steps[0] == 8 + matrix_free.GUARDS
    assert steps[-1] < steps[0]
    assert (states[-1].residuals[:8] <= matrix_free.TOLERANCE).all()


def test_few_images_in_memory_give_the_same_directions() -> None:
    problem, j = problem_of(240, ridge=Ridge(0.1, of="mean"))
    few = replace(problem, held=40)
    states = list(search(few, 4))
    assert max(len(state.subspace.vectors) for state in states) <= 40
    assert largest_angle(states[-1].vectors[:, :4], dense(problem, j, 4)[1]) < 2


def test_images_in_float16_give_the_same_directions_and_growth_copies_none() -> None:
    problem, j = problem_of(240, ridge=Ridge(0.1, of="mean"))
    states = list(search(replace(problem, dtype=torch.float16), 4))
    assert largest_angle(states[-1].vectors[:, :4], dense(problem, j, 4)[1]) < 1
    assert states[-1].values[:4].tolist() == pytest.approx(last(problem, 4).values[:4].tolist(), rel=5e-4)
    assert len({state.subspace.store.data_ptr() for state in states}) == 1
    first = states[0].subspace  # what came later has written behind it
    images = problem.push(first.vectors)
    assert torch.allclose(first.combined(torch.eye(len(images), dtype=torch.float64)).double(), images, atol=2e-3)


def test_more_directions_than_the_region_has_values() -> None:
    problem, j = problem_of(60)
    one_value = torch.zeros_like(problem.foreground)
    one_value[7] = 1
    state = last(replace(problem, foreground=one_value), 40)
    assert state.vectors.shape == (60, 40 + matrix_free.GUARDS)
    expected = dense(replace(problem, foreground=one_value), j, 1)[1]
    assert float((state.vectors[:, 0] * expected[:, 0]).sum().abs()) > 0.999


def test_what_does_not_converge_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_free, "STEPS", 2)
    with pytest.raises(GanvasError, match="has not converged after 2 steps"):
        list(search(problem_of(240, ridge=Ridge(1e-3, of="mean"))[0], 4))


def test_no_ridge_is_refused() -> None:
    with pytest.raises(GanvasError, match="needs a ridge above 0"):
        list(search(problem_of(10, ridge=NO_RIDGE)[0], 4))


def angle_of(found: Tensor, expected: Tensor) -> float:
    return largest_angle(found.flatten(1).T.double(), expected.flatten(1).T.double())


SEARCHES: dict[str, Callable[[ReSeFa], ReSeFa]] = {
    "plain": lambda method: method,
    "ignore band": lambda method: replace(method, ignore_band=0.1),
    "band": lambda method: replace(method, band=0.2, ignore_band=0.05),
    "half the background": lambda method: replace(method, background_weight=0.5),
    "luma at 8 px": lambda method: replace(method, channels="luma", resolution=8),
    "a ridge of its own": lambda method: replace(method, ridge=Ridge(0.01)),
}


@pytest.mark.parametrize("settings", SEARCHES)
def test_all_settings_mean_what_they_mean_to_the_dense_solver(settings: str) -> None:
    generator = LayeredGenerator(width=20)
    latent = sample(generator, [1], truncation=0.7)
    exact, found = (
        find_directions(generator, latent, REGION, space="w+", count=3, method=SEARCHES[settings](method))
        for method in (DENSE, FREE)
    )
    torch.testing.assert_close(found.eigenvalues, exact.eigenvalues, rtol=0.03, atol=0)
    torch.testing.assert_close(found.predicted_ratios, exact.predicted_ratios, rtol=0.03, atol=0)


@pytest.mark.parametrize("space", ["w+", "s"])
def test_directions_of_a_generator_are_the_dense_ones(space: str) -> None:
    generator = small_stylegan2(8, width=24, channels=20)
    latent = sample(generator, [1], truncation=0.7)
    exact, found = (
        find_directions(generator, latent, REGION, space=space, count=2, method=method) for method in (DENSE, FREE)
    )
    assert angle_of(found.vectors, exact.vectors) < 2
    torch.testing.assert_close(found.eigenvalues, exact.eigenvalues, rtol=0.03, atol=0)
    torch.testing.assert_close(found.predicted_ratios, exact.predicted_ratios, rtol=0.01, atol=0)
    assert found.vectors.shape == exact.vectors.shape
    assert found.layers == exact.layers


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["1-2", None])
def test_several_latents_and_some_layers(layers: str | None) -> None:
    generator = small_stylegan2(8, width=24)
    latent = sample(generator, [1, 2, 3], truncation=0.7)
    exact, found = (
        find_directions(generator, latent, REGION, space="w+", layers=layers, count=2, method=method)
        for method in (DENSE, FREE)
    )
    assert angle_of(found.vectors, exact.vectors) < 2
    if layers:
        assert found.vectors[:, [0, 3]].abs().max() == 0


def test_each_image_counts_by_its_own_mask_and_not_where_it_lacks_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = LayeredGenerator(width=20)
    regions = REGION, Region.box(0.4, 0.5, 0.9, 0.9)
    masks = [ReSeFa().masks(regions[0], 8), None, ReSeFa().masks(regions[1], 8)]
    monkeypatch.setattr(ReSeFa, "masks_in", lambda *_: masks)
    latent = sample(generator, [1, 2, 3])
    exact, found = (find_directions(generator, latent, REGION, space="w+", count=2, method=m) for m in (DENSE, FREE))
    torch.testing.assert_close(found.eigenvalues, exact.eigenvalues, rtol=0.03, atol=0)
    torch.testing.assert_close(found.predicted_ratios, exact.predicted_ratios, rtol=0.03, atol=0)
    assert torch.equal(found.mask, exact.mask)


def test_the_search_is_deterministic() -> None:
    generator = small_stylegan2(8, width=24)
    once, again = (find_directions(generator, sample(generator, [1]), REGION, method=FREE, space="s") for _ in "ab")
    assert torch.equal(once.vectors, again.vectors)
    assert once.origin == again.origin


def test_what_costs_less_is_chosen() -> None:
    large = LayeredGenerator(width=600)
    assert isinstance(ReSeFa().choose(large, "w+"), MatrixFreePlan)
    assert isinstance(ReSeFa().choose(LayeredGenerator(width=512), "w"), JacobianPlan)
    assert isinstance(ReSeFa().choose(LayeredGenerator(width=512), "w+", "1"), JacobianPlan)
    assert isinstance(ReSeFa().choose(large, "w+", count=100), JacobianPlan)
    assert isinstance(ReSeFa().choose(large, "w+", regions=5), JacobianPlan)
    assert isinstance(ReSeFa(ridge=0).choose(large, "w+"), JacobianPlan)
    assert isinstance(ReSeFa(rank=5).choose(large, "w+"), JacobianPlan)
    assert isinstance(ReSeFa(compat="official").choose(large, "w"), JacobianPlan)
    assert isinstance(DENSE.choose(large, "w+"), JacobianPlan)
    assert isinstance(FREE.choose(large, "w"), MatrixFreePlan)
    half = ReSeFa(budget=80 * 4 * 192).choose(large, "w+")
    assert isinstance(half, MatrixFreePlan)
    assert (half.dtype, half.held) == (torch.float16, 160)
    few = ReSeFa(budget=35 * 4 * 192)
    assert isinstance(few.choose(large, "w+"), JacobianPlan)
    with pytest.raises(GanvasError, match="cannot hold the 72 changes"):
        replace(few, solver="matrix-free").choose(large, "w+")


def test_the_result_says_how_it_was_found() -> None:
    generator = LayeredGenerator()
    found, exact = (
        find_directions(generator, sample(generator, [1]), REGION, method=m, space="w+") for m in (FREE, DENSE)
    )
    assert "method resefa (matrix-free)" in repr(found)
    assert found.origin.solver.startswith("matrix-free (")
    assert ("solver", found.origin.solver) in found.origin.facts()
    assert exact.origin.solver == "dense"
    assert found.origin.ridge == exact.origin.ridge == "0.5 of the mean eigenvalue"


def test_progress_grows_to_its_total() -> None:
    generator, seen = LayeredGenerator(), []
    latent = sample(generator, [1, 2])
    report = lambda what, done, total: seen.append((what, done, total))  # noqa: E731
    FREE.find(generator, latent, {"a": REGION, "b": Region.box(0, 0, 0.5, 0.5)}, space="w+", progress=report)
    assert {what for what, *_ in seen} == {"Computing derivatives"}
    assert seen[-1][1] == seen[-1][2]
    assert len(seen) > 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "fast"}, "'fast' is not known"),
        ({"solver": "matrix-free", "rank": 4}, "no rank"),
        ({"solver": "matrix-free", "compat": "official"}, "no rank and no compat"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(GanvasError, match=message):
        ReSeFa(**settings)


def test_a_matrix_free_search_without_a_ridge_is_refused() -> None:
    generator = LayeredGenerator()
    with pytest.raises(GanvasError, match="needs a ridge above 0"):
        find_directions(generator, sample(generator, [1]), REGION, method=replace(FREE, ridge=0), space="w+")
