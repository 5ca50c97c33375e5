"""Image datasets: what is read, what is skipped and why, and the packed file."""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.errors import TrainingError
from ganvas.images import datasets as data
from ganvas.images import pixels
from ganvas.images.datasets import ImageSet, open_images
from tests.training.tiny import write_images

pytestmark = pytest.mark.usefixtures("home", "one_thread")


def image_bytes(seed: int = 0, size: tuple[int, int] = (20, 20), **options) -> bytes:
    stream = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).save(stream, **({"format": "PNG"} | options))
    return stream.getvalue()


def zipped(path: Path, entries: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def first(images: ImageSet) -> torch.Tensor:
    return images.batch(np.array([0]))


def left_in(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "images").iterdir() if not path.name.endswith(".guard"))


def test_subfolders_are_read(tmp_path: Path):
    source = write_images(tmp_path / "in", 20)
    write_images(source / "more" / "below", 5)
    images = open_images(source, 16)
    assert len(images) == images.summary.count == 25
    assert images.values.shape == (25, 16, 16, 3)
    assert images.summary.sizes == {"20 x 20": 25}
    assert (images.summary.skipped, images.summary.cropped, images.summary.enlarged) == ({}, 0, 0)


def test_batches_equal_images_read_one_by_one(tmp_path: Path):
    source = write_images(tmp_path / "in", 16, (16, 16))
    images = open_images(source, 16)
    batch = images.batch(np.array([3, 0, 3]))
    assert batch.shape == (3, 3, 16, 16)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch[1:2], pixels.read_image(source / "00.png"))
    assert torch.equal(batch[0:1], pixels.read_image(source / "03.png"))


def test_zip_and_folder_give_the_same_images(tmp_path: Path):
    folder = write_images(tmp_path / "in", 20)
    archive = zipped(tmp_path / "in.zip", {path.name: path.read_bytes() for path in folder.iterdir()})
    by_folder, by_zip = open_images(folder, 16), open_images(archive, 16)
    assert np.array_equal(by_folder.values, by_zip.values)
    assert by_zip.summary.source == str(archive)


def test_unreadable_files_are_skipped_and_named(tmp_path: Path):
    source = write_images(tmp_path / "in", 20)
    (source / "empty.png").touch()
    (source / "text.jpg").write_text("not an image")
    (source / "cut.png").write_bytes(image_bytes(size=(60, 60))[:2000])
    images = open_images(source, 16)
    assert len(images) == 20
    assert sorted(images.summary.skipped) == ["cut.png", "empty.png", "text.jpg"]
    assert all("damaged" in reason or "Cannot read" in reason for reason in images.summary.skipped.values())


