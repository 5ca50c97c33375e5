"""The similarity of samples to photos is 0 where adaptation begins and 1 at the photos."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas.images.datasets import DatasetSummary, ImageSet
from ganvas.metrics.features import load_features
from ganvas.training.adapt.photo_similarity import PhotoSimilarity

pytestmark = pytest.mark.usefixtures("one_thread")


def images_of(brightness: int, count: int) -> np.ndarray:
    """Return noise around a brightness, symmetric, so that mirroring changes nothing."""
    half = np.random.default_rng(brightness).integers(0, 60, (count, 32, 16, 3))
    return (np.concatenate([half, half[:, :, ::-1]], axis=2) + brightness).astype(np.uint8)


def as_samples(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.fixture
def similarity() -> PhotoSimilarity:
    photos = ImageSet(images_of(180, 3), DatasetSummary("made", 32, 3, {}, 0, 0, {}))
    return PhotoSimilarity(photos, as_samples(images_of(20, 4)), load_features())


def test_original_samples_have_none(similarity: PhotoSimilarity):
    assert similarity.of(as_samples(images_of(20, 4))) == pytest.approx(0, abs=1e-4)


def test_the_photos_have_all_of_it(similarity: PhotoSimilarity):
    assert similarity.of(as_samples(images_of(180, 3))) == pytest.approx(1, abs=1e-4)


def test_a_mixture_lies_between_in_proportion(similarity: PhotoSimilarity):
    mixture = torch.cat([as_samples(images_of(20, 4)), *[as_samples(images_of(180, 3))] * 4])  # 4 and 12 images
    assert similarity.of(mixture) == pytest.approx(0.75, abs=1e-4)


def test_photos_equal_to_the_samples_make_no_nan():
    photos = ImageSet(images_of(20, 4), DatasetSummary("made", 32, 4, {}, 0, 0, {}))
    same = PhotoSimilarity(photos, as_samples(images_of(20, 4)), load_features())
    assert same.of(as_samples(images_of(20, 4))) == pytest.approx(0, abs=1e-3)
