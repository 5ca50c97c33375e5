"""The methods of other papers: equations, second implementations, and local factors that are known."""

import numpy as np
import pytest
import torch

import ganvas
from ganvas.directions import lelsd, localbasis, lowrankgan, sefa, stylespace
from ganvas.directions.grams import mean_region_grams
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.base import IMAGE, Conditions, Painted, Request
from ganvas.generators.protocol import About
from ganvas.io.progress import silent
from tests.fakes import LinearGenerator
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan

SIDE, WIDTH = 8, 6
REGION = ganvas.Region.box(0.25, 0.25, 0.75, 0.75)
INSIDE = REGION.mask(SIDE, SIDE)[0].bool()


class LocalFactors(LinearGenerator):
    """A generator of z whose first factor changes the region alone, the second both, all others the rest alone; factors
    are the coordinates of z in a rotated basis.
    """

    def __init__(self) -> None:
        super().__init__(WIDTH, SIDE)
        random = torch.Generator().manual_seed(1)
        effects = torch.randn(WIDTH, 3, SIDE, SIDE, generator=random)
        effects[0, :, ~INSIDE] = 0
        effects[2:, :, INSIDE] = 0
        self.rotation = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=random))[0]
        self.matrix = effects.flatten(1).T @ self.rotation.T
        self.factor = self.rotation[:, 0]  # the code whose image is the first effect


class StyledFactors(LinearGenerator):
    """A generator with styles: two layers, of which the second makes colors; channel 2 changes the region alone."""

    spaces: tuple[str, ...] = ("z", "w", "w+", "s")
    layers = 2

    def __init__(self) -> None:
        super().__init__(4, SIDE)
        random = torch.Generator().manual_seed(2)
        effects = torch.randn(6, 3, SIDE, SIDE, generator=random)
        effects[:2, :, INSIDE] *= 0.1
        effects[2, :, ~INSIDE] = 0
        effects[5, :, ~INSIDE] = 0  # a color channel, which is left out
        self.matrix = effects.flatten(1).T
        self.affine = [torch.randn(3, 4, generator=random) for _ in range(2)]
        self.about = About("styled", "", regions={"middle": REGION, "top": ganvas.Region.box(0, 0, 1, 0.2)})

    def dimensions(self, space: str) -> tuple[int, ...]:
        return {"s": (6,), "w+": (2, 4)}.get(space, (4,))

    def map_z(self, z: torch.Tensor, to: str, given: Conditions) -> torch.Tensor:
        ws = (3 * z + 1)[:, None].repeat(1, 2, 1)
        return torch.cat(self.styles(ws, "w+"), 1) if to == "s" else ws[:, 0] if to == "w" else ws

    def styles(self, codes: torch.Tensor, space: str) -> list[torch.Tensor]:
        rows = codes[:, None].repeat(1, 2, 1) if space == "w" else codes
        return [rows[:, i] @ self.affine[i].T + 0.5 for i in range(2)]

    def style_channels(self) -> list[int]:
        return [3, 3]

    def style_rows(self) -> list[int]:
        return [0, 1]

    def style_makes_colors(self) -> list[bool]:
        return [False, True]

    def paint(self, codes: torch.Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        if space == "z":
            codes, space = self.map_z(codes, "w+", given), "w+"
        styles = codes if space == "s" else torch.cat(self.styles(codes, space), 1)
        images = (styles @ self.matrix.T).unflatten(1, (3, SIDE, SIDE))
        return request.start[1] if request.start else images, dict.fromkeys(request.wanted, images)


def cosine(direction: ganvas.Direction, vector: torch.Tensor) -> float:
    return abs(float(direction.vector.double() @ vector.double()))


@pytest.mark.parametrize("ranks", ["rpca", "spectrum"])
def test_lowrankgan_finds_the_local_factor(ranks: str):
    generator = LocalFactors()
    method = ganvas.LowRankGAN(ranks=ranks, most_steps=2000)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0, 1]), REGION, method=method)
    assert 1 <= len(found) <= 2  # as many as the region has factors
    assert cosine(found[0], generator.factor) > 0.95
    assert found.predicted_ratios[0] > 100
    assert "rank" in found.origin.notes


