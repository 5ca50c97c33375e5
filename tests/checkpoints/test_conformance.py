"""Every checkpoint of the conformance folder, each written by another implementation, against all that this gave for
it: before and after conversion to our format.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas.checkpoints.load import convert, info, load

pytestmark = pytest.mark.usefixtures("one_thread")

FILES = {
    "stylegan2.pkl": ("stylegan2", "NVIDIA pickle"),
    "stylegan2-conditional.pkl": ("stylegan2", "NVIDIA pickle"),
    "stylegan2-resnet.pkl": ("stylegan2", "NVIDIA pickle"),
    "stylegan2-orig.pkl": ("stylegan2", "NVIDIA pickle"),
    "genforce-stylegan2.pth": ("stylegan2", "Hammer .pth"),
    "rosinality.pt": ("stylegan2", "rosinality .pt"),
    "stylegan3-t.pkl": ("stylegan3", "NVIDIA pickle"),
    "stylegan3-r.pkl": ("stylegan3", "NVIDIA pickle"),
    "genforce-stylegan3-t.pth": ("stylegan3", "Hammer .pth"),
    "genforce-stylegan3-r.pth": ("stylegan3", "Hammer .pth"),
    "biggan-deep-pytorch_model.bin": ("biggan", "Hugging Face BigGAN-deep"),
}
TOLERANCES = {"stylegan2": 1e-4, "stylegan3": 1e-3, "biggan": 1e-4}
INPUTS = {"z", "c", "class_vector", "inverse_transform"}


def read_vectors(shared: Path, name: str) -> dict[str, Tensor]:
    path = shared / "conformance" / name
    vectors = path.with_name(path.stem.removesuffix("-pytorch_model") + ".npz")
    return {key: torch.from_numpy(value) for key, value in np.load(vectors).items()}


def results(generator, given: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield what our generator gives for every key of the vectors."""
    z = given["z"]
    if generator.family == "biggan":
        generator.set_compat("official")
        for key in given.keys() - INPUTS:
            truncation = float(key.removeprefix("image_truncation"))
            yield key, generator.synthesize(z, "z", label=given["class_vector"], truncation=truncation)
        return
    label = given["c"].float() if "c" in given else None
    ws = generator.map(z, label=label)
    for key in given.keys() - INPUTS:
        if key == "latent_avg":
            yield key, generator.mapping.w_avg
        elif key == "w":
            yield key, generator.map(z, "w", label=label)
        elif key.startswith("ws_psi"):
            yield key, generator.map(z, label=label, truncation=float(key.removeprefix("ws_psi")))
        elif key == "image_layers3to5_plus0.5":
            moved = ws.clone()
            moved[:, 3:5] += 0.5
            yield key, generator.synthesize(moved, "w+")
        elif key == "image_transformed_psi1.0":
            yield key, generator.transformed(matrix=given["inverse_transform"].double().inverse()).synthesize(ws, "w+")
        elif key == "image_psi07_layers0to8":
            yield key, generator.synthesize(generator.map(z, truncation=0.7, truncation_layers=8), "w+")
        else:
            psi = 0.7 if key in ("image_psi07", "image_psi0.7") else 1.0
            noise = "none" if "nonoise" in key else "const"
            assert key in ("image_psi07", "image_psi1", f"image_psi{psi}", "image_nonoise_psi1.0"), key
            yield key, generator.synthesize(generator.map(z, label=label, truncation=psi), "w+", noise=noise)


def told_by_content(source: Path, folder: Path) -> dict:
    """Return what is said of a file under a name that tells nothing."""
    for file in (source, source.with_name(source.name.replace("pytorch_model.bin", "config.json"))):
        (folder / ("config.json" if file.suffix == ".json" else "network")).write_bytes(file.read_bytes())
    return info(folder / "network")


@pytest.mark.slow
@pytest.mark.float32
@pytest.mark.parametrize("name", FILES)
def test_a_published_file_and_its_conversion(shared: Path, tmp_path: Path, name: str) -> None:
    source, given = shared / "conformance" / name, read_vectors(shared, name)
    generator = load(source)
    ours = dict(results(generator, given))
    assert ours.keys() == given.keys() - INPUTS
    for key, result in ours.items():
        difference = float((result - given[key]).abs().max() / given[key].std())
        assert difference < TOLERANCES[generator.family], f"{key} differs by {difference:.1e} of its deviation"
    facts = told_by_content(source, tmp_path)
    assert (facts["family"], facts["format"], facts["verified"]) == (*FILES[name], "yes")
    assert facts["hash"] == generator.about.hash
    again = load(convert(source, tmp_path / "ours.safetensors"))
    assert again.architecture == generator.architecture
    assert again.about.source["hash"] == generator.about.hash
    for key, result in results(again, given):
        assert torch.equal(result, ours[key]), key


def test_every_file_of_the_folder_is_here(shared: Path) -> None:
    found = {path.name for path in (shared / "conformance").iterdir() if path.suffix not in (".npz", ".md", ".json")}
    assert found == set(FILES)
