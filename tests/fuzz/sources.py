"""The sound files that the fuzz starts from, one of every format: conformance vectors, and files made here."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganvas.checkpoints.own_format import save_generator
from ganvas.generators.protocol import About
from tests.checkpoints import nvidia_layouts as nvidia
from tests.checkpoints import stylegan2_layouts as layouts
from tests.checkpoints.foreign_objects import Color, History, Judge, objects
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
MADE = (
    *("ganvas-safetensors", "dcgan-zip", "dcgan-old", "dcgan-safetensors"),
    *("genforce-stylegan2", "openmmlab-stylegan2", "tensorflow-stylegan2"),
    *("nvidia-state-dict", "nvidia-safetensors", "module-zip", "module-old", "module-pickle"),
    *("foreign-zip", "foreign-old", "foreign-pickle"),
)


def sources(folder: Path) -> dict[str, Path]:
    """Return a sound file of every format by name, after making those that are made here in `folder`."""
    vectors = {name: SHARED / "conformance" / file for name, file in VECTORS.items()}
    return {name: path for name, path in {**vectors, **made(folder)}.items() if path.is_file()}


def made(folder: Path) -> dict[str, Path]:
    """Write the files that need no vector; returns them by name."""
    paths = {name: folder / f"{name}.{'safetensors' if 'safetensors' in name else 'pt'}" for name in MADE}
    generator, state = small_stylegan2(8), small_dcgan()
    save_generator(paths["ganvas-safetensors"], generator, About("small", ""))
    torch.save(state, paths["dcgan-zip"])
    torch.save({"netG": state, "epoch": 3}, paths["dcgan-old"], _use_new_zipfile_serialization=False)
    save_file(state, paths["dcgan-safetensors"])
    layouts.write_torch(paths["genforce-stylegan2"], layouts.genforce(generator))
    layouts.write_torch(paths["openmmlab-stylegan2"], layouts.openmmlab(generator))
    with pytest.MonkeyPatch.context() as patch:
        layouts.write_tensorflow(paths["tensorflow-stylegan2"], layouts.tensorflow(generator), patch)
    theirs = nvidia.stylegan2(generator)
    torch.save({"state": {"g": theirs, "step": 3}}, paths["nvidia-state-dict"])
    whole = {name: tensor.contiguous() for name, tensor in nvidia.prefixed(theirs, "module.").items()}
    save_file(whole, paths["nvidia-safetensors"])
    for form in ("zip", "old", "pickle"):
        made_of_objects(paths[f"module-{form}"], paths[f"foreign-{form}"], form, theirs)
    return paths


def made_of_objects(module: Path, foreign: Path, form: str, theirs: dict[str, torch.Tensor]) -> None:
    """Write a whole module, and weights beside objects of many classes, under names that nobody can import."""
    network, tree = nvidia.as_module(theirs), {"beside": objects(), "g_ema": theirs}
    with pytest.MonkeyPatch.context() as patch:
        if form != "old":  # which stores the source of classes
            nvidia.somebodys(patch, nvidia.Net, nvidia.EasyDict, Color, History, Judge)
        nvidia.write(module, network, form)
        nvidia.write(foreign, tree, form)


def small_dcgan() -> dict[str, torch.Tensor]:
    """Return the state dict of PyTorch's DCGAN example for images of 32 pixels, with few channels."""
    torch.manual_seed(0)
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