def test_robust_pca_says_how_far_it_is_and_can_be_stopped():
    """Minutes of it in silence held whoever waited for another job."""
    random = torch.Generator().manual_seed(0)
    matrix = torch.randn(12, 12, generator=random)
    seen = []
    lowrankgan.robust_pca(matrix @ matrix.T, progress=lambda what, done, total: seen.append((what, done, total)))
    assert len(seen) > 10
    assert (seen[0][1] < 50, seen[-1]) == (True, ("Robust PCA", 100, 100))

    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lowrankgan.robust_pca(matrix, progress=stop)


def test_robust_pca_parts_a_low_rank_from_a_sparse_matrix():
    random = np.random.RandomState(0)
    low = random.randn(30, 2) @ random.randn(2, 30)
    low = torch.from_numpy(low + low.T)
    sparse = torch.zeros(30, 30, dtype=torch.float64)
    sparse[tuple(torch.from_numpy(random.randint(0, 30, (2, 20))))] = 8.0
    solved = lowrankgan.robust_pca(low + sparse, lam=1 / 30**0.5, most_steps=3000)
    assert solved.converged
    assert torch.allclose(solved.low_rank + solved.sparse, low + sparse, atol=1e-5)
    assert float((solved.low_rank - low).norm() / low.norm()) < 1e-3
    assert lowrankgan.right_vectors(solved.low_rank)[1] == 4


def test_projection_on_the_null_space_changes_nothing_outside():
    generator = LocalFactors()
    latent = ganvas.sample(generator, [0])
    grams = mean_region_grams(ReSeFa(), generator, latent, {"": REGION}, "z", None)[""]
    _, vectors = torch.linalg.eigh(grams.b)
    rows = vectors.T.flip(0)
    rank = int(torch.linalg.matrix_rank(grams.b, rtol=1e-6))
    projected = lowrankgan.project_on_null(torch.eye(WIDTH, dtype=torch.float64), rows, rank)
    assert torch.allclose(projected.norm(dim=1), torch.ones(WIDTH, dtype=torch.float64))
    assert float(torch.linalg.vecdot(projected @ grams.b, projected).max()) < 1e-5 * float(grams.b.trace())


def test_stylespace_finds_the_channel_of_the_region():
    generator = StyledFactors()
    latent = ganvas.sample(generator, [0, 1])
    for method in (ganvas.StyleSpace(), ganvas.StyleSpace(score="overlap")):
        found = ganvas.find_directions(generator, latent, "middle", method=method, count=1)
        assert found.space == "s"
        assert found[0].vector.argmax() == 2
        assert found[0].vector.sum() == 1
    colors = ganvas.find_directions(generator, latent, "middle", method=ganvas.StyleSpace(colors=True), count=2)
    assert {int(one.vector.argmax()) for one in colors} == {2, 5}


def test_channel_energies_are_the_diagonals_of_the_gram_matrices():
    generator = small_stylegan2(16)
    latent = ganvas.sample(generator, [3]).to_space(generator, "s")
    method = ReSeFa()
    grams = mean_region_grams(method, generator, latent, {"": REGION}, "s", "2")[""]
    linear = method.derivative(generator, latent, "s", "2")
    inside, outside = stylespace.channel_energies(linear, *method.masks(REGION, 16), silent)
    assert torch.allclose(inside, grams.a.diagonal(), rtol=1e-3)
    assert torch.allclose(outside, grams.b.diagonal(), rtol=1e-3)


