"""Every family and every format through the main job, from the command line: directions for a region, and an edit with
the table of what changed inside and outside. For a small step the table has to say what the directions predict.
"""

import json
from pathlib import Path

import pytest
import torch

import ganvas
from ganvas.images.pixels import read_image
from tests.checkpoints import stylegan2_layouts as layouts
from tests.cli.conftest import Run
from tests.generators.small import small_stylegan2

HERE = Path(__file__).parent
REGION = "box:0.25,0.25,0.6,0.55"
STEP = 0.02
CONFORMANCE = [
    "stylegan2-conditional.pkl",
    "genforce-stylegan2.pth",
    "rosinality.pt",
    "stylegan3-t.pkl",
    "genforce-stylegan3-r.pth",
    "biggan-deep-pytorch_model.bin",
]
WRITTEN = {"genforce": layouts.genforce, "openmmlab": layouts.openmmlab}


def check_main_job(run: Run, model: Path, folder: Path) -> None:
    """Find two directions of a region and edit the image that they were found at by a small step."""
    facts = ganvas.info(model)
    space = "w" if "w" in facts["spaces"] else "z"
    layers = ("--layers", "2-4") if space == "w" else ()
    label = ("--label", "2") if facts["classes"] else ()
    at = ("--seeds", "1", "--truncation", "0.7", *label)
    found = run(
        "directions", model, "--region", REGION, "--space", space, *layers, *at, "--count", "2", "--strength", "1",
        "--out", folder, "--json",
    )  # fmt: skip
    assert (found.code, found.err) == (0, "")
    outcome = run(
        "edit", model, folder / "directions.safetensors", *at, "--strength", STEP, "--frames", "0",
        "--out", folder / "edit", "--json",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    (row,) = json.loads(outcome.out)["changes"]
    inside, outside = row["inside"][0], row["outside"][0]
    page = (folder / "edit" / "edit.html").read_text("utf-8")
    assert "inside" in page
    assert "outside" in page
    direction = ganvas.load_directions(folder / "directions.safetensors")[0]
    assert inside > outside > 0
    assert (inside / outside) ** 2 == pytest.approx(direction.predicted_ratio, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFORMANCE)
def test_published_format_finds_directions_and_edits(run: Run, shared: Path, tmp_path: Path, name: str) -> None:
    check_main_job(run, shared / "conformance" / name, tmp_path)


@pytest.mark.slow
def test_dcgan_finds_directions_and_edits(run: Run, tmp_path: Path) -> None:
    check_main_job(run, HERE.parent / "checkpoints" / "vectors" / "dcgan-example.pth", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("layout", WRITTEN)
def test_formats_written_from_their_description(run: Run, tmp_path: Path, layout: str) -> None:
    model = layouts.write_torch(tmp_path / "network.pth", WRITTEN[layout](small_stylegan2(32)))
    check_main_job(run, model, tmp_path)


@pytest.mark.slow
def test_tensorflow_pickle_finds_directions_and_edits(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = layouts.tensorflow(small_stylegan2(32))
    check_main_job(run, layouts.write_tensorflow(tmp_path / "network.pkl", networks, monkeypatch), tmp_path)


@pytest.mark.slow
@pytest.mark.float32
def test_converted_file_finds_directions_and_edits(run: Run, shared: Path, tmp_path: Path) -> None:
    """As converted by the command."""
    model = tmp_path / "ours.safetensors"
    assert run("models", "convert", shared / "conformance" / "rosinality.pt", model).code == 0
    check_main_job(run, model, tmp_path)


@pytest.mark.slow
def test_stylegan3_images_are_rotated_and_moved(run: Run, shared: Path, tmp_path: Path) -> None:
    model = shared / "conformance" / "stylegan3-r.pkl"
    moved = ("--rotate", "90", "--translate", "0.25,0")
    assert run("sample", model, "--seeds", "0", "--out", tmp_path / "still").code == 0
    assert run("sample", model, "--seeds", "0", "--out", tmp_path / "moved", *moved).code == 0
    sheets = [read_image(tmp_path / folder / "sample.png") for folder in ("still", "moved")]
    assert not torch.equal(*sheets)
    latent = tmp_path / "moved" / "latent.safetensors"
    assert "hash" in run("sample", model, "--latent", latent, "--out", tmp_path / "again").err
    assert run("sample", model, "--latent", latent, "--out", tmp_path / "moved again", *moved).err == ""
    assert "Write X,Y" in run("sample", model, "--translate", "1", "--out", tmp_path / "never").err
