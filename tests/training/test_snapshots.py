"""Snapshots as files: written completely or not at all, the newest kept, damage reported."""

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
from ganvas.training.gan.snapshots import TrainingState
from tests.training.tiny import CPU, DC, unequal

pytestmark = pytest.mark.usefixtures("one_thread")
STATE = TrainingState(7, 56, 3)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return snapshots.write(snapshots.path_of(tmp_path, 56), DC.build(CPU), STATE, {"batch": 8}, {"data": "40 images"})


def test_snapshot_is_read_as_written(written: Path):
    held = snapshots.read(written)
    assert (held.state, held.settings, held.data) == (STATE, {"batch": 8}, {"data": "40 images"})
    assert unequal(held.tensors, tensors(DC.build(CPU))) == []


def test_weights_only_snapshot_is_smaller(written: Path, tmp_path: Path):
    path = snapshots.path_of(tmp_path, 56, weights=True)
    snapshots.write(path, DC.build(CPU), STATE, {}, {}, weights=True)
    assert path.name == "weights-000000056.safetensors"
    weights = {t.dtype for t in snapshots.read(path).tensors.values()}
    assert weights <= {torch.bfloat16, torch.int64}
    assert path.stat().st_size < 0.6 * written.stat().st_size


def test_snapshot_without_data_is_read(tmp_path: Path):
    header = {"settings": {}, "state": vars(STATE), "weights_only": False}
    tensor_files.write_tensors(tmp_path / "a.safetensors", snapshots.KIND, {"x": torch.ones(1)}, header, TrainingError)
    assert snapshots.read(tmp_path / "a.safetensors").data == {}


@pytest.mark.parametrize("end", [0, 5, 100, 10_000])
def test_truncated_snapshot_is_refused(written: Path, end: int):
    written.write_bytes(written.read_bytes()[:end])
    with pytest.raises(TrainingError, match="not a readable safetensors file" if end else r"is empty \(0 bytes\)"):
        snapshots.read(written)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"settings": {}},
        {"settings": {}, "state": {"steps": 1}},
        {"settings": 3, "state": vars(STATE)},
        {"settings": {}, "state": 5},
    ],
)
def test_snapshot_with_a_wrong_header_is_refused(tmp_path: Path, header: dict):
    path = tmp_path / "snapshot.safetensors"
    tensor_files.write_tensors(path, snapshots.KIND, {"x": torch.ones(1)}, header, TrainingError)
    with pytest.raises(TrainingError, match="damaged snapshot"):
        snapshots.read(path)


def test_generator_file_is_refused_as_a_snapshot(tmp_path: Path):
    path = tmp_path / "generator.safetensors"
    tensor_files.write_tensors(path, "generator", {"x": torch.ones(1)}, {}, TrainingError)
    with pytest.raises(TrainingError, match="holds generator, not training snapshot"):
        snapshots.read(path)


@pytest.mark.parametrize("refusal", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), SafetensorError("No space")])
def test_full_disk_leaves_the_older_snapshot_intact(written: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception):
    before = written.read_bytes()

    def fill(held: dict, path: Path, metadata: dict) -> None:
        path.write_bytes(b"a part")
        raise refusal

    monkeypatch.setattr(tensor_files, "save_file", fill)
    with pytest.raises(TrainingError, match=r"cannot be written.*[Nn]o space"):
        snapshots.write(written, DC.build(CPU), STATE, {}, {})
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def named(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).touch()
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_only_the_newest_snapshots_are_kept(tmp_path: Path):
    for images in (8, 1000, 16, 123_456_789, 90):
        snapshots.path_of(tmp_path, images).touch()
    named(tmp_path, "weights-000000008.safetensors", "generator.safetensors", "sheet-000000008.png")
    snapshots.retire(tmp_path, 2)
    assert snapshots.all_in(tmp_path) == [snapshots.path_of(tmp_path, 1000), snapshots.path_of(tmp_path, 123_456_789)]
    assert len(list(tmp_path.iterdir())) == 5
    snapshots.retire(tmp_path, 0)
    assert len(snapshots.all_in(tmp_path)) == 1


def test_files_later_than_a_snapshot_are_set_aside(tmp_path: Path):
    kept = (
        "generator.safetensors",
        "sheet-000000032.png",
        "weights-000000008.safetensors",
        "snapshot-000000032.safetensors",
    )
    later = ("sheet-000000064.png", "weights-000000040.safetensors", "snapshot-000000033.safetensors")
    named(tmp_path, *kept, *later, ".ganvas-0123.safetensors")
    snapshots.set_aside(tmp_path, 32)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(kept)
    assert sorted(path.name for path in (tmp_path / "superseded").iterdir()) == sorted(later)
    snapshots.set_aside(tmp_path, 32)  # nothing more to do