def test_overlap_scores_are_those_of_the_published_procedure():
    random = np.random.RandomState(0)
    gradients, labels = random.rand(5, 6, 6).astype("f"), random.randint(0, 3, (6, 6))
    expected = np.zeros((5, 4))
    for channel in range(5):
        for label in range(3):
            cells = [tuple(cell) for cell in np.argwhere(labels == label)]
            strongest = sorted(np.ndindex(6, 6), key=lambda cell, c=channel: -gradients[c][cell])[: len(cells)]
            expected[channel, label] = len(set(strongest) & set(cells)) / len(cells) ** 2
    scores = stylespace.overlap_scores(torch.from_numpy(gradients), torch.from_numpy(labels), 4)
    assert torch.allclose(scores, torch.from_numpy(expected))


def test_localized_channels_win_half_of_the_images_and_a_quarter_more_than_any_other():
    winners = [torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), torch.tensor([1, 0, 0])]
    shares = stylespace.localized(winners, [[0, 1]] * 4, 0, 2)
    assert shares.tolist() == [0.75, 0.0, 0.0]
    assert stylespace.localized(winners, [[0, 1], [0], [0], [1]], 0, 2).tolist()[0] == 1.0  # the last lacks label 0


def test_examples_show_the_channel_in_which_they_differ():
    random = torch.Generator().manual_seed(0)
    population = torch.randn(2000, 8, generator=random) * torch.arange(1, 9)
    examples = torch.randn(50, 8, generator=random) * torch.arange(1, 9)
    examples[:, 5] = examples[:, 5] * 0.3 + 12
    assert stylespace.relevance(examples, population).argmax() == 5


def test_sefa_are_the_eigenvectors_of_normalized_weights():
    generator = small_stylegan2(16)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0]), REGION, method=ganvas.SeFa(), layers="0-3")
    affines = [affine for affine, row in zip(generator.synthesis.affines(), generator.style_rows(), strict=True)]
    names = [name for name, _ in generator.synthesis.styled]
    used = [
        affine.weight.detach().double()
        for affine, row, name in zip(affines, generator.style_rows(), names, strict=True)
        if row <= 3 and "torgb" not in name
    ]
    rows = torch.nn.functional.normalize(torch.cat(used), dim=1)
    _, _, v = torch.linalg.svd(rows)
    for index in range(3):
        assert cosine(found[index], v[index]) > 0.999
    with pytest.raises(LatentError, match="styles"):
        sefa.affine_weights(small_dcgan(16), (0,))


def test_ganspace_are_the_principal_components_of_w():
    generator = small_stylegan2(16)
    method = ganvas.GANSpace(samples=300)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0]), REGION, method=method, count=3)
    ws = generator.map(generator.sample(range(300)), "w").double().detach()
    _, values, v = torch.linalg.svd(ws - ws.mean(0))
    assert all(cosine(found[index], v[index]) > 0.999 for index in range(3))
    assert torch.allclose(found.eigenvalues, values[:3].square() / 300, rtol=1e-4)


def test_ganspace_of_features_finds_the_strongest_factor_of_z():
    generator = LocalFactors()
    generator.matrix = generator.matrix @ generator.rotation @ torch.diag(torch.tensor([5.0, 1, 1, 1, 1, 1]))
    generator.matrix = generator.matrix @ generator.rotation.T
    method = ganvas.GANSpace(samples=500)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0]), REGION, method=method, count=1)
    assert found.space == "z"
    assert cosine(found[0], generator.factor) > 0.95
    with pytest.raises(LatentError, match="no feature map 'nothing'"):
        ganvas.find_directions(
            generator, ganvas.sample(generator, [0]), REGION, method=ganvas.GANSpace(feature="nothing")
        )


