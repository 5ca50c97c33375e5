"""Generators on disk: our safetensors format, and ``load``, which recognises a file by its content and never runs code
from it.
"""

import hashlib
import importlib.resources
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas.checkpoints.keymaps import stylegan2_from_nvidia
from ganvas.checkpoints.pickles import PersistentRecord, read_pickle
from ganvas.errors import CheckpointError, RegionError
from ganvas.generators.protocol import About, Generator
from ganvas.generators.stylegan2 import StyleGAN2
from ganvas.generators.stylegan2_synthesis import Architecture
from ganvas.region import Region
from ganvas.tensor_files import read_tensors, write_tensors

BUNDLED = ("faces",)
PRECISIONS = (torch.float32, torch.bfloat16)
SMALLEST_IN_BFLOAT16 = 64


def load(source: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> Generator:
    """Return the generator of a bundled name ("faces") or of a file: ``.safetensors`` of ours or NVIDIA's ``.pkl``,
    told by content.

    Nothing in the file is run. `dtype` float32 (default) or bfloat16 is that of the convolutions. Raises
    `CheckpointError`, or `UnsafeFileError` for a pickle that asks for something other than data.
    """
    if dtype not in (None, *PRECISIONS):
        raise CheckpointError(f"{dtype} is not offered; load in torch.float32 or torch.bfloat16.")
    generator, about = read_generator(resolve(source))
    if dtype == torch.bfloat16 and generator.resolution < SMALLEST_IN_BFLOAT16:
        raise CheckpointError(f"bfloat16 is offered from {SMALLEST_IN_BFLOAT16} pixels up; load in float32.")
    generator.about = about
    generator.eval().requires_grad_(False).to(device)
    generator.set_precision(dtype or torch.float32)
    return generator


def resolve(source: str | Path) -> Path:
    """Return the file of a bundled name or a path; raises `CheckpointError` where there is none."""
    if str(source) in BUNDLED:
        return Path(str(importlib.resources.files("ganvas.checkpoints") / "bundled" / f"{source}.safetensors"))
    path = Path(source)
    if not path.is_file():
        raise CheckpointError(
            f"There is no generator '{source}': give a file, or one of the bundled names: {', '.join(BUNDLED)}."
        )
    return path


def read_generator(path: Path) -> tuple[StyleGAN2, About]:
    """Return a file's generator, on the CPU in float32, and what is known of it."""
    with path.open("rb") as stream:
        head = stream.read(16)
    if _is_safetensors(head, path.stat().st_size):
        return _read_ours(path)
    tree = read_pickle(path)
    record = tree.get("G_ema") if isinstance(tree, dict) else None
    if not isinstance(record, PersistentRecord):
        found = ", ".join(map(str, tree)) if isinstance(tree, dict) else type(tree).__name__
        raise CheckpointError(
            f"'{path}' has no generator 'G_ema'; it holds {found or 'nothing'}. Give a network snapshot of "
            "NVIDIA's format."
        )
    architecture, tensors = stylegan2_from_nvidia(record)
    about = About(path.stem, hash_tensors(tensors), {"file": path.name, "format": "NVIDIA pickle"})
    return build(architecture, tensors, path), about


def _is_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 8 and 0 < int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{"


def _read_ours(path: Path) -> tuple[StyleGAN2, About]:
    tensors, header = read_tensors(path, "generator", CheckpointError)
    if header.get("family") != StyleGAN2.family:
        raise CheckpointError(
            f"'{path}' holds a generator of the family {header.get('family')}; this version reads {StyleGAN2.family}."
        )
    try:
        described: dict[str, Any] = dict(header["architecture"])
        described |= {name: tuple(described[name]) for name in ("channels", "hidden")}
        architecture = Architecture(**described)
        regions = {name: Region.from_description(region) for name, region in header.get("regions", {}).items()}
        about = About(
            str(header["name"]),
            hash_tensors(tensors),
            dict(header.get("source", {})),
            regions,
            str(header.get("edit_layers", "")),
        )
    except (AttributeError, KeyError, TypeError, ValueError, RegionError) as reason:
        raise CheckpointError(f"'{path}' has a damaged header ({reason}); convert the original file again.") from reason
    return build(architecture, tensors, path), about


def build(architecture: Architecture, tensors: Mapping[str, Tensor], path: Path) -> StyleGAN2:
    """Return a StyleGAN2 with these weights in float32; raises `CheckpointError` where names or shapes do not fit the
    architecture.
    """
    with torch.device("meta"):
        generator = StyleGAN2(architecture)
    wanted = {name: tensor.shape for name, tensor in generator.state_dict().items()}
    missing, unknown = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unknown:
        raise CheckpointError(
            f"'{path}' does not fit a StyleGAN2 of {architecture.resolution} pixels: missing {missing[:3]}, "
            f"unknown {unknown[:3]}."
        )
    for name, shape in wanted.items():
        if tensors[name].shape != shape:
            raise CheckpointError(
                f"'{path}': {name} has shape {list(tensors[name].shape)}, but {list(shape)} fits the other weights."
            )
    # Weights of convolutions in the layout in which they are fastest; the rest as it comes.
    placed = {
        name: tensor.float().contiguous(
            memory_format=torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        )
        for name, tensor in tensors.items()
    }
    generator.load_state_dict(placed, assign=True)
    return generator


def save_generator(path: str | Path, generator: StyleGAN2, about: About, *, half: bool = False) -> Path:
    """Write a generator in our format, in float16 with `half`; returns the path."""
    tensors = {name: tensor.half() if half else tensor.float() for name, tensor in generator.state_dict().items()}
    header = {
        "family": generator.family,
        "architecture": asdict(generator.architecture),
        "prior": "standard normal, numpy RandomState per seed",
        "name": about.name,
        "source": dict(about.source),
        "regions": {name: region.describe() for name, region in about.regions.items()},
        "edit_layers": about.edit_layers,
    }
    return write_tensors(path, "generator", tensors, header, CheckpointError)


def convert(
    source: str | Path,
    target: str | Path,
    *,
    half: bool = False,
    name: str | None = None,
    regions: Mapping[str, Region] | None = None,
    edit_layers: str = "",
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write a generator in our format, in float16 with `half`; returns the path.

    `name`, `regions` and `edit_layers` (the layers recommended for local edits) go to its header, and `facts` of its
    source such as its licence and data, beside the hash of the original.
    """
    generator, about = read_generator(resolve(source))
    about = replace(
        about,
        name=name or about.name,
        regions=regions or about.regions,
        edit_layers=edit_layers or about.edit_layers,
        source={**about.source, "hash": about.hash, **(facts or {})},
    )
    return save_generator(target, generator, about, half=half)


def info(source: str | Path) -> dict[str, Any]:
    """Return what can be said of a generator: family, sizes, spaces, layers, source, named regions."""
    path = resolve(source)
    generator, about = read_generator(path)
    return {
        "name": about.name,
        "file": str(path),
        "bytes": path.stat().st_size,
        "family": generator.family,
        "resolution": generator.resolution,
        "parameters": sum(p.numel() for p in generator.parameters()),
        "spaces": {space: list(generator.dimensions(space)) for space in generator.spaces},
        "layers": generator.layers,
        "features": list(generator.feature_names),
        "classes": generator.architecture.label_dim,
        "architecture": asdict(generator.architecture),
        "regions": list(about.regions),
        "edit_layers": about.edit_layers,
        "source": dict(about.source),
        "hash": about.hash,
    }


def regions(generator: Generator) -> Mapping[str, Region]:
    """Return the generator's named regions, {} where it has none."""
    about = getattr(generator, "about", None)
    return {} if about is None else about.regions


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return sha256 over sorted (name, shape, bytes as stored), in hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {list(tensors[name].shape)} ".encode())
        digest.update(tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
