"""Eq. 11 of ReSeFa, ``A n = value (w B + a I) n``, without A, B and J: only by products with J and with its transpose.

Each step of `search` is a Rayleigh-Ritz step in a growing subspace (a block version of Davidson's method):

1. With an orthonormal basis S of the subspace and its images J S^T held, the Gram matrices within it are small and
   exact. The best n of the subspace solve Eq. 11 for them; w is the weight of the background, 1 in the paper.
2. The residual of each, ``J^T ((f - value w b) * J n) - value a n`` with f and b the masks as weights of a mean, costs
   one product with the transpose: A n and B n are not needed apart.
3. Residuals are multiplied by about ``(w B + a I)^-1``: Eq. 12 in its correct form, with V and D^2 from random rows of
   J_b (a sketch). What is new in them joins S, for one product with J each.

The ridge is a share of the trace of B. The subspace soon holds most of that; further random rows estimate the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.directions import linalg
from ganvas.directions.linalg import Ridge, product
from ganvas.errors import GanvasError

SKETCHED = 64  # random rows of J_b that make the sketch
RESERVED = 32  # others, which estimate the trace
STARTED = 24  # strongest directions of the sketch, with which the subspace begins
REFINED = 5  # steps in which the estimate of the trace improves
GUARDS = 2  # directions beyond those asked for: the last of a block converges late
TOLERANCE = 3e-3  # of a residual relative to its value, which is then off by about 1e-5 of itself
WEAK = 1e-3  # values below this share of the strongest are found to the same precision as one of it
SETTLED = TOLERANCE / 10  # change of a settled value with which another direction has taken its place
STEPS = 150
ROWS_AT_ONCE = 16
PART = 65536  # pixels whose images are multiplied at once
DEPENDENT = 1e-7  # of a unit vector is left when all else of it lies in the subspace


@dataclass(frozen=True)
class Problem:
    """The products with J, and what counts: ``A = J^T diag(foreground) J``, B likewise.

    ``push`` takes vectors [k, d] to changes of images [k, p], ``pull`` those back by the transpose. `held` is how many
    images may be kept, in `dtype`.
    """

    size: int
    push: Callable[[Float[Tensor, "k d"]], Float[Tensor, "k p"]]
    pull: Callable[[Float[Tensor, "k p"]], Float[Tensor, "k d"]]
    foreground: Float[Tensor, "p"]
    background: Float[Tensor, "p"]
    ridge: Ridge = Ridge()
    weight: float = 1.0
    held: int = 1000
    dtype: torch.dtype = torch.float32

    def shift(self, trace: float) -> float:
        """Return ``a`` where B has this trace: the ridge, and what a weight below 1 puts in the place of B."""
        return self.ridge.share(trace, self.size) + (1 - self.weight) * trace / self.size


@dataclass(frozen=True)
class Subspace:
    """Orthonormal `vectors`, their images J S^T in the first rows of a `store`, and A and B within the subspace.

    A subspace that grows shares its store with the one that it came from: nothing is copied.
    """

    vectors: Float[Tensor, "m d"]
    store: Float[Tensor, "held p"]
    inside: Float[Tensor, "m m"]
    outside: Float[Tensor, "m m"]

    def combined(self, coefficients: Float[Tensor, "m k"]) -> Float[Tensor, "k p"]:
        """Return the images of combinations of the vectors, in float32."""
        known = self.store[: len(self.vectors)]
        rows = coefficients.T.to(known.device, torch.float32)
        return torch.cat([rows @ known[:, part].float() for part in _parts(known)], dim=1)


@dataclass(frozen=True)
class Sketch:
    """What random rows tell of B: its strongest eigenvectors and eigenvalues, and the mean of its other eigenvalues."""

    v: Float[Tensor, "d r"]
    d_squared: Float[Tensor, "r"]
    rest: float

    def solve(self, rows: Float[Tensor, "k d"], weight: float, a: float) -> Float[Tensor, "k d"]:
        """Return about ``(w B + a I)^-1`` times each row: Eq. 12, where what the sketch misses counts as its mean."""
        above = (self.d_squared - self.rest).clamp_min(0)
        return linalg.times_shifted_inverse(rows.T, self.v, weight * above, a + weight * self.rest).T


@dataclass(frozen=True)
class State:
    """The best of a subspace after a step at the ridge `a`: unit `vectors`, `values` (ridge included), `residuals`
    relative to them (infinite before they are known), and the candidates that join the subspace in the next step.
    """

    subspace: Subspace
    a: float
    vectors: Float[Tensor, "d k"]
    values: Float[Tensor, "k"]
    residuals: Float[Tensor, "k"]
    candidates: Float[Tensor, "c d"]


def search(problem: Problem, count: int) -> Iterator[State]:
    """Yield the state after each step, until the residuals of the `count` strongest are within `TOLERANCE`; a few more
    directions than these are in work.

    Raises `GanvasError` without a ridge, for then the inverse has no bound, and where the search does not converge.
    """
    sketch, reserved, state = begin(problem, min(count + GUARDS, problem.size))
    for number in range(STEPS):
        a = problem.shift(trace_of(state.subspace, reserved)) if number < REFINED else state.a
        state = step(problem, sketch, a, state)
        yield state
        if bool((state.residuals[:count] <= TOLERANCE).all()):
            return
    residual = float(state.residuals[:count].max())
    raise GanvasError(
        f"The matrix-free search has not converged after {STEPS} steps (residual {residual:.1g}); use a larger ridge, "
        "or the dense solver."
    )


def begin(problem: Problem, block: int) -> tuple[Sketch, Float[Tensor, "q d"], State]:
    """Return the sketch, the rows reserved for the trace, and a first state for `block` directions: its subspace holds
    what changes the background most, and random mixtures of what changes the foreground, by the preconditioner.
    """
    random = torch.Generator().manual_seed(0)
    rows = random_rows(problem, problem.background, SKETCHED, random)
    reserved = random_rows(problem, problem.background, RESERVED, random)
    subspace = grow(problem, _nothing(problem), torch.linalg.svd(rows, full_matrices=False)[2][:STARTED])
    trace = trace_of(subspace, reserved)
    sketch, a = sketch_of(rows, trace), problem.shift(trace)
    if a <= 0:
        raise GanvasError(
            "A matrix-free search needs a ridge above 0 (for example 1e-3), and a background that changes."
        )
    mixtures = random_rows(problem, problem.foreground, block, random)
    subspace = grow(problem, subspace, sketch.solve(mixtures, problem.weight, a))
    lacking = torch.randn(max(0, block - len(subspace.vectors)), problem.size, generator=random, dtype=torch.float64)
    unknown = torch.full((block,), torch.inf, dtype=torch.float64)
    return sketch, reserved, State(subspace, a, lacking.new_zeros(problem.size, block), unknown, unknown, lacking)


def step(problem: Problem, sketch: Sketch, a: float, state: State) -> State:
    """Let the candidates join the subspace, and return its best with residuals, except of those that have settled."""
    block = len(state.values)
    subspace = grow(problem, state.subspace, state.candidates)
    values, best, energy = ritz(problem, subspace, a, 2 * block)
    if len(subspace.vectors) + block > problem.held:
        subspace, best = cut(subspace, best)
    values, best, energy = values[:block], best[:, :block], energy[:block]
    vectors, residuals = subspace.vectors.T @ best, state.residuals.clone()
    settled = (residuals <= TOLERANCE) & ((values - state.values).abs() <= SETTLED * values) & (a == state.a)
    images = subspace.combined(best[:, ~settled])
    remainders = remainder(problem, a, values[~settled], vectors[:, ~settled].T, images)
    candidates = sketch.solve(remainders, problem.weight, a)
    scale = values[~settled].clamp_min(max(WEAK * float(values[0]), torch.finfo(torch.float64).tiny))
    squares = (remainders * candidates).sum(1).clamp_min(0)  # r^T (w B + a I)^-1 r, which bounds the value's error
    residuals[~settled] = squares.sqrt() / (scale * energy[~settled].sqrt())
    return State(subspace, a, vectors, values, residuals, candidates[residuals[~settled] > TOLERANCE])


def random_rows(
    problem: Problem, weights: Float[Tensor, "p"], count: int, random: torch.Generator
) -> Float[Tensor, "k d"]:
    """Return ``J^T (sqrt(weights) * g)`` for normal g: the mean of their outer products is ``J^T diag(weights) J``."""
    rows = []
    for first in range(0, count, ROWS_AT_ONCE):
        noise = torch.randn(min(ROWS_AT_ONCE, count - first), len(weights), generator=random)
        rows.append(problem.pull(noise.to(weights) * weights.sqrt()).cpu().double())
    return torch.cat(rows)


def trace_of(subspace: Subspace, reserved: Float[Tensor, "q d"]) -> float:
    """Return about the trace of B: what the subspace has of it exactly, the rest by random rows that had no part in the
    subspace.
    """
    beyond = reserved - reserved @ subspace.vectors.T @ subspace.vectors
    return float(subspace.outside.trace() + beyond.square().sum(1).mean())


def sketch_of(rows: Float[Tensor, "q d"], trace: float) -> Sketch:
    """Return the strongest eigenvectors and eigenvalues of B, of this trace, from its random rows.

    By chance, q rows add to each eigenvalue about a q-th of all weaker ones; that is taken off again.
    """
    _, singular, v = torch.linalg.svd(rows / len(rows) ** 0.5, full_matrices=False)
    squares = singular.square()
    weaker = squares.flip(0).cumsum(0).flip(0)
    d_squared = (squares - weaker / len(rows)).clamp_min(0)
    others = max(1, rows.shape[1] - len(v))
    return Sketch(v.T, d_squared, max(0.0, trace - float(d_squared.sum())) / others)


def grow(problem: Problem, subspace: Subspace, candidates: Float[Tensor, "k d"]) -> Subspace:
    """Return the subspace with what is new in the candidates, for one product with J each."""
    new = orthonormal(candidates, subspace.vectors)
    if not len(new):
        return subspace
    images, vectors = problem.push(new), torch.cat([subspace.vectors, new])
    subspace.store[len(subspace.vectors) : len(vectors)] = images
    every = subspace.store[: len(vectors)]
    inside, outside = _weighted_products(images, (problem.foreground, problem.background), every)
    return Subspace(vectors, subspace.store, _bordered(subspace.inside, inside), _bordered(subspace.outside, outside))


def _weighted_products(
    images: Float[Tensor, "k p"], weightings: Sequence[Float[Tensor, "p"]], every: Float[Tensor, "m p"]
) -> list[Float[Tensor, "k m"]]:
    """Return ``images diag(weights) every^T`` for each weighting, a part of the pixels after the other: this needs no
    copy of all, reads each part once, and leaves out a part without weight, as most are of a region's.
    """
    rows = [torch.zeros(len(images), len(every), dtype=torch.float64) for _ in weightings]
    for part in _parts(every):
        known = every[:, part].to(images).contiguous()
        for found, weights in zip(rows, weightings, strict=True):
            if bool(weights[part].any()):
                found += product(images[:, part] * weights[part], known).cpu().double()
    return rows


def _parts(images: Float[Tensor, "m p"]) -> list[slice]:
    return [slice(first, first + PART) for first in range(0, images.shape[1], PART)]


def orthonormal(candidates: Float[Tensor, "k d"], vectors: Float[Tensor, "m d"]) -> Float[Tensor, "j d"]:
    """Return an orthonormal basis of what the candidates have beyond the span of orthonormal `vectors`."""
    rows = F.normalize(candidates, dim=1)
    for _ in range(2):  # twice is enough
        rows = rows - rows @ vectors.T @ vectors
        rows = F.normalize(rows[rows.norm(dim=1) > DEPENDENT], dim=1)
    basis, triangle = torch.linalg.qr(rows.T)
    return basis[:, triangle.diagonal().abs() > DEPENDENT].T


def ritz(
    problem: Problem, subspace: Subspace, a: float, count: int
) -> tuple[Float[Tensor, "k"], Float[Tensor, "m k"], Float[Tensor, "k"]]:
    """Solve Eq. 11 within the subspace: values, coefficients of unit vectors, and ``n^T (w B + a I) n`` of each."""
    shifted = problem.weight * subspace.outside + a * torch.eye(len(subspace.outside), dtype=torch.float64)
    values, best = linalg.generalized_eigh(subspace.inside, shifted, count)
    return values, best, (best * (shifted @ best)).sum(0)


def remainder(
    problem: Problem,
    a: float,
    values: Float[Tensor, "k"],
    vectors: Float[Tensor, "k d"],
    images: Float[Tensor, "k p"],
) -> Float[Tensor, "k d"]:
    """Return ``A n - value (w B + a I) n`` for each row n of `vectors`, whose images J n are known."""
    weights = problem.foreground - values[:, None].to(images) * (problem.weight * problem.background)
    return problem.pull(images * weights).cpu().double() - a * values[:, None] * vectors


def cut(subspace: Subspace, best: Float[Tensor, "m k"]) -> tuple[Subspace, Float[Tensor, "k k"]]:
    """Return the subspace of its best alone, to save memory, with their coefficients in it."""
    basis, coefficients = torch.linalg.qr(best)
    inside, outside = (basis.T @ gram @ basis for gram in (subspace.inside, subspace.outside))
    store = torch.empty_like(subspace.store)
    store[: basis.shape[1]] = subspace.combined(basis)
    return Subspace(basis.T @ subspace.vectors, store, inside, outside), coefficients


def _nothing(problem: Problem) -> Subspace:
    gram = torch.zeros(0, 0, dtype=torch.float64)
    vectors = torch.zeros(0, problem.size, dtype=torch.float64)
    held = min(problem.held, problem.size)
    store = torch.empty(held, len(problem.foreground), dtype=problem.dtype, device=problem.foreground.device)
    return Subspace(vectors, store, gram, gram)


def _bordered(gram: Float[Tensor, "m m"], rows: Float[Tensor, "k n"]) -> Float[Tensor, "n n"]:
    """Return a symmetric matrix with new last rows."""
    known = len(gram)
    side, corner = rows[:, :known], rows[:, known:]
    return torch.cat([torch.cat([gram, side.T], 1), torch.cat([side, (corner + corner.T) / 2], 1)])
