"""How many images are made at a time, so that memory stays bounded at any number of samples."""

from ganvas.generators.protocol import Generator

PIXELS_AT_ONCE = 2**20


def samples_at_once(generator: Generator) -> int:
    """Return as many samples as have a million pixels, at least one."""
    return max(1, PIXELS_AT_ONCE // generator.resolution**2)
