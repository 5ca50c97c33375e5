"""The finest noise is set by measure, in a copy, and in what is kept of a run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.latents.latent import sample
from ganvas.metrics.spectrum import octave_energies
from ganvas.training.gan.finest_noise import SEEDS, STRONGEST, match_finest_octave
from tests.training.tiny import CPU, STYLE, begin, differing, finish, go_on

pytestmark = pytest.mark.usefixtures("one_thread")


def grainy(strength: float = 0.05):
    generator = STYLE.build(CPU).average
    for _, layer in generator.synthesis.convolutions():
        layer.noise_strength.fill_(strength)
    return generator


def energy(generator) -> float:
    images = torch.cat(list(sample(generator, SEEDS).images(generator)))
    return float(octave_energies(images.clamp(-1, 1))[:, 0].mean())


def strengths(generator) -> dict[str, float]:
    return {name: float(layer.noise_strength) for name, layer in generator.synthesis.convolutions()}


@pytest.mark.parametrize("share", [0.3, 0.8, 2.0])
def test_the_energy_is_met(share: float):
    generator = grainy()
    before = strengths(generator)
    silent = {name: (0.0 if name.startswith("b16") else value) for name, value in before.items()}
    quiet = grainy()
    for name, layer in quiet.synthesis.convolutions():
        layer.noise_strength.fill_(silent[name])
    base = energy(quiet)
    wanted = base + share * (energy(generator) - base)
    matched = match_finest_octave(generator, wanted)
    assert energy(matched) == pytest.approx(wanted, rel=0.03)
    assert strengths(generator) == before
    assert {name: value for name, value in strengths(matched).items() if not name.startswith("b16")} == {
        name: value for name, value in before.items() if not name.startswith("b16")
    }


def test_what_cannot_be_met_is_met_as_nearly_as_it_can():
    generator = grainy()
    assert strengths(match_finest_octave(generator, 0.0))["b16.conv1"] == 0
    strongest = strengths(match_finest_octave(generator, 1e9))["b16.conv1"]
    assert strongest == pytest.approx(STRONGEST * 0.05)
    silent = grainy(0.0)
    assert strengths(match_finest_octave(silent, 1.0)) == strengths(silent)


def test_what_a_run_keeps(tmp_path: Path):
    recipe = replace(STYLE, match_noise=True)
    whole, plain = begin(recipe, tmp_path / "whole", 64), begin(STYLE, tmp_path / "plain", 64)
    finish(whole)
    finish(plain)
    kept = ganvas.load(tmp_path / "whole" / "generator.safetensors")
    assert strengths(kept) == pytest.approx(strengths(recipe.usable(whole.networks)))
    for name, weight in plain.networks.average.state_dict().items():
        assert torch.equal(whole.networks.average.state_dict()[name], weight), "training itself is as ever"
    finish(begin(recipe, tmp_path / "cut", 32))
    cut = go_on(recipe, tmp_path / "cut", 64)
    finish(cut)
    assert differing(whole.networks, cut.networks) == []
