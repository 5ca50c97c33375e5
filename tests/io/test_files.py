"""Files are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from ganvas.errors import GanvasError, ImageError
from ganvas.io.files import atomic_path


def test_writes_through_a_temporary_name_in_the_same_folder_and_makes_parents(tmp_path):
    target = tmp_path / "new" / "deeper" / "result.safetensors"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".safetensors"
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_older_file_and_leaves_nothing_else(tmp_path, interruption):
    target = tmp_path / "result.png"
    target.write_bytes(b"older")

    def fail():
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise interruption

    with pytest.raises(interruption):
        fail()
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]


def test_new_files_get_the_default_permissions(tmp_path):
    plain, target = tmp_path / "plain", tmp_path / "target"
    plain.write_bytes(b"")
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"")
    assert target.stat().st_mode == plain.stat().st_mode


def test_a_refusal_of_the_system_names_the_target_and_uses_the_given_class(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(ImageError, match=r"file/result\.png' cannot be written: "),
        atomic_path(tmp_path / "file" / "result.png", ImageError),
    ):
        pytest.fail("a file is no folder")


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    def fill():
        with atomic_path(tmp_path / "result") as temporary:
            temporary.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(GanvasError, match="No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_folders_and_devices_are_never_replaced(tmp_path):
    for target in (tmp_path, Path(os.devnull)):
        with pytest.raises(GanvasError, match="not an ordinary file"), atomic_path(target):
            pytest.fail("must not begin")


@pytest.mark.parametrize("name", [".", "", "/"])
def test_a_path_without_a_file_name_is_refused(name):
    with pytest.raises(GanvasError, match="give the name of a file"), atomic_path(name):
        pytest.fail("must not begin")
