"""Noise strengths of the finest maps, set so that images have as much high-frequency energy as real ones.

A noise strength is one scalar that Adam moves by the whole learning rate at every step, and the discriminator is slow
to see the finest octave, whose energy is a thousandth of the others'. So the strength drifts by a factor of two while
everything else improves. In the exported generator it can be set by measurement.
"""

import copy
import math

import torch

from ganvas.generators.stylegan2.generator import StyleGAN2
from ganvas.latents.latent import sample
from ganvas.metrics.spectrum import octave_energies

SEEDS = range(128)
LARGEST_FACTOR = 4.0
ITERATIONS = 2


@torch.no_grad()
def match_finest_octave(generator: StyleGAN2, energy: float) -> StyleGAN2:
    """Return a copy whose images, at truncation 1, have this mean energy in their finest octave (`octave_energies`).

    The noise strengths of the finest maps are multiplied by one factor in [0, 4]; the nearest energy it allows is
    taken. The energy that noise adds grows nearly with the square of the factor: a few iterations of that rule.
    """
    matched = copy.deepcopy(generator)
    finest = [layer for _, layer in matched.synthesis.convolutions() if layer.resolution == matched.resolution]
    learned = [layer.noise_strength.clone() for layer in finest]

    def scale(factor: float) -> None:
        for layer, strength in zip(finest, learned, strict=True):
            layer.noise_strength.copy_(factor * strength)

    def energy_at(factor: float) -> float:
        scale(factor)
        batches = sample(matched, SEEDS).images(matched)
        return float(torch.cat([octave_energies(images.clamp(-1, 1))[:, 0] for images in batches]).mean())

    without_noise, factor = energy_at(0.0), 1.0
    for _ in range(ITERATIONS):
        added = energy_at(factor) - without_noise
        if added <= 0:
            break
        factor = min(LARGEST_FACTOR, factor * math.sqrt(max(0.0, energy - without_noise) / added))
        if factor == 0:
            break
    scale(factor)
    return matched
