"""How many images are made at a time, so that memory stays bounded at any number of samples."""

from collections.abc import Iterator

from ganvas.generators.protocol import Generator

PIXELS_AT_ONCE = 2**20


def samples_at_once(generator: Generator) -> int:
    """Return as many samples as have a million pixels, at least one."""
    return max(1, PIXELS_AT_ONCE // generator.resolution**2)


def batches(generator: Generator, count: int) -> Iterator[slice]:
    """Yield which of `count` samples are made at a time, in turn."""
    at_once = samples_at_once(generator)
    for first in range(0, count, at_once):
        yield slice(first, min(first + at_once, count))