def test_damaged_zip_entry_is_skipped_and_named(tmp_path: Path):
    entries = {f"{i}.png": image_bytes(i, (40, 40)) for i in range(17)}
    archive = zipped(tmp_path / "in.zip", entries, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        start = opened.getinfo("4.png").header_offset
    content[start + 60 : start + 400] = bytes(340)
    archive.write_bytes(bytes(content))
    images = open_images(archive, 16)
    assert len(images) == 16
    assert list(images.summary.skipped) == ["4.png"]


def test_encrypted_zip_is_refused(tmp_path: Path):
    archive = zipped(tmp_path / "in.zip", {f"{i}.png": image_bytes(i) for i in range(16)})
    content = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # where the flag for encryption stands
        at = content.find(signature)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(signature, at + 1)
    archive.write_bytes(bytes(content))
    with pytest.raises(TrainingError, match=r"0 readable images \(16 cannot be read\).*encrypted"):
        open_images(archive, 16)


def test_zip_with_a_broken_directory_is_refused(tmp_path: Path):
    archive = zipped(tmp_path / "in.zip", {f"{i}.png": image_bytes(i) for i in range(16)})
    content = bytearray(archive.read_bytes())
    at = content.find(b"PK\x01\x02")
    content[at : at + 4] = b"XXXX"
    archive.write_bytes(bytes(content))
    with pytest.raises(TrainingError, match=r"in\.zip. cannot be read"):
        open_images(archive, 16)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_gray_palette_rgba_and_cmyk_images_are_read(tmp_path: Path, mode: str):
    if mode == "CMYK":
        for number in range(16):
            (tmp_path / "in").mkdir(exist_ok=True)
            Image.new("CMYK", (20, 20), (number, 0, 0, 0)).save(tmp_path / "in" / f"{number}.jpg")
        source = tmp_path / "in"
    else:
        source = write_images(tmp_path / "in", 16, mode=mode)
    images = open_images(source, 16)
    assert len(images) == 16
    if mode == "L":
        assert np.ptp(images.values, axis=3).max() == 0


def test_transparency_is_composited_on_white(tmp_path: Path):
    source = write_images(tmp_path / "in", 16, (16, 16))
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(source / "+.png")
    assert (open_images(source, 16).values[0] == 255).all()


def test_16_bit_images_are_scaled_to_8_bits(tmp_path: Path):
    source = write_images(tmp_path / "in", 16, (16, 16))
    Image.fromarray(np.full((16, 16), 32768, dtype=np.uint16)).save(source / "+.png")
    assert (open_images(source, 16).values[0] == 128).all()


@pytest.mark.parametrize(("size", "gray"), [((48, 16), (slice(5, 11), slice(None))), ((8, 16), (..., slice(4, 12)))])
def test_padded_images_are_whole_with_black_beside_them(tmp_path: Path, size: tuple[int, int], gray: tuple):
    source = write_images(tmp_path / "in", 16, (16, 16))
    Image.new("RGB", size, (200, 200, 200)).save(source / "+.png")
    images = open_images(source, 16, fit="pad")
    expected = np.zeros((16, 16), dtype=np.uint8)
    expected[gray] = 200
    far = np.abs(images.values[0].astype(int) - expected[..., None]) > 1
    assert far.mean() <= 0.125  # only the rows that lie half in the image
    cropped = open_images(source, 16)
    assert (cropped.values[0] == 200).all()
    assert (images.summary.fit, cropped.summary.fit) == ("pad", "crop")
    assert np.array_equal(images.values[1:], cropped.values[1:])


def test_other_fits_are_refused(tmp_path: Path):
    with pytest.raises(TrainingError, match="by 'stretch'; give crop or pad"):
        open_images(tmp_path, 16, fit="stretch")


def test_images_are_center_cropped(tmp_path: Path):
    source = write_images(tmp_path / "in", 16, (16, 16))
    wide = np.zeros((16, 48, 3), dtype=np.uint8)
    wide[:, 16:32] = 200
    Image.fromarray(wide).save(source / "+.png")
    Image.fromarray(wide[:8, :8]).save(source / "-.png")
    images = open_images(source, 16)
    assert (images.values[0] == 200).all()
    assert (images.summary.cropped, images.summary.enlarged) == (1, 1)
    assert images.summary.sizes["48 x 16"] == 1


def test_images_of_extreme_shapes_are_read(tmp_path: Path):
    source = write_images(tmp_path / "in", 16)
    Image.new("RGB", (1, 1), (9, 9, 9)).save(source / "+.png")
    Image.new("RGB", (3000, 1)).save(source / "-.png")
    images = open_images(source, 16)
    assert len(images) == 18
    assert (images.values[0] == 9).all()


def test_repeated_images_are_counted(tmp_path: Path):
    source = write_images(tmp_path / "in", 16)
    for name in ("copy.png", "another.png"):
        (source / name).write_bytes((source / "03.png").read_bytes())
    images = open_images(source, 16)
    assert (len(images), images.summary.repeated) == (18, 2)


def test_hidden_files_are_ignored(tmp_path: Path):
    source = write_images(tmp_path / "in", 16)
    for name in (".DS_Store", "._00.png", ".thumbnails/00.png", "__MACOSX/x.jpg", "notes.txt", "list.csv"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"junk")
    assert open_images(source, 16).summary.skipped == {}
    entries = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    assert open_images(zipped(tmp_path / "in.zip", entries), 16).summary.skipped == {}


def test_source_without_images_is_refused(tmp_path: Path):
    with pytest.raises(TrainingError, match=r"'.*none' does not exist; give a folder or a zip"):
        open_images(tmp_path / "none", 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match=r"empty' holds no images, also not in its folders\."):
        open_images(tmp_path / "empty", 16)
    (tmp_path / "file.png").write_bytes(image_bytes())
    with pytest.raises(TrainingError, match=r"file\.png. is neither; give a folder or a zip"):
        open_images(tmp_path / "file.png", 16)
    with pytest.raises(TrainingError, match=r"holds no images.*; it holds 1 \.txt \(empty"):
        open_images(zipped(tmp_path / "empty.zip", {"readme.txt": b""}), 16)


def test_single_image_is_refused(tmp_path: Path, home: Path):
    source = write_images(tmp_path / "in", 1)
    (source / "broken.png").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"1 readable image \(1 cannot be read\).* at least 16.* broken.png: "):
        open_images(source, 16)
    assert left_in(home) == []


