import pytest
import torch

from ganvas.metrics.evaluation import evaluate, made_images
from ganvas.metrics.features import Architecture, FeatureNetwork, global_features
from ganvas.metrics.spectrum import octave_energies
from tests.fakes import LayeredGenerator, LinearGenerator


def network() -> FeatureNetwork:
    torch.manual_seed(0)
    small = FeatureNetwork(Architecture(32, (4, 6, 8), 5)).eval().requires_grad_(False)
    small.projection.normal_()
    return small


def test_images_are_those_of_files_whatever_the_batch():
    generator = LayeredGenerator(resolution=16)
    together = torch.cat(list(made_images(generator, range(20), truncation=0.5)))
    alone = torch.cat(list(made_images(generator, [19], truncation=0.5)))
    torch.testing.assert_close(together[19:], alone)
    assert together.abs().max() <= 1
    torch.testing.assert_close((together + 1) * 127.5, ((together + 1) * 127.5).round(), atol=1e-3, rtol=0)


def test_a_generator_is_nearer_to_its_own_images():
    discriminator, reports = network(), []
    generator, other = LinearGenerator(resolution=16), LayeredGenerator(resolution=16)
    for each in (generator, other):
        each.matrix /= 10
    real = global_features(discriminator, torch.cat(list(made_images(generator, range(100, 140)))))
    own = evaluate(discriminator, generator, real, range(40), progress=lambda *counts: reports.append(counts))
    foreign = evaluate(discriminator, other, real, range(40))
    assert abs(own.kernel.value) < 3 * own.kernel.error
    assert foreign.kernel.value > own.kernel.value + 3 * own.kernel.error
    assert foreign.frechet > own.frechet
    assert (own.real, own.made) == (40, 40)
    assert own.top_octave is None
    assert reports == [(16, 40), (32, 40), (40, 40)]


def test_finest_octave_as_a_share_of_the_real_one():
    generator = LinearGenerator(resolution=16)
    generator.matrix /= 10
    images = torch.cat(list(made_images(generator, range(8))))
    energy = float(octave_energies(images)[:, 0].mean())
    real = global_features(network(), images)
    assert evaluate(network(), generator, real, range(8), real_top_octave=2 * energy).top_octave == pytest.approx(0.5)
