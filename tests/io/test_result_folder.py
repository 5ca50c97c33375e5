"""Folders for results: no run replaces what another has found, and none that fails leaves anything."""

from pathlib import Path

import pytest

from ganvas.errors import GanvasError
from ganvas.io.result_folder import RECORD, check_new_file, is_file_name, result_folder

ONE, OTHER = ({"command": f"ganvas edit faces {index}", "generator_hash": "a"} for index in (1, 2))


def write(out: Path, run: dict[str, str], text: str, **options: bool) -> bool:
    """Write a result of a run; returns whether the run continued."""
    with result_folder(out, run, **options) as folder:
        (folder / "latent.safetensors").write_text(text)
        (folder.part("images") / f"{text}.png").write_text(text)
        return folder.continued


def test_same_run_continues_and_another_is_refused(tmp_path: Path):
    assert not write(tmp_path / "a", ONE, "first")
    assert write(tmp_path / "a", ONE, "again")
    with pytest.raises(GanvasError, match=r"results of another run \(ganvas edit faces 1\)"):
        write(tmp_path / "a", OTHER, "other")
    with pytest.raises(GanvasError, match="results of another run"):
        write(tmp_path / "a", {**ONE, "generator_hash": "b"}, "other")
    assert (tmp_path / "a" / "latent.safetensors").read_text() == "again"
    assert sorted(path.name for path in (tmp_path / "a" / "images").glob("*.png")) == ["again.png", "first.png"]


def test_overwriting_leaves_no_image_of_the_other_run_and_all_that_is_not_ours(tmp_path: Path):
    write(tmp_path, ONE, "first")
    mine = tmp_path / "photos" / "me.png"
    mine.parent.mkdir()
    mine.write_text("me")
    assert not write(tmp_path, OTHER, "other", overwrite=True)
    assert [path.name for path in (tmp_path / "images").glob("*.png")] == ["other.png"]
    assert mine.read_text() == "me"


def test_subfolder_of_somebody_else_is_left_alone(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "mine.png").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(GanvasError, match="is left alone"):
            write(tmp_path, ONE, "first", overwrite=overwrite)
        assert (tmp_path / "images" / "mine.png").read_text() == "mine"


def test_results_without_a_record_are_refused_and_other_files_are_not(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, ONE, "first")
    (tmp_path / RECORD).unlink()
    with pytest.raises(GanvasError, match="results of another run;"):
        write(tmp_path, ONE, "again")
    (tmp_path / RECORD).write_text("damaged")
    with pytest.raises(GanvasError, match="results of another run;"):
        write(tmp_path, ONE, "again")


@pytest.mark.parametrize("error", [GanvasError, ZeroDivisionError, KeyboardInterrupt])
def test_run_that_fails_leaves_no_folder(tmp_path: Path, error: type[BaseException]):
    def fail(out: Path) -> None:
        with result_folder(out, ONE) as folder:
            folder.part("images")
            raise error

    with pytest.raises(error):
        fail(tmp_path / "new" / "deep")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(error):
        fail(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("error", "kept"), [(GanvasError, False), (KeyboardInterrupt, True)])
def test_images_of_an_interrupted_run_are_kept_and_of_a_failed_one_not(
    tmp_path: Path, error: type[BaseException], kept: bool
):
    def stop() -> None:
        with result_folder(tmp_path / "out", ONE) as folder:
            (folder.part("images") / "a.png").write_text("a")
            raise error

    with pytest.raises(error):
        stop()
    assert (tmp_path / "out" / "images" / "a.png").exists() == (tmp_path / "out").exists() == kept


def test_file_names_are_told_from_folders(tmp_path: Path):
    (tmp_path / "folder.png").mkdir()
    assert [is_file_name(tmp_path / name) for name in ("a.png", "a.MP4", "a", "a.b", "folder.png")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    with pytest.raises(GanvasError, match="the name of one"):
        write(tmp_path / "a.png", ONE, "first")
    (tmp_path / "b.png").write_text("b")
    with pytest.raises(GanvasError, match="exists already"):
        check_new_file(tmp_path / "b.png", False)
    assert check_new_file(tmp_path / "b.png", True) == tmp_path / "b.png"


@pytest.mark.parametrize("name", ["walk.txt", "found.json", "edits.npz", "x.safetensors", "me.PDF", "a.recipe"])
def test_folder_of_results_is_not_named_as_a_file(tmp_path: Path, name: str):
    with pytest.raises(GanvasError, match="is the name of one; give a folder"):
        write(tmp_path / name, ONE, "first")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["run-0.5", "v1.2", "edits", "a.b"])
def test_folder_may_have_a_point_in_its_name(tmp_path: Path, name: str):
    write(tmp_path / name, ONE, "first")
    assert (tmp_path / name).is_dir()
