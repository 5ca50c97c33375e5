"""The Python of README, of the documentation and of the notebooks runs, and its assertions hold."""

import ast
import importlib.util
import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from PIL import Image

import ganvas
from ganvas.checkpoints import load as loading
from ganvas.cli import make_app
from ganvas.inversion import open as opening
from ganvas.metrics import ood
from tests.generators.biggan_parts import SMALL, small_biggan
from tests.generators.small_stylegan3 import small_stylegan3

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PLAIN_BLOCK = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE)
DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "_build" not in path.parts and BLOCK.search(path.read_text("utf-8"))
]
QUICK_DOCUMENTS = ("README.md", "docs/guide/wrap.md", "docs/methods/photos.md")
NOTEBOOKS = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb"))]

# The five first programs of a researcher: the block of the guide in which each stands.
FIRST_PROGRAMS = {
    "a region on an own checkpoint": ("docs/guide/own-checkpoint.md", 0),
    "an own photo, tuned and edited": ("docs/guide/photos.md", 0),
    "several drags with undo": ("docs/guide/drag.md", 0),
    "a re-timed video": ("docs/guide/interpolate.md", 0),
    "an own nn.Module": ("docs/guide/wrap.md", 1),
}

# Small networks of the same family take the place of published files, which are not on every machine.
PUBLISHED: dict[str, Callable[[], Any]] = {
    "biggan-deep-256-pytorch_model.bin": lambda: small_biggan(replace(SMALL, label_dim=1000)),
    "stylegan3-r-ffhqu-1024x1024.pkl": lambda: small_stylegan3(radial=True, kernel=1),
}
# What the documents do for good results, the tests do for a few steps: everything runs, only less long.
SHORTER = {
    "[0, 1, 2, 3], truncation": "[0], truncation",
    "[0, 1], truncation": "[0], truncation",
    "SketchSettings(candidates=2, steps=300)": "SketchSettings(candidates=2, steps=4), random=16",
    "steps=300": "steps=4",
    "steps=100": "steps=4",
    "steps=40": "steps=8",
    "steps=50": "steps=4",
    "frames=96": "frames=6",
    "images=100_000": "images=64",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory in which the files that documents read exist, with a cache of its own."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    # Fewer samples than in use, which take half a minute.
    monkeypatch.setattr(ood, "SAMPLES", 60)
    monkeypatch.setattr(ood, "FITTED", 40)
    monkeypatch.setattr(opening, "STEPS", 4)
    monkeypatch.setattr(opening, "TUNING_STEPS", 4)
    monkeypatch.setattr(ganvas, "load", load_or_small)
    return tmp_path


def load_or_small(source: str, *settings: Any, **more: Any) -> Any:
    """Load a generator, a small one in place of a published file."""
    return PUBLISHED[source]() if source in PUBLISHED else loading.load(source, *settings, **more)


def write_given_files(code: str) -> None:
    """Write the files that a document's code reads."""
    if "me.jpg" in code:
        faces = loading.load("faces")
        ganvas.write_image("me.jpg", faces.synthesize(ganvas.sample(faces, [4], truncation=0.7)))
    if "cat.png" in code:
        Image.new("RGBA", (64, 64), (200, 90, 40, 128)).save("cat.png")
    if "network.pkl" in code:
        shutil.copy(Path(loading.__file__).parent / "bundled/faces.safetensors", "network.pkl")
    if '"images"' in code:
        Path("images").mkdir()
        for number in range(20):
            Image.new("RGB", (40, 32), (10 * number, 120, 255 - 10 * number)).save(f"images/{number}.png")


def given_names() -> dict[str, object]:
    """Return the names that some documents take as given."""
    random = torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, 16, 3, 64, 64, generator=random) * 2 - 1
    return {"real": real, "fake": fake}


def run(blocks: list[str], document: str) -> None:
    """Run the blocks of one document one after the other, as a reader would."""
    write_given_files("\n".join(blocks))
    names: dict[str, object] = {"__name__": document, **given_names()}
    for block in blocks:
        for long, short in SHORTER.items():
            block = block.replace(long, short)
        exec(compile(block, document, "exec"), names)


def python_blocks(document: str) -> list[str]:
    return BLOCK.findall((ROOT / document).read_text("utf-8"))


@pytest.mark.parametrize(
    "document",
    [pytest.param(name, marks=() if name in QUICK_DOCUMENTS else pytest.mark.slow) for name in DOCUMENTS],
)
def test_python_of_document_runs(document: str, folder: Path):
    run(python_blocks(document), document)


def shell_lines() -> list[tuple[str, str]]:
    """Return the document and the text of each line in the blocks without a language."""
    pages = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in path.parts]
    pages = [ROOT / "README.md", *pages]
    blocks = [(page.name, block) for page in pages for block in PLAIN_BLOCK.findall(page.read_text("utf-8"))]
    return [(page, line) for page, block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def test_commands_of_documents_are_understood():
    lines = [line for line in shell_lines() if line[1].startswith("ganvas ")]
    assert len(lines) > 50
    app = make_app()
    for page, line in lines:
        try:
            app.parse_args(shlex.split(line, comments=True)[1:], exit_on_error=False, print_error=False)
        except Exception as error:
            pytest.fail(f"{page}: {line}: {error}")


def test_modules_of_documents_exist():
    lines = [line for _, line in shell_lines() if line.startswith("python -m ")]
    assert lines
    for line in lines:
        assert importlib.util.find_spec(line.split()[2]), line


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_cells_of_notebook_run(notebook: str, folder: Path):
    matplotlib.use("agg")
    cells = json.loads((ROOT / notebook).read_text("utf-8"))["cells"]
    run(["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"], notebook)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebook_has_five_cells_and_no_outputs(notebook: str):
    cells = [cell for cell in json.loads((ROOT / notebook).read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == 5
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)


@pytest.mark.parametrize("program", FIRST_PROGRAMS)
def test_first_program_is_twelve_lines_of_public_names(program: str):
    document, index = FIRST_PROGRAMS[program]
    block = python_blocks(document)[index]
    assert len([line for line in block.splitlines() if line.strip()]) <= 12
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("ganvas")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ganvas":
            assert node.attr in ganvas.__all__


@pytest.mark.parametrize("page", sorted((ROOT / "docs/guide").glob("*.md")), ids=lambda page: page.stem)
def test_page_of_the_guide_is_short(page: Path):
    assert len(page.read_text("utf-8").splitlines()) < 120


def test_documents_with_python_are_found():
    assert {"README.md", "docs/guide/regions.md"} <= set(DOCUMENTS)
    assert len(DOCUMENTS) > 9
    assert len(NOTEBOOKS) == 2
