"""Schedules of the learning rate and of the noise on codes: pure functions of the time t from 0 to 1."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from ganvas.errors import GanvasError


def nvidia_rate(t: float, base: float = 0.1) -> float:
    """Return the learning rate of NVIDIA's projector: linear warm-up over the first 5 %, cosine decay over the last
    25 % (Karras et al. 2020, StyleGAN2, appendix D).
    """
    return base * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / 0.25))) * min(1.0, t / 0.05)


def nvidia_noise(t: float, base: float = 0.05) -> float:
    """Return the standard deviation of the noise that NVIDIA's projector adds to codes before synthesis, as a share of
    that of the space: ``0.05 max(0, 1 - t / 0.75)^2`` (Karras et al. 2020, StyleGAN2, appendix D).
    """
    return base * max(0.0, 1 - t / 0.75) ** 2


def cosine_rate(t: float, base: float) -> float:
    """Return a learning rate with a linear warm-up over the first 5 % and a cosine decay to 0 over the rest."""
    return base * min(1.0, (t + 0.005) / 0.05) * (0.5 + 0.5 * math.cos(math.pi * max(0.0, (t - 0.05) / 0.95)))


def no_noise(t: float) -> float:
    """Return 0."""
    return 0.0


@dataclass(frozen=True)
class Schedule:
    """The learning rate of Adam and the noise on codes at time t. With ``whitened`` the rate is in standard deviations
    along the principal axes of the space, else in the units of the codes.
    """

    rate: Callable[[float], float]
    noise: Callable[[float], float] = no_noise
    whitened: bool = True


def _ganvas_rate(t: float) -> float:
    return cosine_rate(t, 0.1)


SCHEDULES = {"ganvas": Schedule(_ganvas_rate), "nvidia": Schedule(nvidia_rate, nvidia_noise, whitened=False)}


def schedule_named(name: str) -> Schedule:
    """Return a schedule by name; raises `GanvasError` for an unknown one, with the known names."""
    if name not in SCHEDULES:
        raise GanvasError(f"Unknown schedule '{name}'; give {' or '.join(SCHEDULES)}.")
    return SCHEDULES[name]
