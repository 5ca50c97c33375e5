"""PandA: its gradient, its separable solution, and parts and appearances that are known."""

import pytest
import torch

import ganvas
from ganvas.directions import panda
from ganvas.directions.query import Query
from ganvas.errors import LatentError
from ganvas.generators.base import IMAGE, Conditions, Painted, Request
from ganvas.io.progress import silent
from ganvas.latents.spaces import to_space
from tests.fakes import LinearGenerator
from tests.generators.small import small_stylegan2

SIDE = 8
LEFT, TOP = ganvas.Region.box(0, 0.5, 0.5, 1), ganvas.Region.box(0, 0, 1, 0.5)
REST = ganvas.Region.box(0.5, 0.5, 1, 1)
AREAS = LEFT, TOP, REST


class PartsAndAppearances(LinearGenerator):
    """A generator whose features are ``sum z_jk a_j p_k^T``: 4 appearances by 3 disjoint parts, whose codes
    are rotated; its image is a linear function of them.
    """

    feature_names = ("map",)

    def __init__(self) -> None:
        super().__init__(12, SIDE)
        random = torch.Generator().manual_seed(3)
        self.appearances = torch.linalg.qr(torch.randn(5, 5, generator=random))[0][:, :4]
        self.parts = torch.stack([area.mask(SIDE, SIDE)[0] for area in AREAS])
        sizes = torch.tensor([4.0, 3.0, 2.0, 1.0])
        effects = torch.einsum("j,cj,khw->jkchw", sizes, self.appearances, self.parts)
        self.rotation = torch.linalg.qr(torch.randn(12, 12, generator=random))[0]
        self.effects = effects.flatten(0, 1).flatten(1).T @ self.rotation.T
        self.colors = torch.randn(3, 5, generator=random)

    def factor(self, appearance: int, part: int) -> torch.Tensor:
        """The code that makes an appearance in a part alone."""
        return self.rotation[:, 3 * appearance + part]

    def paint(self, codes: torch.Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        maps = (to_space(self, codes, space, "z") @ self.effects.T).unflatten(1, (5, SIDE, SIDE))
        maps = request.start[1] if request.start else maps
        return torch.einsum("kc,nchw->nkhw", self.colors, maps), dict.fromkeys(request.wanted, maps)


@pytest.mark.parametrize("part", ["region", "learned"])
@pytest.mark.parametrize("number", range(3))
def test_panda_finds_the_factors_of_the_part(part: str, number: int):
    generator = PartsAndAppearances()
    method = ganvas.PandA(part=part, parts=3, samples=300)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0, 1]), AREAS[number], method=method, count=4)
    assert found.space == "z"
    wanted = torch.stack([generator.factor(appearance, number) for appearance in range(4)])
    cosines = (found.vectors.double() @ wanted.double().T).abs()
    assert cosines.amax(1).min() > 0.95  # each direction is one of the part's factors
    assert cosines.amax(0).min() > 0.95  # and each factor is found
    assert found.eigenvalues.min() > 0.95
    assert found.eigenvalues.max() <= 1 + 1e-6


def test_learned_parts_and_appearances_are_those_of_the_generator():
    generator = PartsAndAppearances()
    latent = ganvas.sample(generator, [0])
    method = ganvas.PandA(part="learned", parts=3, samples=300)
    query = Query(generator, latent, {"": LEFT}, "z", None, 4, silent)
    appearances, learned = method.factorize(query, "map")
    assert learned is not None
    alike = torch.nn.functional.cosine_similarity(learned.flatten(1)[:, None], generator.parts.flatten(1)[None], dim=2)
    assert sorted(alike.argmax(1).tolist()) == [0, 1, 2]
    assert alike.amax(1).min() > 0.99
    assert (learned >= 0).all()
    overlaps = (appearances[:, :4].T @ generator.appearances.double()).abs()
    assert overlaps.diag().min() > 0.95


def test_gradient_of_parts_is_that_of_the_published_objective():
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(6, 4, 9, generator=random, dtype=torch.float64)
    a = torch.linalg.qr(torch.randn(4, 3, generator=random, dtype=torch.float64))[0]
    start = 0.3 + torch.rand(9, 2, generator=random, dtype=torch.float64)
    gram = sum(z.T @ a @ a.T @ z for z in maps)
    one_step = panda.part_factors(gram, start, 1)
    parts = start.clone().requires_grad_()
    sum((z - a @ a.T @ z @ parts @ parts.T).square().sum() for z in maps).backward()
    rate = panda.STEP / 4 / float(torch.linalg.eigvalsh(gram)[-1])
    assert torch.allclose(one_step, (start - rate * parts.grad).clamp_min(0), rtol=1e-9)


def test_parts_lower_the_objective_to_that_of_nonnegative_eigenvectors():
    random = torch.Generator().manual_seed(1)
    blocks = torch.block_diag(*[torch.rand(3, 1, generator=random, dtype=torch.float64) + 0.5 for _ in range(2)])
    gram = blocks @ torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64)) @ blocks.T
    parts = panda.part_factors(gram, 0.01 * torch.rand(6, 2, generator=random, dtype=torch.float64), 3000)
    assert torch.allclose(parts @ parts.T @ gram, gram, atol=1e-3 * float(gram.abs().max()))


@pytest.mark.parametrize("space", ["z", "w", "w+", "s"])
def test_panda_searches_every_space_of_a_style_generator(space: str):
    generator = small_stylegan2(16)
    method = ganvas.PandA(samples=20, feature="b8")
    layers = None if space == "z" else "0-2"
    latent = ganvas.sample(generator, [0], space="z" if space == "z" else None)
    found = ganvas.find_directions(generator, latent, LEFT, method=method, space=space, layers=layers, count=2)
    assert found.vectors.flatten(1).norm(dim=1).allclose(torch.ones(2))
    assert found[0].origin.notes == "b8, the region as part"


def test_maps_that_the_layers_do_not_change_and_unknown_ones_are_refused():
    generator = small_stylegan2(16)
    latent = ganvas.sample(generator, [0])
    with pytest.raises(LatentError, match="do not change this feature map; choose a finer"):
        ganvas.find_directions(generator, latent, LEFT, method=ganvas.PandA(samples=5, feature="b4"), layers="4")
    with pytest.raises(LatentError, match="no feature map 'b5'; there are b4, b8, b16"):
        ganvas.find_directions(generator, latent, LEFT, method=ganvas.PandA(feature="b5"))
