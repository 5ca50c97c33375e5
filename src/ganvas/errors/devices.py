"""The device to compute on."""

import torch

from ganvas.errors import GanvasError
from ganvas.errors.shown import shown


def device_named(name: str | torch.device, error: type[GanvasError] = GanvasError) -> torch.device:
    """Return the device of this name, for "auto" the first CUDA device or the CPU; raises `error` where this machine
    has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as reason:
        raise error(f"Device {shown(str(name))} cannot be used on this machine; give cpu, or one it has.") from reason
