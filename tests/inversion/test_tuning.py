"""Tuning: nearer to the photo, small enough to keep, and other images left as they are."""

from dataclasses import replace

import pytest
import torch

from ganvas.errors import GanvasError, LatentError
from ganvas.generators.weight_differences import weights_of, with_differences
from ganvas.inversion.loss_weights import LossWeights
from ganvas.inversion.tuning import TuningSettings, TuningStep, interpolate_codes, locality_loss, tune
from ganvas.inversion.variables import LatentPoint
from ganvas.latents.files import load_latent
from ganvas.latents.latent import Latent
from tests.fakes import LayeredGenerator
from tests.generators.small import small_stylegan2
from tests.generators.test_dcgan import small_dcgan
from tests.inversion.parts import objective_on

FEW = TuningSettings(steps=15, rate=0.01, rank=2)


def goal(side: int = 16) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1


def point(generator, space: str = "w+") -> LatentPoint:
    codes = generator.sample([0]) if space == "z" else generator.map(generator.sample([0]), to=space)
    return LatentPoint(codes, torch.zeros_like(codes), {})


def last_of(steps) -> TuningStep:
    *_, last = steps
    return last


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 2])
def test_tuning_comes_nearer_and_the_kept_changes_give_its_images(rank: int):
    generator = small_stylegan2(16)
    before = {name: weight.clone() for name, weight in weights_of(generator).items()}
    objective = objective_on(generator, "w+", goal(), LossWeights(perceptual=1.0, l2=1.0))
    steps = list(tune(objective, point(generator), replace(FEW, rank=rank)))
    assert [step.number for step in steps] == list(range(16))
    assert steps[-1].losses < 0.9 * steps[0].losses
    torch.testing.assert_close(steps[0].images, generator.synthesize(point(generator).codes, "w+"))
    painted = with_differences(generator, steps[-1].differences).synthesize(point(generator).codes, "w+")
    torch.testing.assert_close(painted, steps[-1].images, atol=5e-3, rtol=0)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(generator).items())
    assert not any(name.startswith("mapping") for name in steps[-1].differences)


def test_low_rank_changes_are_small():
    objective = objective_on(small_stylegan2(16, channels=64), "w+", goal(), LossWeights(l2=1.0))
    step = next(tune(objective, point(objective.generator), FEW))
    kept = sum(part.numel() * part.element_size() for part in step.differences.values())
    assert kept < 0.05 * sum(weight.numel() * 4 for weight in weights_of(objective.generator).values())


def test_a_generator_with_z_only_is_tuned():
    generator = small_dcgan()
    objective = objective_on(generator, "z", goal(generator.resolution), LossWeights(l2=1.0))
    steps = list(tune(objective, point(generator, "z"), replace(FEW, weights=LossWeights(l2=1.0))))
    assert steps[-1].losses < steps[0].losses


@pytest.mark.slow
def test_the_locality_term_keeps_other_images():
    generator = small_stylegan2(16)
    objective = objective_on(generator, "w+", goal(), LossWeights(l2=1.0))
    others = generator.map(generator.sample(range(20, 36)), truncation=0.5)
    moved = []
    for weight in (0.0, 3.0):
        settings = replace(FEW, weights=LossWeights(l2=1.0), locality=weight, radius=2.0)
        twin = with_differences(generator, last_of(tune(objective, point(generator), settings)).differences)
        moved.append((twin.synthesize(others, "w+") - generator.synthesize(others, "w+")).square().mean())
    assert moved[1] < 0.7 * moved[0]


def test_the_locality_loss_of_unchanged_weights_is_zero():
    generator = small_stylegan2(16)
    objective = objective_on(generator, "w+", goal(), LossWeights(perceptual=1.0))
    assert locality_loss(objective, objective, point(generator), objective.features) == 0


def test_interpolated_codes_are_at_distance_alpha_in_the_direction_of_others():
    pivot, others = torch.randn(3, 2, 5), torch.randn(3, 2, 5)
    found = interpolate_codes(pivot, others, 2.0)
    torch.testing.assert_close((found - pivot).flatten(1).norm(dim=1), torch.full((3,), 2.0))
    way, went = (others - pivot).flatten(1), (found - pivot).flatten(1)
    torch.testing.assert_close(torch.cosine_similarity(way, went), torch.ones(3))


def test_tuning_stops_below_the_given_distance():
    objective = objective_on(small_stylegan2(16), "w+", goal(), LossWeights(perceptual=1.0))
    assert len(list(tune(objective, point(objective.generator), replace(FEW, stop_below=1e6)))) == 1


@pytest.mark.slow
def test_a_tuned_latent_is_synthesized_with_its_weights(tmp_path):
    generator = small_stylegan2(16)
    objective = objective_on(generator, "w+", goal(), LossWeights(l2=1.0))
    last = last_of(tune(objective, point(generator), FEW))
    latent = load_latent(
        Latent(point(generator).codes, "w+", tuned=dict(last.differences)).save(tmp_path / "a.safetensors")
    )
    latent.check_fits(generator)
    torch.testing.assert_close(next(latent.images(generator)), last.images, atol=5e-3, rtol=0)
    once = latent.generator_for(generator)
    assert latent.generator_for(once) is once
    assert latent.rows([0]).generator_for(once) is once
    assert torch.equal(next(latent.images(once)), next(latent.images(generator)))


def test_impossible_tuning_is_refused():
    objective = objective_on(LayeredGenerator(), "w+", goal(8), LossWeights(l2=1.0))
    with pytest.raises(LatentError, match="PyTorch modules"):
        next(tune(objective, point(objective.generator), FEW))
    for name, value in (("steps", 0), ("rank", -1), ("rate", 0.0), ("locality", -1.0)):
        with pytest.raises(GanvasError, match=f"{name} {value} is not possible; give"):
            TuningSettings(**{name: value})
