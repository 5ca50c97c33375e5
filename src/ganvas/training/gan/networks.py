"""The state that training changes: two networks, their optimizers, the averaged generator and a few scalars.

`tensors` and `restore` turn it into named tensors and back without loss, which is all that a snapshot needs.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.errors import TrainingError
from ganvas.images.datasets import ImageSet
from ganvas.training.distributed import ProcessGroup

SheetMeasure = Callable[[Tensor], Mapping[str, float]]
"""Samples [n, 3, h, w] to numbers by name."""
MOMENTS = ("exp_avg", "exp_avg_sq")
WARMUP_STEPS = 200


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
        """The networks by their names in snapshots."""
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    @property
    def optimizers(self) -> dict[str, torch.optim.Adam]:
        """The optimizers by their names in snapshots."""
        return {"generator": self.generator_optimizer, "discriminator": self.discriminator_optimizer}

    def sheet_measure(self, data: ImageSet, samples_of: Callable[[Any], Tensor]) -> SheetMeasure:
        """Return what measures the samples of a sheet, given the training images and the samples of any generator: by
        default nothing.
        """
        return lambda samples: {}


@dataclass(frozen=True)
class InitialNetworks:
    """Trained networks to start from, where there is no snapshot: a generator, which is its own average, and perhaps
    the ``discriminator`` that it was trained against.
    """

    generator: Any
    discriminator: Any = None

    @property
    def average(self) -> Any:
        """The generator itself."""
        return self.generator


def adam(network: nn.Module, learning_rate: float, betas: tuple[float, float], interval: int = 0) -> torch.optim.Adam:
    """Return Adam for a network.

    With a regularizer every `interval` steps (0: none), learning rate and betas take the correction c = interval /
    (interval + 1) of lazy regularization: ``c lr`` and ``beta^c`` (Karras et al. 2020, appendix B).
    """
    correction = interval / (interval + 1) if interval else 1.0
    first, second = (beta**correction for beta in betas)
    return torch.optim.Adam(list(network.parameters()), learning_rate * correction, (first, second), foreach=True)


def on_device(module: nn.Module, device: torch.device) -> Any:
    """Move a module to the device, its kernels in the memory layout in which convolutions are fastest."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module.to(device)


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Start a network from one of the same layers; raises `TrainingError` for one of others."""
    shapes = [{name: tensor.shape for name, tensor in network.state_dict().items()} for network in (source, target)]
    if shapes[0] != shapes[1]:
        raise TrainingError("A network starts from one of the same sizes; leave --start out, or change the sizes.")
    target.load_state_dict(source.state_dict())


def networks_of(
    generator: nn.Module,
    discriminator: nn.Module,
    device: torch.device,
    source: InitialNetworks | Networks | None,
    rates: tuple[float, float],
    betas: tuple[float, float],
) -> Networks:
    """Return new networks with their average and their optimizers, generator first, on a device; with the weights of
    `source` where it is given.
    """
    average = copy.deepcopy(generator)
    if source is not None:
        copy_weights(source.generator, generator)
        copy_weights(source.average, average)
        if source.discriminator is not None:
            copy_weights(source.discriminator, discriminator)
    generator, discriminator = on_device(generator, device).train(), on_device(discriminator, device).train()
    return Networks(
        generator,
        discriminator,
        on_device(average, device).eval().requires_grad_(False),
        adam(generator, rates[0], betas),
        adam(discriminator, rates[1], betas),
    )


def descend(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, processes: ProcessGroup) -> None:
    """Do one step of the optimizer down the gradient of `loss`."""
    optimizer.zero_grad()
    loss.backward()
    processes.average_gradients(network)
    optimizer.step()


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
    """Return Adam's moments of each parameter, by names such as ``prefix.12.exp_avg``, and its step counts."""
    states = optimizer.state_dict()["state"]
    return {f"{prefix}.{index}.{key}": state[key] for index, state in states.items() for key in (*MOMENTS, "step")}


def weights_only(networks: Networks) -> dict[str, Tensor]:
    """Return the weights without optimizers, in bfloat16: training resumes from them with fresh optimizers."""
    kept = ("average.", "generator.", "discriminator.", "extra.")
    return {
        name: t.bfloat16() if t.is_floating_point() and not name.startswith("extra.") else t
        for name, t in tensors(networks).items()
        if name.startswith(kept)
    }


@torch.no_grad()
def restore(networks: Networks, named: Mapping[str, Tensor]) -> bool:
    """Load the tensors of a snapshot; returns whether it held the optimizers (a weights-only one does not).

    Raises `TrainingError` where the snapshot is of other networks.
    """
    for part, module in networks.modules.items():
        own = module.state_dict()
        given = {name.removeprefix(f"{part}."): t for name, t in named.items() if name.startswith(f"{part}.")}
        if own.keys() != given.keys() or any(own[name].shape != given[name].shape for name in own):
            raise TrainingError(f"The snapshot's {part} has other layers than these settings make; use its settings.")
        for name, t in own.items():
            t.copy_(given[name])
    for name, own in networks.extra.items():  # scalars that these settings do not use are dropped
        networks.extra[name] = named.get(f"extra.{name}", own).to(own.device)
    complete = any(name.startswith("optimizer.") for name in named)
    if complete:
        for part, optimizer in networks.optimizers.items():
            restore_moments(optimizer, f"optimizer.{part}", named)
    return complete


def restore_moments(optimizer: torch.optim.Adam, prefix: str, named: Mapping[str, Tensor]) -> None:
    """Load what `moments` returned."""
    described = optimizer.state_dict()
    parameters = optimizer.param_groups[0]["params"]
    described["state"] = {
        index: {key: named[f"{prefix}.{index}.{key}"] for key in (*MOMENTS, "step")}
        for index in range(len(parameters))
        if f"{prefix}.{index}.step" in named
    }
    optimizer.load_state_dict(described)


def lr_warmup(steps: int) -> float:
    """Return the learning-rate factor `steps` steps after a trained network got a fresh optimizer: linear from 0 to 1
    in 200 steps.

    Adam's first step moves every weight by the whole learning rate, whatever the gradient; in these steps it learns
    the gradients' scale.
    """
    return min(1.0, max(0, steps + 1) / WARMUP_STEPS)


def lr_decay(images_left: int, decay_images: int) -> float:
    """Return the learning-rate factor with `images_left` to come: linear from 1 to 0 over the last `decay_images` (0:
    always 1).
    """
    return min(1.0, max(0, images_left) / decay_images) if decay_images else 1.0


def scale_learning_rates(networks: Networks, *, generator: float, discriminator: float) -> None:
    """Set the learning rates to these factors of their initial values."""
    for optimizer, factor in (
        (networks.generator_optimizer, generator),
        (networks.discriminator_optimizer, discriminator),
    ):
        optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] * factor
