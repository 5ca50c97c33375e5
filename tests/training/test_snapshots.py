"""Snapshots as files: whole or not at all, the newest kept, damage told."""

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from ganvas.errors import TrainingError
from ganvas.io import tensor_files
from ganvas.training.gan import snapshots
from ganvas.training.gan.networks import tensors
from ganvas.training.gan.snapshots import Progress
from tests.training.tiny import CPU, DC, unequal

pytestmark = pytest.mark.usefixtures("one_thread")
PROGRESS = Progress(7, 56, 3)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return snapshots.write(
        snapshots.path_of(tmp_path, 56), DC.build(CPU), PROGRESS, {"batch": 8}, {"data": "40 images"}
    )


def test_read_as_written(written: Path):
    held = snapshots.read(written)
    assert (held.progress, held.recipe, held.data) == (PROGRESS, {"batch": 8}, {"data": "40 images"})
    assert unequal(held.tensors, tensors(DC.build(CPU))) == []


def test_slim_one_is_smaller(written: Path, tmp_path: Path):
    path = snapshots.path_of(tmp_path, 56, small=True)
    snapshots.write(path, DC.build(CPU), PROGRESS, {}, {}, small=True)
    assert path.name == "slim-000000056.safetensors"
    weights = {t.dtype for t in snapshots.read(path).tensors.values()}
    assert weights <= {torch.bfloat16, torch.int64}
    assert path.stat().st_size < 0.6 * written.stat().st_size


def test_older_versions_without_data_are_read(tmp_path: Path):
    header = {"recipe": {}, "progress": vars(PROGRESS), "slim": False}
    tensor_files.write_tensors(tmp_path / "a.safetensors", snapshots.KIND, {"x": torch.ones(1)}, header, TrainingError)
    assert snapshots.read(tmp_path / "a.safetensors").data == {}


@pytest.mark.parametrize("end", [0, 5, 100, 10_000])
def test_a_file_cut_short_is_told(written: Path, end: int):
    written.write_bytes(written.read_bytes()[:end])
    with pytest.raises(TrainingError, match="not a readable safetensors file"):
        snapshots.read(written)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"recipe": {}},
        {"recipe": {}, "progress": {"steps": 1}},
        {"recipe": 3, "progress": vars(PROGRESS)},
        {"recipe": {}, "progress": 5},
    ],
)
def test_other_headers_are_told(tmp_path: Path, header: dict):
    path = tmp_path / "snapshot.safetensors"
    tensor_files.write_tensors(path, snapshots.KIND, {"x": torch.ones(1)}, header, TrainingError)
    with pytest.raises(TrainingError, match="damaged snapshot"):
        snapshots.read(path)


def test_a_generator_is_no_snapshot(tmp_path: Path):
    path = tmp_path / "generator.safetensors"
    tensor_files.write_tensors(path, "generator", {"x": torch.ones(1)}, {}, TrainingError)
    with pytest.raises(TrainingError, match="holds generator, not training snapshot"):
        snapshots.read(path)


@pytest.mark.parametrize("refusal", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), SafetensorError("No space")])
def test_full_disk_leaves_the_older_one_whole(written: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception):
    before = written.read_bytes()

    def fill(held: dict, path: Path, metadata: dict) -> None:
        path.write_bytes(b"a part")
        raise refusal

    monkeypatch.setattr(tensor_files, "save_file", fill)
    with pytest.raises(TrainingError, match=r"cannot be written.*[Nn]o space"):
        snapshots.write(written, DC.build(CPU), PROGRESS, {}, {})
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def named(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).touch()
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_newest_are_kept(tmp_path: Path):
    for images in (8, 1000, 16, 123_456_789, 90):
        snapshots.path_of(tmp_path, images).touch()
    named(tmp_path, "slim-000000008.safetensors", "generator.safetensors", "sheet-000000008.png")
    snapshots.retire(tmp_path, 2)
    assert snapshots.all_in(tmp_path) == [snapshots.path_of(tmp_path, 1000), snapshots.path_of(tmp_path, 123_456_789)]
    assert len(list(tmp_path.iterdir())) == 5
    snapshots.retire(tmp_path, 0)
    assert len(snapshots.all_in(tmp_path)) == 1


def test_what_was_given_up_is_set_aside(tmp_path: Path):
    kept = (
        "generator.safetensors",
        "sheet-000000032.png",
        "slim-000000008.safetensors",
        "snapshot-000000032.safetensors",
    )
    later = ("sheet-000000064.png", "slim-000000040.safetensors", "snapshot-000000033.safetensors")
    named(tmp_path, *kept, *later, ".ganvas-0123.safetensors")
    snapshots.set_aside(tmp_path, 32)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(kept)
    assert sorted(path.name for path in (tmp_path / "superseded").iterdir()) == sorted(later)
    snapshots.set_aside(tmp_path, 32)  # nothing more to do
