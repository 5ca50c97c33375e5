"""Distances of sets against torchmetrics, features in constant memory, and the ImageNet network of others."""

import tracemalloc

import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from ganvas.errors import CheckpointError, GanvasError
from ganvas.metrics import imagenet
from ganvas.metrics.distribution import gaussian_distance, kernel_mmd, moments
from ganvas.metrics.summary import FeatureSummary


class Itself(torch.nn.Module):
    """A network whose features are its input, for torchmetrics."""

    num_features = 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def sets(seed: int, count: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    mixed = torch.randn(12, 12, generator=random, dtype=torch.float64)
    first, second = torch.randn(2, count, 12, generator=random, dtype=torch.float64)
    return first @ mixed, 1.3 * second @ mixed.flip(0) + 0.4


def summary_of(features: torch.Tensor, batch: int = 16, **settings: int) -> FeatureSummary:
    summary = FeatureSummary(**settings)
    for part in features.split(batch):
        summary.add(part)
    return summary


@pytest.mark.parametrize("seed", range(3))
def test_frechet_distance_is_that_of_torchmetrics(seed: int):
    real, fake = sets(seed)
    theirs = FrechetInceptionDistance(feature=Itself()).set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    ours = gaussian_distance(*summary_of(real).moments(), *summary_of(fake).moments())
    assert float(ours) == pytest.approx(float(theirs.compute()), rel=1e-6)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
@pytest.mark.parametrize("seed", range(3))
def test_kernel_distance_is_that_of_torchmetrics(seed: int):
    real, fake = sets(seed)
    theirs = KernelInceptionDistance(feature=Itself(), subsets=1, subset_size=len(real)).set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    assert kernel_mmd(real, fake).value == pytest.approx(float(theirs.compute()[0]), rel=1e-6)


def test_hundred_thousand_features_are_summarized_in_constant_memory():
    random = torch.Generator().manual_seed(0)
    summary = FeatureSummary(most=500)

    def add(batches: int) -> None:
        for _ in range(batches):
            summary.add(torch.randn(1000, 16, generator=random) * torch.arange(1, 17) + 3)

    add(2)
    held = summary.kept.numel(), summary._products.numel(), summary._ranks.size
    tracemalloc.start()
    add(98)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (summary.kept.numel(), summary._products.numel(), summary._ranks.size) == held
    assert peak < 1_000_000
    mean, spread = summary.moments()
    assert summary.count == 100_000
    torch.testing.assert_close(mean, torch.full((16,), 3.0).double(), atol=0.3, rtol=0)
    expected = torch.arange(1, 17).double().square().diag()
    torch.testing.assert_close(spread, expected, atol=3.0, rtol=0.03)
    assert len(summary.kept) == 500
    assert float(kernel_mmd(summary.kept[::2], summary.kept[1::2]).value) < 100


def test_summaries_do_not_depend_on_batches_and_keep_a_fair_choice():
    features = torch.randn(3000, 4, generator=torch.Generator().manual_seed(1))
    one, other = summary_of(features, 3000, most=200), summary_of(features, 7, most=200)
    assert torch.equal(one.kept, other.kept)
    for mine, others, exact in zip(one.moments(), other.moments(), moments(features.double()), strict=True):
        torch.testing.assert_close(mine, others, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(mine, exact, rtol=1e-9, atol=1e-12)
    chosen = [int((features == row).all(1).nonzero()) for row in one.kept]
    assert chosen == sorted(chosen)
    assert 60 < sum(number < 1500 for number in chosen) < 140
    assert len(summary_of(features, most=5000).kept) == 3000
    with pytest.raises(GanvasError, match="not finite"):
        one.add(torch.full((1, 4), torch.nan))


def test_imagenet_features_see_each_image_alone():
    network = imagenet.load_imagenet()
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = network(images)
    assert features.shape == (3, 1280)
    torch.testing.assert_close(network(images[1:2]), features[1:2], rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_other_weights_and_a_missing_extra_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(imagenet, "WEIGHTS", "0" * 64)
    with pytest.raises(CheckpointError, match="is not the published file"):
        imagenet.load_imagenet()

    def missing(name: str):
        raise ImportError(name)

    monkeypatch.setattr(imagenet.importlib, "import_module", missing)
    with pytest.raises(GanvasError, match=r"pip install 'ganvas\[imagenet\]'"):
        imagenet.load_imagenet()
