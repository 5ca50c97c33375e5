"""What training changes, as plain data: two networks, their optimizers, the average that is kept, a few numbers.

``tensors`` and ``restore`` turn it into named tensors and back without loss, which is all that a snapshot needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.errors import TrainingError

MOMENTS = ("exp_avg", "exp_avg_sq")
WARMING_STEPS = 200


@dataclass
class Networks:
    """``average`` is the moving average of `generator`; ``extra`` holds scalars that steps carry on, by name."""

    generator: Any
    discriminator: Any
    average: Any
    generator_optimizer: torch.optim.Adam
    discriminator_optimizer: torch.optim.Adam
    extra: dict[str, Tensor] = field(default_factory=dict)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The networks by the names that they have in snapshots."""
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    @property
    def optimizers(self) -> dict[str, torch.optim.Adam]:
        """The optimizers by the names that they have in snapshots."""
        return {"generator": self.generator_optimizer, "discriminator": self.discriminator_optimizer}


@dataclass(frozen=True)
class Source:
    """What a run may begin with where only a generator is known, which is its own average, and perhaps the
    ``discriminator`` that it was trained against.
    """

    generator: Any
    discriminator: Any = None

    @property
    def average(self) -> Any:
        """The generator itself."""
        return self.generator


def adam(network: nn.Module, rate: float, betas: tuple[float, float], penalty_every: int = 0) -> torch.optim.Adam:
    """Return Adam for a network; with a penalty every `penalty_every` steps, rate and betas are those of ``every /
    (every + 1)`` of a step (lazy regularization, Karras et al. 2020, appendix B).
    """
    share = penalty_every / (penalty_every + 1) if penalty_every else 1.0
    first, second = (beta**share for beta in betas)
    return torch.optim.Adam(list(network.parameters()), rate * share, (first, second), foreach=True)


def tensors(networks: Networks) -> dict[str, Tensor]:
    """Return everything by name: ``average.*``, ``generator.*``, ``discriminator.*``, the optimizers' moments as
    ``optimizer.generator.12.exp_avg`` and step counts, and ``extra.*``.
    """
    named = {
        f"{part}.{name}": t for part, module in networks.modules.items() for name, t in module.state_dict().items()
    }
    for part, optimizer in networks.optimizers.items():
        named |= moments(optimizer, f"optimizer.{part}")
    return named | {f"extra.{name}": value for name, value in networks.extra.items()}


def moments(optimizer: torch.optim.Adam, prefix: str) -> dict[str, Tensor]:
    """Return what Adam remembers of each parameter, by names such as ``prefix.12.exp_avg``, and its step counts."""
    states = optimizer.state_dict()["state"]
    return {f"{prefix}.{index}.{key}": state[key] for index, state in states.items() for key in (*MOMENTS, "step")}


def slim(networks: Networks) -> dict[str, Tensor]:
    """Return the weights alone, in bfloat16: what training can go on from, with optimizers that start afresh."""
    kept = ("average.", "generator.", "discriminator.", "extra.")
    return {
        name: t.bfloat16() if t.is_floating_point() and not name.startswith("extra.") else t
        for name, t in tensors(networks).items()
        if name.startswith(kept)
    }


@torch.no_grad()
def restore(networks: Networks, named: Mapping[str, Tensor]) -> bool:
    """Put the tensors of a snapshot back; returns whether it held the optimizers (a slim one does not).

    Raises `TrainingError` where the snapshot is of other networks.
    """
    for part, module in networks.modules.items():
        own = module.state_dict()
        given = {name.removeprefix(f"{part}."): t for name, t in named.items() if name.startswith(f"{part}.")}
        if own.keys() != given.keys() or any(own[name].shape != given[name].shape for name in own):
            raise TrainingError(f"The snapshot's {part} has other layers than these settings make; use its settings.")
        for name, t in own.items():
            t.copy_(given[name])
    for name, own in networks.extra.items():  # what these settings do not carry on is left out
        networks.extra[name] = named.get(f"extra.{name}", own).to(own.device)
    whole = any(name.startswith("optimizer.") for name in named)
    if whole:
        for part, optimizer in networks.optimizers.items():
            restore_moments(optimizer, f"optimizer.{part}", named)
    return whole


def restore_moments(optimizer: torch.optim.Adam, prefix: str, named: Mapping[str, Tensor]) -> None:
    """Put back what `moments` gave."""
    described = optimizer.state_dict()
    parameters = optimizer.param_groups[0]["params"]
    described["state"] = {
        index: {key: named[f"{prefix}.{index}.{key}"] for key in (*MOMENTS, "step")}
        for index in range(len(parameters))
        if f"{prefix}.{index}.step" in named
    }
    optimizer.load_state_dict(described)


def warming(steps: int) -> float:
    """Return the factor of the learning rate `steps` steps after an optimizer started afresh on a trained network: from
    0 to 1 in 200, in which Adam learns the size of the gradients. (Its first step moves every weight by the whole
    rate, whatever the gradient.)
    """
    return min(1.0, max(0, steps + 1) / WARMING_STEPS)


def cooling(left: int, last: int) -> float:
    """Return the factor of the learning rate with `left` images to come: from 1 to 0 over the `last` ones (0: always
    1). Steps as large as at the start keep weights in motion that have found their place.
    """
    return min(1.0, max(0, left) / last) if last else 1.0


def scale_rates(networks: Networks, *, generator: float, discriminator: float) -> None:
    """Set the learning rates to these factors of what the optimizers were made with."""
    for optimizer, factor in (
        (networks.generator_optimizer, generator),
        (networks.discriminator_optimizer, discriminator),
    ):
        optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] * factor
