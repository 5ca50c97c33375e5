"""No image file starts a program: one decoder opens all of them, with one list of formats."""

import ast
import contextlib
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import EpsImagePlugin, Image

import ganvas
from ganvas.drag.masks import read_movable
from ganvas.errors import GanvasError
from ganvas.images.datasets import open_images
from ganvas.inversion.photos import photo_files, read_photos
from ganvas.inversion.sketch.files import read_sketches
from ganvas.regions.text import parse_region
from tests.fakes import LayeredGenerator
from tests.generators.small import small_stylegan2

ROOT = Path(__file__).resolve().parents[2]


def written_in(kind: str) -> bytes | None:
    """Return an image in a format of Pillow, in the first mode that the format has; None for one without a writer."""
    for mode in ("RGB", "L", "1", "RGBA"):
        stream = io.BytesIO()
        try:
            with warnings.catch_warnings(action="ignore"):  # some formats are deprecated
                Image.linear_gradient("L").resize((20, 20)).convert(mode).save(stream, kind)
        except (OSError, ValueError, KeyError):
            continue
        return stream.getvalue()
    return None


Image.init()
FILES = {kind: content for kind in sorted(Image.SAVE) if (content := written_in(kind)) is not None}
READERS: dict[str, Callable[[Path], object]] = {
    "image": ganvas.read_image,
    "bytes": lambda path: ganvas.read_image(io.BytesIO(path.read_bytes())),
    "photo": lambda path: ganvas.read_photo(path, 16),
    "sketch": lambda path: ganvas.read_sketch(path, 16),
    "mask": ganvas.Region.from_mask_file,
    "mask in a text": lambda path: parse_region(f"not:mask:{path}", {}),
    "labels": lambda path: ganvas.Region.from_labels(path, 1),
    "movable": read_movable,
    "dataset": lambda path: open_images(path.parent, 16, fewest=1),
    "folder of photos": lambda path: read_photos(photo_files([path.parent]), small_stylegan2(16)),
    "sketches": lambda path: read_sketches([path], 16),
    "latent": lambda path: ganvas.open_latent(path, LayeredGenerator()),
    "directions": ganvas.load_directions,
    "generator": ganvas.load,
}


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `gs` first on PATH that leaves a mark; returns where the mark would be."""
    if os.name != "posix":
        pytest.skip("the program is a shell script")
    program, mark = tmp_path / "bin" / "gs", tmp_path / "mark"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho started >> {mark}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # Pillow remembers what it found
    return mark


def stop(*_: object, **__: object) -> None:
    raise GanvasError("The photo was read; it need not be inverted.")


@pytest.mark.usefixtures("home", "one_thread")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_starts_a_program_for_any_format(
    tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch, reader: str
):
    monkeypatch.setattr("ganvas.inversion.open.BatchInversion", stop)
    for kind, content in FILES.items():
        for name in {"x.png", f"x.{kind.lower()}", "x"}:
            path = tmp_path / kind / name / name
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
            with contextlib.suppress(GanvasError):
                READERS[reader](path)
            assert not mark.exists(), f"{reader} started a program for {kind} called {name}"


def test_pillow_itself_would_start_it(tmp_path: Path, mark: Path):
    """Else the test above proves nothing."""
    (tmp_path / "x.png").write_bytes(FILES["EPS"])
    with pytest.raises((OSError, ValueError)), Image.open(tmp_path / "x.png") as image:
        image.load()
    assert mark.exists()


def test_mask_of_the_tracker_is_refused_for_what_it_is(shared: Path, mark: Path):
    path = shared / "cases" / "13-mask-that-is-a-program" / "mask.png"
    for read in (READERS["mask"], READERS["labels"], READERS["movable"], READERS["image"]):
        with pytest.raises(ganvas.ImageError, match="it is PostScript, a program, not an image: it is not run"):
            read(path)
    assert not mark.exists()


@pytest.mark.slow
def test_files_of_others_are_opened_in_one_place():
    """`Image.open` and the classes of Pillow's formats occur in the decoder alone."""
    found = set()
    for path in (one for folder in ("src", "studies", "benchmarks") for one in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            of_image = (
                named == "open"
                and isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "Image"
            )
            imported = isinstance(node, ast.ImportFrom) and node.module == "PIL.Image"
            if of_image or imported or named.endswith("ImageFile") or named in ("imread", "imdecode"):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == {"src/ganvas/images/decoding.py"}
