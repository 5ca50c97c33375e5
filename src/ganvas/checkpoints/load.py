"""Generators on disk: ``load``, which recognizes a file by its content and never runs code from it, and what can be
said of a file.
"""

import importlib.resources
import tomllib
import warnings
from collections.abc import Mapping, Sequence, Sized
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from ganvas.checkpoints import zoo
from ganvas.checkpoints.formats import READERS
from ganvas.checkpoints.own_format import FORMAT as OWN_FORMAT
from ganvas.checkpoints.own_format import build, hash_tensors, is_own, read_own, save_generator
from ganvas.checkpoints.safe_pickle.trees import describe_tree, is_safetensors, read_tree
from ganvas.checkpoints.search import SearchedTree
from ganvas.checkpoints.unbuilt import UNVERIFIED, UnbuiltGenerator
from ganvas.errors import CheckpointError, RegionError
from ganvas.errors.arguments import checked
from ganvas.errors.devices import device_named
from ganvas.errors.names import is_name
from ganvas.generators.codes import parse_layers
from ganvas.generators.protocol import About, Generator, about_of
from ganvas.images.face_finders import finder_named
from ganvas.io.files import is_file
from ganvas.regions import Region
from ganvas.regions.part_files import load_parts
from ganvas.regions.part_model import CLUSTERS, LABELS, PartModel

BUNDLED = ("faces", "cats", "faces-dcgan", "cats-dcgan")
PRECISIONS = (torch.float32, torch.bfloat16)
SMALLEST_IN_BFLOAT16 = 64


