"""JSON files: every reader takes them, and no half of one is left."""

import json
import math
from pathlib import Path

import pytest

from ganvas.errors import ResultFileError
from ganvas.io.json_files import plain, write_json


def test_numbers_that_json_lacks_become_null_or_what_is_asked_for():
    value = {"a": math.nan, 2: (1.5, math.inf), "path": Path("x/y")}
    assert plain(value) == {"a": None, "2": [1.5, None], "path": str(Path("x/y"))}
    assert plain(value, str) == {"a": "nan", "2": [1.5, "inf"], "path": str(Path("x/y"))}
    json.dumps(plain(value), allow_nan=False)


def test_content_that_json_lacks_leaves_the_older_file(tmp_path: Path):
    path = write_json(tmp_path / "x.json", [1, 2])
    with pytest.raises(TypeError):
        write_json(path, object())
    assert json.loads(path.read_text("utf-8")) == [1, 2]
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_a_file_raises_the_error_asked_for(tmp_path: Path):
    (tmp_path / "no").touch()
    with pytest.raises(ResultFileError):
        write_json(tmp_path / "no" / "x.json", [], ResultFileError)
