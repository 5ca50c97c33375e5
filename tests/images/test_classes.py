"""Classes of an image set: from folders, zips and labels; what cannot be one is refused; classes take turns."""

import itertools
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganvas.errors import TrainingError
from ganvas.images.classes import Classes, find_classes
from ganvas.images.datasets import open_images
from tests.training.tiny import write_images

pytestmark = pytest.mark.usefixtures("home")


def zipped(folder: Path, path: Path, labels: object = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
        if labels is not None:
            archive.writestr("dataset.json", labels if isinstance(labels, str) else json.dumps(labels))
    return path


def classes_of(source: Path) -> Classes:
    return find_classes(open_images(source, 8))


def test_subfolders_are_classes_in_alphabetical_order(tmp_path: Path):
    write_images(tmp_path / "set" / "dogs", 9)
    write_images(tmp_path / "set" / "cats" / "more", 11)
    found = classes_of(tmp_path / "set")
    assert found.names == ("cats", "dogs")
    assert found.numbers.tolist() == [0] * 11 + [1] * 9
    as_zip = classes_of(zipped(tmp_path / "set", tmp_path / "set.zip"))
    assert (as_zip.names, as_zip.numbers.tolist()) == (found.names, found.numbers.tolist())


def test_zips_in_a_folder_are_classes(tmp_path: Path):
    (tmp_path / "set").mkdir()
    for name, count in (("anime faces", 9), ("cars", 8)):
        zipped(write_images(tmp_path / name, count), tmp_path / "set" / f"{name}.zip")
    found = classes_of(tmp_path / "set")
    assert found.names == ("anime faces", "cars")
    assert np.bincount(found.numbers).tolist() == [9, 8]


def test_zips_beside_images_are_no_images(tmp_path: Path):
    folder = write_images(tmp_path / "set", 16)
    zipped(folder, folder / "backup.zip")
    assert len(open_images(folder, 8)) == 16


@pytest.mark.parametrize("archive", [False, True])
def test_labels_count_before_folders(tmp_path: Path, archive: bool):
    folder = write_images(tmp_path / "set" / "00000", 16).parent
    labels = {"labels": [[f"00000/{i:02}.png", i % 3] for i in reversed(range(16))]}
    source = zipped(folder, tmp_path / "set.zip", labels) if archive else folder
    (folder / "dataset.json").write_text(json.dumps(labels), "utf-8")
    found = classes_of(source)
    assert (found.names, found.numbers.tolist()) == (("0", "1", "2"), [i % 3 for i in range(16)])


def test_labels_may_have_names(tmp_path: Path):
    folder = write_images(tmp_path / "set", 16)
    labels = {"classes": ["old", "new"], "labels": [[f"{i:02}.png", i // 8] for i in range(16)]}
    (folder / "dataset.json").write_text(json.dumps(labels), "utf-8")
    assert classes_of(folder).names == ("old", "new")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("{", "dataset.json of .* cannot be read"),
        ({"labels": [["00.png", 0]]}, "gives 01.png the label None; give each image a class number from 0 to 0"),
        ({"labels": [[f"{i:02}.png", [0, 1]] for i in range(16)]}, "not understood"),
        ({"labels": [[f"{i:02}.png", 0.5] for i in range(16)]}, "gives 00.png the label 0.5|not understood"),
        ({"labels": [[f"{i:02}.png", 2 * (i % 2)] for i in range(16)]}, "no image for class 1"),
        ({"labels": [[f"{i:02}.png", i % 2] for i in range(16)], "classes": ["one"]}, "from 0 to 0"),
        ({"labels": 3}, "not understood"),
        ({"labels": None}, "00.png of .* is in no class's folder: give a folder with a subfolder or a zip"),
        ("[]", "is in no class's folder"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path: Path, labels: object, said: str):
    folder = write_images(tmp_path / "set", 16)
    (folder / "dataset.json").write_text(labels if isinstance(labels, str) else json.dumps(labels), "utf-8")
    with pytest.raises(TrainingError, match=said):
        classes_of(folder)


def test_one_folder_is_not_enough(tmp_path: Path):
    write_images(tmp_path / "set" / "cats", 16)
    with pytest.raises(TrainingError, match="has 1 class, and two or more are needed"):
        classes_of(tmp_path / "set")


def test_classes_take_turns_and_each_comes_in_epochs_of_its_own():
    classes = Classes(("a", "b", "c"), np.array([0] * 4 + [1] * 2 + [2] * 6))
    order = classes.balanced(5, 0, 36)
    assert np.array_equal(classes.numbers[order], np.arange(36) % 3)
    for number, size in ((0, 4), (1, 2), (2, 6)):
        own = order[classes.numbers[order] == number]
        for epoch in own.reshape(-1, size):
            assert sorted(epoch) == np.flatnonzero(classes.numbers == number).tolist()
    assert not np.array_equal(order, classes.balanced(6, 0, 36))


@pytest.mark.parametrize("cuts", [(1, 2, 3), (5, 19), (35,)])
def test_a_sequence_cut_anywhere_is_the_whole_one(cuts: tuple[int, ...]):
    classes = Classes(("a", "b", "c"), np.array([0, 1, 2, 0, 1, 0, 0, 2]))
    edges = [0, *cuts, 36]
    parts = [classes.balanced(5, a, b) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), classes.balanced(5, 0, 36))
