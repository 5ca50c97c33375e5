"""Noise maps drawn from a seed, in place of a generator's own."""

from dataclasses import replace

import torch

from ganvas.errors import LatentError
from ganvas.generators.protocol import Generator, HasNoise
from ganvas.latents.latent import Latent

MOST = 2**63


def with_noise(generator: Generator, latent: Latent, seed: int) -> Latent:
    """Return a latent with standard normal noise maps of a seed, the same for all samples: a seed gives the same maps
    in every batch.

    Raises `LatentError` for a generator without noise maps, a latent with its own ones, or another seed than a whole
    number from 0.
    """
    own = generator.own_noise() if isinstance(generator, HasNoise) else {}
    if not own:
        raise LatentError("This generator has no noise maps; leave the noise seed out.")
    if latent.noise:
        raise LatentError("This latent holds its own noise maps; leave the noise seed out.")
    if not 0 <= seed < MOST:
        raise LatentError(f"{seed} is no seed; give a whole number from 0, below 2^63.")
    source = torch.Generator().manual_seed(seed)
    noise = {name: torch.randn(values.shape[-2:], generator=source) for name, values in sorted(own.items())}
    return replace(latent, noise=noise)
