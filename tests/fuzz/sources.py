"""The sound files that the fuzz starts from, one of every format: conformance vectors, and files made here."""

from pathlib import Path

import torch

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from tests.conftest import SHARED
from tests.generators.small import small_stylegan2

VECTORS = {
    "nvidia-stylegan2": "stylegan2-orig.pkl",
    "nvidia-stylegan3": "stylegan3-r.pkl",
    "hammer-stylegan2": "genforce-stylegan2.pth",
    "hammer-stylegan3": "genforce-stylegan3-r.pth",
    "rosinality": "rosinality.pt",
    "huggingface-biggan": "biggan-deep-pytorch_model.bin",
}
MADE = ("ganvas-safetensors", "torch-zip", "torch-old")


def sources(folder: Path) -> dict[str, Path]:
    """Return a sound file of every format by name, after making those that are made here in `folder`."""
    vectors = {name: SHARED / "conformance" / file for name, file in VECTORS.items()}
    made = {name: folder / f"{name}.{suffix}" for name, suffix in zip(MADE, ("safetensors", "pt", "pth"), strict=True)}
    torch.manual_seed(0)
    save_generator(made["ganvas-safetensors"], small_stylegan2(8), About("small", ""))
    state = small_dcgan()
    torch.save(state, made["torch-zip"])
    torch.save({"netG": state, "epoch": 3}, made["torch-old"], _use_new_zipfile_serialization=False)
    return {name: path for name, path in {**vectors, **made}.items() if path.is_file()}


def small_dcgan() -> dict[str, torch.Tensor]:
    """Return the state dict of PyTorch's DCGAN example for pictures of 32 pixels, with few channels."""
    widths = [8, 16, 8, 4]
    state: dict[str, torch.Tensor] = {}
    for block, (inputs, outputs) in enumerate(zip(widths, [*widths[1:], 3], strict=True)):
        state[f"main.{3 * block}.weight"] = torch.randn(inputs, outputs, 4, 4)
        if block < len(widths) - 1:
            norm = f"main.{3 * block + 1}"
            for name in ("weight", "bias", "running_mean", "running_var"):
                state[f"{norm}.{name}"] = torch.rand(outputs)
            state[f"{norm}.num_batches_tracked"] = torch.tensor(1)
    return state
