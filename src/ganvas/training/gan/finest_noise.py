"""Noise of the finest maps, as strong as gives images the grain of real ones.

A noise strength is one number that Adam moves by its whole rate at every step, and a discriminator sees differences of
the finest octave late: its energy is a thousandth of the others'. So it wanders, by a factor of two, while everything
else gets better. What is kept of a run may have it set by measure.
"""

import copy
import math

import torch

from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.latents.latent import sample
from ganvas.metrics.spectrum import octave_energies

SEEDS = range(128)
STRONGEST = 4.0
ROUNDS = 2


@torch.no_grad()
def match_finest_octave(generator: StyleGAN2, energy: float) -> StyleGAN2:
    """Return a copy whose images, at truncation 1, have this mean energy in their finest octave (`octave_energies`),
    as nearly as strengths of the noise in its finest maps of 0 to 4 times the learnt ones allow.

    Noise adds an energy that grows with the square of its strength, or nearly: a few rounds of that rule.
    """
    matched = copy.deepcopy(generator)
    finest = [layer for _, layer in matched.synthesis.convolutions() if layer.resolution == matched.resolution]
    learnt = [layer.noise_strength.clone() for layer in finest]

    def set_to(factor: float) -> None:
        for layer, strength in zip(finest, learnt, strict=True):
            layer.noise_strength.copy_(factor * strength)

    def measure(factor: float) -> float:
        set_to(factor)
        images = sample(matched, SEEDS).images(matched)
        return float(torch.cat([octave_energies(some.clamp(-1, 1))[:, 0] for some in images]).mean())

    without, factor = measure(0.0), 1.0
    for _ in range(ROUNDS):
        added = measure(factor) - without
        if added <= 0:
            break
        factor = min(STRONGEST, factor * math.sqrt(max(0.0, energy - without) / added))
        if factor == 0:
            break
    set_to(factor)
    return matched
