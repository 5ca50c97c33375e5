"""How many images a run shows before its samples can be recognized, in runs of our own: `docs/results/training.md`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expectation:
    """After so many `images` shown, `what` could be recognized on a sheet of samples."""

    images: int
    what: str


MEASURED = {
    ("dcgan", False): Expectation(8_000, "faces"),
    ("stylegan2", True): Expectation(20_000, "cats, begun from faces,"),
    ("adapt", True): Expectation(500, "dogs, begun from cats,"),
}


def expectation_of(family: str, *, started: bool) -> Expectation | None:
    """Return what was measured of a family of generators, from scratch or `started` from trained networks; None where
    nothing was.
    """
    return MEASURED.get((family, started))
