"""How the rate of learning, and the noise on codes, change over a run: pure functions of the time t from 0 to 1."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ganvas.errors import GanvasError


def nvidia_rate(t: float, base: float = 0.1) -> float:
    """Return the rate of NVIDIA's projector: up over the first twentieth, level, down along a cosine over the last
    quarter (stylegan2-ada-pytorch, projector; StyleGAN2, Karras et al. 2020, appendix D).
    """
    return base * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / 0.25))) * min(1.0, t / 0.05)


def nvidia_noise(t: float, base: float = 0.05) -> float:
    """Return the noise that NVIDIA's projector adds to codes before synthesis, as a share of the space's deviation:
    ``0.05 max(0, 1 - t / 0.75)^2``.
    """
    return base * max(0.0, 1 - t / 0.75) ** 2


def cosine_rate(t: float, base: float) -> float:
    """Return a rate that rises over the first twentieth and falls to 0 along half a cosine over all of the rest."""
    return base * min(1.0, (t + 0.005) / 0.05) * (0.5 + 0.5 * math.cos(math.pi * max(0.0, (t - 0.05) / 0.95)))


def no_noise(t: float) -> float:
    """Return 0."""
    return 0.0


@dataclass(frozen=True)
class Schedule:
    """The rate of Adam and the noise on codes at time t. With ``whitened`` the rate counts in standard deviations of
    the space along its principal axes, else in the units of the codes.
    """

    rate: Callable[[float], float]
    noise: Callable[[float], float] = no_noise
    whitened: bool = True


def _ours(t: float) -> float:
    return cosine_rate(t, 0.1)


SCHEDULES = {"ganvas": Schedule(_ours), "nvidia": Schedule(nvidia_rate, nvidia_noise, whitened=False)}


def schedule_named(name: str) -> Schedule:
    """Return a schedule; raises `GanvasError` with the names where there is none."""
    if name not in SCHEDULES:
        raise GanvasError(f"There is no schedule '{name}'; give {' or '.join(SCHEDULES)}.")
    return SCHEDULES[name]
