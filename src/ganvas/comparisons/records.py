"""The record of a study in its folder, by which it is continued or refused."""

import json
from pathlib import Path
from typing import Any

from ganvas.errors import GanvasError
from ganvas.io.json_files import write_json


def claim_folder(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of a study into its folder; raises `GanvasError` where it holds another or a damaged one."""
    path = folder / "study.json"
    if not path.is_file():
        write_json(path, record)
        return
    try:
        held = json.loads(path.read_text("utf-8"))
    except ValueError as reason:
        raise GanvasError(
            f"'{path}' is damaged ({str(reason)[:80]}), so that the study in its folder is unknown; give "
            "another folder with --out."
        ) from reason
    if held != record:
        other = [name for name in record if not isinstance(held, dict) or held.get(name) != record[name]]
        raise GanvasError(
            f"'{folder}' holds a study with other settings, regions or generator (here: {', '.join(other)}); give "
            "another folder with --out."
        )
