"""Evaluation of generators against real images: same numbers for any batch, own images nearest."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.images import pixels
from ganvas.metrics import evaluation
from ganvas.metrics.distribution import frechet_distance, kernel_mmd
from ganvas.metrics.evaluation import ReferenceImages, evaluate, fake_images
from ganvas.metrics.features import Architecture, FeatureNetwork, global_features
from ganvas.metrics.spectrum import octave_energies
from tests.fakes import LayeredGenerator, LinearGenerator


def network() -> FeatureNetwork:
    torch.manual_seed(0)
    small = FeatureNetwork(Architecture(32, (4, 6, 8), 5)).eval().requires_grad_(False)
    small.projection.normal_()
    return small


def reference_of(images: torch.Tensor) -> ReferenceImages:
    features = network()
    return ReferenceImages(features, global_features(features, images), float(octave_energies(images)[:, 0].mean()))


def test_fake_images_are_those_of_files_in_every_batch():
    generator = LayeredGenerator(resolution=16)
    together = torch.cat(list(fake_images(generator, range(20), truncation=0.5)))
    alone = torch.cat(list(fake_images(generator, [19], truncation=0.5)))
    torch.testing.assert_close(together[19:], alone)
    assert together.abs().max() <= 1
    torch.testing.assert_close((together + 1) * 127.5, ((together + 1) * 127.5).round(), atol=1e-3, rtol=0)


def test_generator_is_nearest_to_its_own_images():
    generator, other, reports = LinearGenerator(resolution=16), LayeredGenerator(resolution=16), []
    for each in (generator, other):
        each.matrix /= 10
    reference = reference_of(torch.cat(list(fake_images(generator, range(100, 140)))))
    own = reference.compare(generator, range(40), progress=lambda *counts: reports.append(counts))
    foreign = reference.compare(other, range(40))
    assert abs(own.kernel_mmd.value) < 3 * own.kernel_mmd.error
    assert foreign.kernel_mmd.value > own.kernel_mmd.value + 3 * own.kernel_mmd.error
    assert foreign.frechet_distance > own.frechet_distance
    assert (own.real_images, own.fake_images, own.components) == (40, 40, 5)
    assert reports == [("Generating images", done, 40) for done in (16, 32, 40)]


def test_finest_octave_is_relative_to_the_real_one():
    generator = LinearGenerator(resolution=16)
    generator.matrix /= 10
    reference = reference_of(torch.cat(list(fake_images(generator, range(8)))))
    twice = replace(reference, finest_octave=2 * reference.finest_octave)
    assert twice.compare(generator, range(8)).finest_octave == pytest.approx(0.5)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    images = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for index, image in enumerate(images):
        pixels.write_image(tmp_path / "real" / f"{index:02}.png", image[None])
    return tmp_path / "real"


def test_stopped_and_shared_evaluations_give_the_same_numbers(
    real: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(evaluation, "PART", 6)
    generator = LinearGenerator(resolution=16)
    find: Callable = partial(evaluate, generator, real, range(20), network=network())
    whole = find()
    with pytest.raises(KeyboardInterrupt):
        find(folder=tmp_path / "stopped", progress=_stop_at_fakes)
    parts = tmp_path / "stopped"
    made = {path.name for path in parts.glob("*.npz")}
    assert {name.split("-")[0] for name in made} == {"real"}
    assert find(folder=parts) == whole
    for count in (2, 4):
        monkeypatch.setenv("WORLD_SIZE", str(count))
        shared = []
        for rank in reversed(range(count)):
            monkeypatch.setenv("RANK", str(rank))
            shared.append(find(folder=tmp_path / f"shared{count}"))
        assert shared == [None] * (count - 1) + [whole]
    with pytest.raises(GanvasError, match="share a folder"):
        find()
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(GanvasError, match=r"other settings.*\(here: truncation\)"):
        find(folder=parts, truncation=0.5)


def _stop_at_fakes(what: str, done: int, total: int) -> None:
    if what == "Comparing images" and done > 20:
        raise KeyboardInterrupt


def test_evaluate_equals_the_distances_of_features_by_hand(tmp_path: Path, home: Path):
    images = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for index, image in enumerate(images):
        pixels.write_image(tmp_path / "real" / f"{index:02}.png", image[None])
    generator, features = LinearGenerator(resolution=16), network()
    reports: list[tuple[str, int, int]] = []
    report = lambda *counts: reports.append(counts)  # noqa: E731
    found = evaluate(generator, tmp_path / "real", range(6), network=features, progress=report)
    compared = [counts for counts in reports if counts[0] != "Packing images"]
    assert {(what, total) for what, _, total in compared} == {("Comparing images", found.real_images + 6)}
    assert compared == sorted(compared)
    assert compared[-1][1] == found.real_images + 6
    seen = pixels.resize(pixels.from_bytes(pixels.to_bytes(images)), 32, 32)
    real = global_features(features, pixels.from_bytes(pixels.to_bytes(seen)))
    fake = global_features(features, torch.cat(list(fake_images(generator, range(6)))))
    assert found.kernel_mmd.value == pytest.approx(kernel_mmd(real, fake).value, rel=1e-4)
    assert found.frechet_distance == pytest.approx(float(frechet_distance(real, fake)), rel=1e-4)
    assert (found.real_images, found.fake_images) == (20, 6)
    with pytest.raises(GanvasError, match="2 real images are too few"):
        evaluate(generator, tmp_path / "real", range(6), images=2, network=features)
