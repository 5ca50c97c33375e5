"""OOD scores: the Mahalanobis distance against its definition, the quantiles, the cache, and real photos."""

import pytest
import torch

from ganvas import load
from ganvas.errors import GanvasError
from ganvas.generators.protocol import About
from ganvas.images import photos
from ganvas.images.datasets import open_images
from ganvas.inversion.encoder import encoder_reconstructor
from ganvas.metrics import ood
from ganvas.metrics.features import Architecture, FeatureNetwork, load_features
from ganvas.metrics.ood import (
    QUANTILE,
    RECONSTRUCTION_TOLERANCE,
    SHRINKAGE,
    TOLERANCE,
    Reconstructor,
    descriptors,
    fit_descriptors,
    fit_ood_detector,
    ood_scores,
)
from ganvas.metrics.perceptual import perceptual_distance
from tests.fakes import LayeredGenerator


def rows(count: int, width: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=torch.Generator().manual_seed(99))
    return torch.randn(count, width, generator=random) @ mixing + 3


@pytest.mark.parametrize(("count", "width"), [(60, 7), (9, 20)])
def test_the_distance_is_mahalanobis_with_a_shrunk_covariance(count, width):
    known, others = rows(count, width, 0), rows(50, width, 1)
    fitted = fit_descriptors(known, others)
    steps = (known - known.mean(0)).double() / known.std(0).double()
    covariance = (1 - SHRINKAGE) * torch.cov(steps.T) + SHRINKAGE * torch.eye(width).double()
    ours = (others - known.mean(0)).double() / known.std(0).double()
    expected = ((ours @ torch.linalg.inv(covariance)) * ours).sum(1).div(width).sqrt()
    assert torch.allclose(fitted.distances(others).double(), expected, rtol=1e-4)
    assert fitted.threshold == pytest.approx(float(expected.quantile(QUANTILE)), rel=1e-4)
    assert torch.allclose(fitted.scores(others) * TOLERANCE * fitted.threshold, fitted.distances(others))


def test_scale_and_shift_of_descriptors_do_not_matter():
    known, others = rows(40, 12, 0), rows(30, 12, 1)
    scale, shift = torch.rand(12) + 0.5, torch.randn(12)
    moved = fit_descriptors(known * scale + shift, others * scale + shift)
    assert torch.allclose(
        moved.distances(others * scale + shift), fit_descriptors(known, others).distances(others), rtol=1e-3
    )


def test_too_few_are_refused():
    with pytest.raises(GanvasError, match="too few"):
        fit_descriptors(rows(2, 5, 0), rows(3, 5, 1))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A network and a generator of 16 pixels, which 30 images are enough for, and a cache folder of their own."""
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path))
    monkeypatch.setattr(ood, "SAMPLES", 30)
    monkeypatch.setattr(ood, "FITTED", 20)
    torch.manual_seed(0)
    network = FeatureNetwork(Architecture(16, (4, 6, 8), 8)).eval().requires_grad_(False)
    generator = LayeredGenerator(resolution=16)
    generator.about = About("linear", "abc123")
    return network, generator


def test_a_fitted_detector_is_kept_for_the_same_generator(tmp_path, small):
    network, generator = small
    synthesized = []
    first = fit_ood_detector(network, generator, progress=lambda what, done, total: synthesized.append(done))
    assert synthesized[-1] == 30
    again = fit_ood_detector(network, generator, progress=lambda *_: pytest.fail("fitted again"))
    found = descriptors(network, torch.randn(4, 3, 16, 16))
    assert torch.allclose(first.scores(found), again.scores(found), rtol=1e-2)
    (kept,) = (tmp_path / "ood").iterdir()
    kept.write_bytes(b"damaged")
    assert fit_ood_detector(network, generator).threshold == pytest.approx(first.threshold)


def test_the_reconstruction_error_counts_where_it_is_larger(tmp_path, small):
    network, generator = small
    again = Reconstructor(lambda images: images + 0.1 * images.flip(3), "some encoder")
    known = fit_ood_detector(network, generator, reconstructor=again)
    assert known.reconstruction_threshold > 0
    assert fit_ood_detector(network, generator).reconstruction_threshold == 0
    assert len(list((tmp_path / "ood").iterdir())) == 2
    assert fit_ood_detector(network, generator, reconstructor=again).reconstruction_threshold == pytest.approx(
        known.reconstruction_threshold
    )
    images = torch.randn(4, 3, 16, 16)
    far = known.scores(descriptors(network, images))
    exact, blind = Reconstructor(lambda x: x, ""), Reconstructor(lambda x: -x, "")
    assert torch.equal(ood_scores(network, known, images, exact), far)
    lost = perceptual_distance(network, images, -images) / (RECONSTRUCTION_TOLERANCE * known.reconstruction_threshold)
    assert (lost > far).any()
    assert torch.allclose(ood_scores(network, known, images, blind), torch.maximum(far, (far * lost).sqrt()))
    assert torch.equal(ood_scores(network, known, images), far)


def test_only_scores_above_one_are_warned_of():
    assert ood.ood_warning(0.99, "me.jpg") == ""
    assert "'me.jpg' is out of distribution" in ood.ood_warning(1.4, "me.jpg")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kin", "fewest"), [("faces", "utkface-128-test.zip", 8), ("cats", "afhq-cat-128-test.zip", 5)]
)
def test_dogs_are_out_of_distribution_for_faces_and_cats_and_their_own_kind_is_not(
    shared, tmp_path, monkeypatch, name, kin, fewest
):
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path))
    network, generator = load_features(), load(name)
    again = encoder_reconstructor(generator)
    known = fit_ood_detector(network, generator, reconstructor=again)
    dogs = [photos.read_photo(path, generator.resolution) for path in sorted((shared / "photos" / "dogs").iterdir())]
    held = open_images(shared / "data" / kin, generator.resolution)
    warned = [
        sum(map(bool, ood.ood_warnings(network, known, some, [str(n) for n in range(len(some))], again)))
        for some in (torch.cat(dogs), held.batch(held.spread(40)))
    ]
    assert warned[0] >= fewest
    assert warned[1] <= 4