def test_local_basis_are_the_singular_vectors_of_the_mapping():
    generator = small_stylegan2(16)
    latent = ganvas.sample(generator, [5], truncation=0.8)
    found = ganvas.find_directions(generator, latent, REGION, method=ganvas.LocalBasis(), count=2)
    z, step = generator.sample([5]).double(), 1e-4
    generator64 = small_stylegan2(16).double()
    columns = [
        (generator64.map(z + step * e, "w", truncation=0.8) - generator64.map(z - step * e, "w", truncation=0.8))[0]
        for e in torch.eye(z.shape[1], dtype=torch.float64)
    ]
    u, values, _ = torch.linalg.svd(torch.stack(columns, 1) / (2 * step))
    assert all(cosine(found[index], u[:, index]) > 0.999 for index in range(2))
    assert torch.allclose(found.eigenvalues, values[:2].square(), rtol=1e-3)
    edited = ganvas.edit(generator, latent, found[0], 2.0)
    with pytest.raises(LatentError, match="was not sampled"):
        localbasis.codes_of_prior(generator, edited)


def test_lelsd_finds_the_local_factor():
    generator = LocalFactors()
    method = ganvas.LELSD(steps=150, rate=0.03, batch=1)
    found = ganvas.find_directions(generator, ganvas.sample(generator, [0, 1]), REGION, method=method, count=1)
    assert cosine(found[0], generator.factor) > 0.95
    assert found.eigenvalues[0] > 0.95
    assert found.eigenvalues[0] <= 1 + 1e-6


def test_locality_is_the_share_of_change_inside():
    change = torch.rand(2, 8, 8)
    masks = INSIDE.float()[None, None].repeat(2, 1, 1, 1)
    shares = lelsd.locality([change, change[:, ::2, ::2]], masks)
    fine = (change * INSIDE).sum((1, 2)) / change.sum((1, 2))
    coarse_mask = torch.nn.functional.avg_pool2d(INSIDE.float()[None], 2)
    coarse = (change[:, ::2, ::2] * coarse_mask).sum((1, 2)) / change[:, ::2, ::2].sum((1, 2))
    assert torch.allclose(shares, (fine + coarse) / 2, rtol=1e-5)
    assert float(lelsd.correlation_penalty(torch.eye(3))) == 0
    assert float(lelsd.correlation_penalty(torch.ones(2, 1))) == 1


def test_random_directions_are_unit_vectors_of_a_seed():
    generator = small_stylegan2(16)
    latent = ganvas.sample(generator, [0])
    first, again, other = (
        ganvas.find_directions(generator, latent, REGION, method=ganvas.RandomDirections(seed=seed), space="w+").vectors
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.allclose(first.flatten(1).norm(dim=1), torch.ones(10))


@pytest.mark.parametrize("method", [ganvas.SeFa(), ganvas.StyleSpace(), ganvas.LocalBasis(), ganvas.GANSpace()])
def test_space_that_a_method_cannot_search_is_refused(method):
    generator = small_stylegan2(16)
    with pytest.raises(LatentError, match="finds directions of space"):
        ganvas.find_directions(generator, ganvas.sample(generator, [0]), REGION, method=method, space="w+")
    with pytest.raises(GanvasError):
        ganvas.cache_jacobians(generator, ganvas.sample(generator, [0]), method=method)


@pytest.mark.parametrize("method", [ganvas.SeFa(), ganvas.LowRankGAN(), ganvas.LELSD(), ganvas.RandomDirections()])
def test_no_direction_cannot_be_asked_for(method):
    generator = small_stylegan2(16)
    with pytest.raises(GanvasError, match="ask for at least 1"):
        ganvas.find_directions(generator, ganvas.sample(generator, [0]), REGION, method=method, count=0)


def test_methods_keep_their_names_in_files(tmp_path):
    generator = small_stylegan2(16)
    latent = ganvas.sample(generator, [0])
    for method in (ganvas.LowRankGAN(ranks="spectrum"), ganvas.StyleSpace(), ganvas.SeFa(), ganvas.RandomDirections()):
        found = ganvas.find_directions(generator, latent, REGION, method=method, count=2)
        again = ganvas.load_directions(found.save(tmp_path / f"{method.name}.safetensors"))
        assert again.origin.method == method.name
        assert torch.equal(again.vectors, found.vectors)
        assert ganvas.edit(generator, latent, again[0], 1.0).codes.isfinite().all()
