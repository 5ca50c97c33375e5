"""The Python of README and of the documentation runs, document by document, and its assertions hold."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import ganvas
from ganvas.metrics import ood
from tests.generators.biggan_parts import SMALL, small_biggan
from tests.generators.small_stylegan3 import small_stylegan3

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if BLOCK.search(path.read_text("utf-8"))
]

# Small networks of the same family take the place of published files, which are not on every machine.
PUBLISHED: dict[str, Callable[[], Any]] = {
    "biggan-deep-256-pytorch_model.bin": lambda: small_biggan(replace(SMALL, label_dim=1000)),
    "stylegan3-r-ffhqu-1024x1024.pkl": lambda: small_stylegan3(radial=True, kernel=1),
}


def given_names(document: str) -> dict[str, object]:
    """Return what a document's code takes as given, and write the files that it reads."""
    if document.endswith("photos.md"):
        faces = ganvas.load("faces")
        image = faces.synthesize(faces.map(faces.sample([4]), truncation=0.7))
        ganvas.write_image("me.jpg", image)
        Image.new("RGBA", (64, 64), (200, 90, 40, 128)).save("cat.png")
    if document.endswith("features.md"):
        random = torch.Generator().manual_seed(0)
        real, made = torch.rand(2, 16, 3, 64, 64, generator=random) * 2 - 1
        return {"real": real, "made": made}
    return {}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_of_document_runs(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    # Fewer samples than in use, which take half a minute; so what is cached of them stays in this test's folder.
    monkeypatch.setattr(ood, "SAMPLES", 60)
    monkeypatch.setattr(ood, "FITTED", 40)
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    names = {"__name__": document, **given_names(document)}
    load = ganvas.load
    monkeypatch.setattr(ganvas, "load", lambda source: PUBLISHED.get(source, lambda: load(source))())
    for block in BLOCK.findall((ROOT / document).read_text("utf-8")):
        exec(compile(block, document, "exec"), names)


def test_documents_with_python_are_found():
    assert "README.md" in DOCUMENTS
    assert len(DOCUMENTS) > 5