def test_huge_files_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = write_images(tmp_path / "in", 16)
    (source / "huge.png").write_bytes(image_bytes(size=(60, 60)))
    monkeypatch.setattr(data, "LARGEST_FILE", 5000)
    assert "make it smaller" in open_images(source, 16).summary.skipped["huge.png"]


def test_images_are_packed_once_per_resolution(tmp_path: Path, home: Path):
    source = write_images(tmp_path / "in", 20)
    reports: list[tuple[str, int, int]] = []
    once = open_images(source, 16, lambda *report: reports.append(report))
    assert reports == [("Packing images", i, 20) for i in range(1, 21)]
    again = open_images(source, 16, lambda *report: pytest.fail("packed again"))
    assert np.array_equal(once.values, again.values)
    assert once.summary == again.summary
    open_images(source, 8, lambda *report: reports.append(report))
    assert len(reports) == 40
    assert len(left_in(home)) == 4


@pytest.mark.parametrize("change", ["content", "more", "fewer", "name"])
def test_images_are_packed_again_when_files_change(tmp_path: Path, change: str):
    source = write_images(tmp_path / "in", 20, (16, 16))
    before = first(open_images(source, 16))
    if change == "content":
        (source / "00.png").write_bytes((source / "01.png").read_bytes())
        os.utime(source / "00.png", (1, 1))
    elif change == "more":
        (source / "+.png").write_bytes((source / "01.png").read_bytes())
    elif change == "fewer":
        (source / "00.png").unlink()
    else:
        (source / "00.png").rename(source / "zz.png")
    assert not torch.equal(first(open_images(source, 16)), before)


def test_moved_zip_is_not_packed_again_and_has_its_new_name(tmp_path: Path, home: Path):
    entries = {f"{i}.png": image_bytes(i) for i in range(16)}
    open_images(zipped(tmp_path / "one.zip", entries), 16)
    moved = open_images(zipped(tmp_path / "two.zip", entries), 16)
    assert moved.summary.source == str(tmp_path / "two.zip")
    assert len(left_in(home)) == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_interrupted_packing_leaves_nothing(tmp_path: Path, home: Path, stop: type[BaseException]):
    def interrupt(what: str, done: int, total: int) -> None:
        if done == 10:
            raise stop

    source = write_images(tmp_path / "in", 20)
    with pytest.raises(stop):
        open_images(source, 16, interrupt)
    assert left_in(home) == []
    assert len(open_images(source, 16)) == 20


def test_unusable_cache_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "file"))
    with pytest.raises(Exception, match="choose another folder with") as told:
        open_images(write_images(tmp_path / "in", 16), 16)
    assert "GANVAS_HOME" in str(told.value)


def test_packed_header_has_the_number_of_readable_images(tmp_path: Path, home: Path):
    source = write_images(tmp_path / "in", 100)
    for number in range(91, 100):
        (source / f"{number}.png").write_bytes(b"")
    images = open_images(source, 8)
    (packed,) = (home / "images").glob("*.npy")
    assert len(images) == 91
    assert len(np.load(packed)) == 91
    described = json.loads(next((home / "images").glob("*.json")).read_text("utf-8"))
    assert described["count"] == 91


def test_shared_cat_images_are_all_readable(shared: Path):
    images = open_images(shared / "data" / "grumpy-cat-64.zip", 32)
    assert len(images) > 100
    assert images.summary.skipped == {}


def test_smallest_number_of_images_is_a_parameter(tmp_path: Path):
    source = write_images(tmp_path / "in", 3)
    assert len(open_images(source, 16, fewest=3)) == 3
    for fewest in (4, 16):  # also where they are packed already
        with pytest.raises(TrainingError, match=f"3 readable images .* at least {fewest}"):
            open_images(source, 16, fewest=fewest)


def test_spread_covers_the_set_at_equal_distances(tmp_path: Path):
    images = open_images(write_images(tmp_path / "in", 20), 16)
    assert images.spread(3).tolist() == [0, 10, 19]
    assert images.spread(1).tolist() == [0]
    assert images.spread(99).tolist() == list(range(20))
