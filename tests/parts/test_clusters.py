import itertools

import pytest
import torch

from ganvas.errors import RegionError
from ganvas.parts.clusters import adjusted_rand_index, spherical_kmeans


def rays(count: int, each: int, noise: float = 0.05) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unit vectors near the first `count` axes of eight, and which axis each is near."""
    random = torch.Generator().manual_seed(3)
    owner = torch.arange(count).repeat_interleave(each)
    vectors = torch.eye(8)[owner] + noise * torch.randn(len(owner), 8, generator=random)
    return vectors / vectors.norm(dim=1, keepdim=True), owner


@pytest.mark.parametrize("count", [2, 5, 8])
def test_kmeans_finds_separate_directions(count: int):
    vectors, owner = rays(count, 40)
    centers = spherical_kmeans(vectors, count)
    torch.testing.assert_close(centers.norm(dim=1), torch.ones(count))
    assert adjusted_rand_index((vectors @ centers.T).argmax(1), owner) == 1


def test_kmeans_centers_are_the_means_of_what_is_nearest_to_them():
    random = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(300, 4, generator=random))
    centers = spherical_kmeans(vectors, 5, steps=200)
    owner = (vectors @ centers.T).argmax(1)
    for number, center in enumerate(centers):
        mean = vectors[owner == number].sum(0)
        torch.testing.assert_close(center, mean / mean.norm())


def test_kmeans_is_the_same_every_time_and_needs_enough_vectors():
    vectors, _ = rays(4, 5, noise=0.5)
    assert torch.equal(spherical_kmeans(vectors, 3, seed=7), spherical_kmeans(vectors, 3, seed=7))
    with pytest.raises(RegionError, match="20 places cannot make 21 parts"):
        spherical_kmeans(vectors, 21)


def test_vectors_that_are_all_alike_make_no_empty_centers():
    centers = spherical_kmeans(torch.eye(3)[:1].repeat(12, 1), 4)
    assert centers.isfinite().all()


def by_pairs(first: torch.Tensor, second: torch.Tensor) -> float:
    """Count the pairs one by one (Hubert and Arabie 1985, Eq. 5)."""
    both = one = other = pairs = 0
    for i, j in itertools.combinations(range(len(first)), 2):
        in_first, in_second = bool(first[i] == first[j]), bool(second[i] == second[j])
        both, one, other, pairs = both + (in_first and in_second), one + in_first, other + in_second, pairs + 1
    expected = one * other / pairs
    return (both - expected) / ((one + other) / 2 - expected)


@pytest.mark.parametrize("seed", range(4))
def test_rand_index_counts_pairs(seed: int):
    random = torch.Generator().manual_seed(seed)
    first, second = (torch.randint(0, kinds, (30,), generator=random) for kinds in (3, 5))
    assert adjusted_rand_index(first, second) == pytest.approx(by_pairs(first, second))
    assert adjusted_rand_index(first, second) == pytest.approx(adjusted_rand_index(second, first))


def test_rand_index_does_not_care_for_numbers():
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 2])
    assert adjusted_rand_index(labels, torch.tensor([5, 5, 0, 0, 3, 3, 3])) == 1
    assert adjusted_rand_index(torch.zeros(4, dtype=torch.long), torch.zeros(4, dtype=torch.long)) == 1
