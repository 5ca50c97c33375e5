"""The device, the number of threads and the precision to train with."""

import torch

from ganvas.errors import TrainingError


def set_threads(threads: int) -> None:
    """Use this many CPU threads, or torch's own choice for 0; raises `TrainingError` for fewer."""
    if threads < 0:
        raise TrainingError(f"--threads {threads} is not possible; give 1 or more, or 0 for all.")
    if threads:
        torch.set_num_threads(threads)


def fastest_precision(device: torch.device) -> str:
    """Return "bfloat16" where the device computes convolutions in it at twice the speed or more, else "float32"."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        has = known.get("avx512_bf16") or known.get("amx_bf16")
        return "bfloat16" if has else "float32"
    return "float32"
