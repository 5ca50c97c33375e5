"""Noise strengths are matched to the energy of the finest octave, in a copy and in what a run exports."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.latents.latent import sample
from ganvas.metrics.spectrum import octave_energies
from ganvas.training.gan.noise_matching import LARGEST_FACTOR, SEEDS, match_finest_octave
from tests.training.tiny import CPU, STYLE, begin, differing, finish, go_on

pytestmark = pytest.mark.usefixtures("one_thread")


def noisy(strength: float = 0.05):
    generator = STYLE.build(CPU).average
    for _, layer in generator.synthesis.convolutions():
        layer.noise_strength.fill_(strength)
    return generator


def energy(generator) -> float:
    images = torch.cat(list(sample(generator, SEEDS).images(generator)))
    return float(octave_energies(images.clamp(-1, 1))[:, 0].mean())


def strengths(generator) -> dict[str, float]:
    return {name: float(layer.noise_strength) for name, layer in generator.synthesis.convolutions()}


@pytest.mark.parametrize("fraction", [0.3, 0.8, 2.0])
def test_the_energy_is_met(fraction: float):
    generator = noisy()
    before = strengths(generator)
    silent = {name: (0.0 if name.startswith("b16") else value) for name, value in before.items()}
    quiet = noisy()
    for name, layer in quiet.synthesis.convolutions():
        layer.noise_strength.fill_(silent[name])
    base = energy(quiet)
    wanted = base + fraction * (energy(generator) - base)
    matched = match_finest_octave(generator, wanted)
    assert energy(matched) == pytest.approx(wanted, rel=0.03)
    assert strengths(generator) == before
    assert {name: value for name, value in strengths(matched).items() if not name.startswith("b16")} == {
        name: value for name, value in before.items() if not name.startswith("b16")
    }


def test_energy_out_of_reach_is_approached_as_far_as_the_factor_allows():
    generator = noisy()
    assert strengths(match_finest_octave(generator, 0.0))["b16.conv1"] == 0
    strongest = strengths(match_finest_octave(generator, 1e9))["b16.conv1"]
    assert strongest == pytest.approx(LARGEST_FACTOR * 0.05)
    silent = noisy(0.0)
    assert strengths(match_finest_octave(silent, 1.0)) == strengths(silent)


@pytest.mark.slow
def test_run_exports_matched_noise_and_trains_as_without(tmp_path: Path):
    settings = replace(STYLE, match_noise=True)
    whole, plain = begin(settings, tmp_path / "whole", 64), begin(STYLE, tmp_path / "plain", 64)
    finish(whole)
    finish(plain)
    kept = ganvas.load(tmp_path / "whole" / "generator.safetensors")
    assert strengths(kept) == pytest.approx(strengths(settings.exported(whole.networks)))
    for name, weight in plain.networks.average.state_dict().items():
        assert torch.equal(whole.networks.average.state_dict()[name], weight), "training is that without matched noise"
    finish(begin(settings, tmp_path / "cut", 32))
    cut = go_on(settings, tmp_path / "cut", 64)
    finish(cut)
    assert differing(whole.networks, cut.networks) == []