@checked
def load(source: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> Generator:
    """Return a generator: a bundled one, one of the zoo, or that of a file in any known format. No code in it is run.

    Args:
        source: A bundled name ("faces", "cats", "faces-dcgan", "cats-dcgan"), a name of the zoo, or a file.
        device: Where it runs, such as "cpu" or "cuda".
        dtype: Precision of the convolutions: torch.float32 by default, or torch.bfloat16 from 64 px up.

    Returns:
        The generator, in evaluation mode.

    Raises:
        CheckpointError: There is no such file, or it holds no generator that is known.
        UnsafeFileError: The file asks for something other than data.

    Example:
        >>> import ganvas
        >>> ganvas.load("faces")
        StyleGAN2('faces', 128 px, spaces z, w, w+, s, 12 layers)
    """
    if dtype not in (None, *PRECISIONS):
        raise CheckpointError(f"{dtype} is not offered; load in torch.float32 or torch.bfloat16.")
    place, path = device_named(device), resolve(source)
    unbuilt, about = recognize(path)
    generator = build(unbuilt, path)
    if unbuilt.format != OWN_FORMAT and "left_out" in unbuilt.facts:
        warnings.warn(f"'{path.name}': {unbuilt.facts['left_out']} are left out of the images.", stacklevel=2)
    if dtype == torch.bfloat16 and generator.resolution < SMALLEST_IN_BFLOAT16:
        raise CheckpointError(f"bfloat16 is offered from {SMALLEST_IN_BFLOAT16} pixels up; load in float32.")
    generator.about = about
    generator.eval().requires_grad_(False).to(place)
    generator.set_precision(dtype or torch.float32)
    return generator


def resolve(source: str | Path) -> Path:
    """Return the file of a bundled name, a name of the zoo or a path; raises `CheckpointError` where there is none.

    Nothing is downloaded: a name of the zoo whose file is not on this disk raises `DownloadError`.
    """
    if str(source) in BUNDLED:
        return bundled_path(str(source))
    if (entry := zoo.find(str(source))) is not None:
        return zoo.checked_path(entry)
    path = Path(source)
    if is_name(path) and path.is_dir():
        raise CheckpointError(
            f"There is no generator '{source}': it is a folder. Give a generator's file in it, or make a generator of "
            "the images in it: ganvas train --help."
        )
    if not is_file(path):
        raise CheckpointError(
            f"There is no generator '{source}'{zoo.close_to(str(source), *BUNDLED)}: give a file, one of the bundled "
            f"names: {', '.join(BUNDLED)}, or one of the zoo's (ganvas models list)."
        )
    return path


def bundled_path(name: str) -> Path:
    """Return where a file of this name lies among the bundled ones, whether there is one or not."""
    return Path(str(importlib.resources.files("ganvas.checkpoints") / "bundled" / f"{name}.safetensors"))


def read_generator(path: Path) -> tuple[Any, About]:
    """Return a file's generator, on the CPU in float32, and what is known of it."""
    unbuilt, about = recognize(path)
    return build(unbuilt, path), about


def recognize(path: Path) -> tuple[UnbuiltGenerator, About]:
    """Return a file's generator, not yet built, and what is known of it; raises `CheckpointError`."""
    if is_safetensors(path) and is_own(path):
        unbuilt, about = read_own(path)
        return unbuilt, _with_facts(path, about)
    unbuilt = recognize_tree(read_tree(path), path)
    source = {"file": path.name, "format": unbuilt.format, **unbuilt.facts}
    if not unbuilt.verified:
        source["reader"] = UNVERIFIED
    return unbuilt, zoo.add_facts(path, About(path.stem, hash_tensors(unbuilt.tensors), source))


def _with_facts(path: Path, about: About) -> About:
    """Return what is known of a bundled generator with the layers of its regions, what finds faces for it, and what
    tells its parts apart. They lie in files beside the weights, so that a new one does not store the weights again.
    """
    if path != bundled_path(about.name):
        return about
    known = tomllib.loads(path.with_name("facts.toml").read_text("utf-8")).get(about.name, {})
    files = [bundled_path(f"{about.name}-{kind}") for kind in (LABELS, CLUSTERS)]
    return replace(
        about,
        region_layers={**known.get("region_layers", {}), **about.region_layers},
        face_finder=about.face_finder or known.get("face_finder", ""),
        parts=with_parts([load_parts(file) for file in files if file.is_file()], about.parts),
    )


def recognize_tree(tree: Any, path: Path) -> UnbuiltGenerator:
    """Return the generator that the first matching reader finds; raises `CheckpointError` where none matches."""
    searched: SearchedTree | None = None
    for read, _ in READERS:
        try:
            searched = searched or SearchedTree(tree)
            unbuilt = read(searched, path)
        except CheckpointError as error:
            raise type(error)(f"'{path}': {error}") from error
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # What a file made by hand can cause in a reader: a text for a number, a shape that cannot be transposed.
            raise CheckpointError(f"'{path}' is damaged: {error}") from error
        if unbuilt is not None:
            return unbuilt
    if isinstance(tree, Sized) and len(tree) == 0:
        raise CheckpointError(
            f"'{path}' holds no generator: an empty {type(tree).__name__} was saved in it. Ask where it comes from for "
            "a file with weights."
        )
    looked_for = "".join(f"\n  {what}" for _, what in READERS)
    raise CheckpointError(
        f"'{path}' is no generator that Ganvas knows. Found: {describe_tree(tree)}. Looked for:{looked_for}"
    )


@checked
def convert(
    source: str | Path,
    target: str | Path,
    *,
    half: bool = False,
    name: str | None = None,
    regions: Mapping[str, Region] | None = None,
    edit_layers: str = "",
    region_layers: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
    face_finder: str = "",
    parts: Sequence[PartModel] = (),
) -> Path:
    """Write a generator in our own format, safetensors with a header.

    Args:
        source: A bundled name, a name of the zoo, or a file.
        target: The file to write.
        half: Whether to store weights in float16.
        name: What the generator is called; by default as before.
        regions: Its named regions; by default as before.
        edit_layers: The layers recommended for local edits, such as "4-6".
        region_layers: Those for named regions that live in others, such as {"ears": "0-3"}; by default as before.
        facts: Facts about its source, such as license and data, kept beside the hash of the original.
        face_finder: What finds faces in photos for it: "people" or "cats"; by default as before.
        parts: What tells the parts of its images apart, from `find_parts` or `load_parts`: one of each kind, which
            takes the place of the one before.

    Returns:
        The path of the file.

    Raises:
        CheckpointError: The source holds no generator that is known.
        LatentError: Layers that it does not have.
        RegionError: Layers for a region that it does not name.
        GanvasError: There is no such face finder.

    Example:
        >>> import ganvas, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = ganvas.convert("faces-dcgan", f"{folder}/mine.safetensors", name="mine")
        ...     ganvas.load(path)
        DCGAN('mine', 64 px, spaces z)
    """
    generator, about = read_generator(resolve(source))
    for layers in (edit_layers, *(region_layers or {}).values()):
        if layers:
            parse_layers(layers, generator.layers)
    if face_finder:
        finder_named(face_finder)
    named = regions or about.regions
    for name in region_layers or {}:
        if name not in named:
            known = ", ".join(named) or "none"
            raise RegionError(f"There is no region '{name}' to give layers to; named are: {known}.")
    given = {**about.region_layers, **(region_layers or {})}
    about = replace(
        about,
        name=name or about.name,
        regions=named,
        edit_layers=edit_layers or about.edit_layers,
        face_finder=face_finder or about.face_finder,
        region_layers={name: text for name, text in given.items() if name in named},
        parts=with_parts(about.parts, parts),
        source={**about.source, "hash": about.hash, **(facts or {})},
    )
    return save_generator(target, generator, about, half=half)


def with_parts(before: Sequence[PartModel], new: Sequence[PartModel]) -> tuple[PartModel, ...]:
    """Return the parts of a generator with new ones, each in the place of the one of its kind."""
    return tuple({model.kind: model for model in (*before, *new)}.values())


@checked
def info(source: str | Path) -> dict[str, Any]:
    """Return the facts about a generator.

    Args:
        source: A bundled name, a name of the zoo, or a file.

    Returns:
        Family, format and whether its reader is verified, sizes, spaces, layers, source, named regions, hash; what is
        published of a generator of the zoo that is not on this disk.

    Raises:
        CheckpointError: There is no such file, or it holds no generator that is known.

    Example:
        >>> import ganvas
        >>> facts = ganvas.info("faces")
        >>> facts["resolution"], facts["layers"]
        (128, 12)
    """
    entry = zoo.find(str(source))
    if entry is not None:
        return entry.facts() | (_facts(zoo.checked_path(entry)) if entry.here else {})
    return _facts(resolve(source))


def _facts(path: Path) -> dict[str, Any]:
    unbuilt, about = recognize(path)
    generator = build(unbuilt, path)
    architecture = asdict(generator.architecture)
    return {
        "name": about.name,
        "file": str(path),
        "bytes": path.stat().st_size,
        "format": unbuilt.format,
        "verified": "yes" if unbuilt.verified else UNVERIFIED,
        "family": generator.family,
        "resolution": generator.resolution,
        "parameters": sum(p.numel() for p in generator.parameters()),
        "spaces": {space: list(generator.dimensions(space)) for space in generator.spaces},
        "layers": generator.layers,
        "features": list(generator.feature_names),
        "classes": architecture.get("label_dim", 0),
        "architecture": architecture,
        "regions": list(about.regions),
        "edit_layers": about.edit_layers,
        "region_layers": dict(about.region_layers),
        "face_finder": about.face_finder,
        "parts": [name for model in about.parts for name in model.names or [f"0-{len(model) - 1}"]],
        "source": dict(about.source),
        "hash": about.hash,
    }


@checked
def named_regions(generator: Generator) -> Mapping[str, Region]:
    """Return the named regions of a generator.

    Args:
        generator: The generator.

    Returns:
        Regions by name, {} where it has none.

    Example:
        >>> import ganvas
        >>> "mouth" in ganvas.named_regions(ganvas.load("faces"))
        True
    """
    return about_of(generator).regions
