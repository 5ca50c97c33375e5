"""Sessions on disk: a recipe for each version, and what belongs to them; nothing of it is needed to render a recipe."""

import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from ganvas.edits.recipe import load_recipe
from ganvas.errors import GanvasError, ResultFileError
from ganvas.io.files import atomic_path
from ganvas.io.json_files import made_of, read_json, write_json
from ganvas.io.tensor_files import read_tensors, write_tensors
from ganvas.regions.stored import region_as_json, region_of_json
from ganvas.studio.document import Area, Document, Version
from ganvas.studio.session import Session

KIND = "studio session"
NAME = re.compile(r"[0-9a-f]{16}")
FACTS = "session.json"
MOST_KEPT = 40
SAVED = "directions"
MOST_AREAS_READ = 200


def folder_of(root: Path, name: str) -> Path:
    """Return the folder of a session; raises `ResultFileError` for a name that is none."""
    if not NAME.fullmatch(name):
        raise ResultFileError(f"'{name[:20]}' names no session.")
    return root / name


def save_session(session: Session) -> None:
    """Write the versions that are not on disk yet, and which of them is shown."""
    folder = folder_of(session.shared.folder, session.id)
    folder.mkdir(parents=True, exist_ok=True)
    known = _numbers_in(folder)
    for number, version in session.document.versions.items():
        if number not in known:
            version.recipe.save(folder / f"{number}.recipe")
            _write_areas(folder / f"{number}.areas", version)
            if number in session.thumbnails:
                _write_small(folder / f"{number}.jpg", session.thumbnails[number])
    write_json(folder / FACTS, _described(session), ResultFileError)


def saved_names(root: Path) -> list[str]:
    """Return the names under which directions are kept."""
    return sorted(path.stem for path in (root / SAVED).glob("*.safetensors"))


def _numbers_in(folder: Path) -> set[int]:
    """Return the versions that are on disk as a whole: files that no session.json names may be those of a version that
    a killed server was writing, whose number another one has since.
    """
    return (
        {int(one["number"]) for one in read_json(folder / FACTS)["versions"]} if (folder / FACTS).is_file() else set()
    )


def _write_small(path: Path, data: bytes) -> None:
    with atomic_path(path, ResultFileError) as temporary:
        temporary.write_bytes(data)


def set_aside(session: Session) -> None:
    """Keep what the session has on disk under another name, with its last changes, before another document."""
    if session.document.current >= 0:
        save_session(session)
    folder = folder_of(session.shared.folder, session.id)
    if folder.is_dir():
        folder.rename(folder_of(session.shared.folder, secrets.token_hex(8)))


def _described(session: Session) -> dict[str, Any]:
    document = session.document
    return {
        "kind": KIND,
        "model": session.model,
        "current": document.current,
        "redone": {str(below): above for below, above in document.redone.items()},
        "versions": [
            {"number": one.number, "parent": one.parent, "title": one.title, "chosen": one.chosen}
            for one in document.versions.values()
        ],
    }


def _write_areas(path: Path, version: Version) -> None:
    tensors, described = {}, []
    for index, area in enumerate(version.areas):
        description, masks = region_as_json(area.region)
        tensors |= {f"{index}.{part}": mask for part, mask in enumerate(masks)}
        described.append({"number": area.number, "name": area.name, "region": description})
    write_tensors(path, KIND, tensors, {"areas": json.dumps(described)}, ResultFileError)


def read_session(folder: Path) -> tuple[str, Document, dict[int, bytes]]:
    """Return a session's generator, its document and its small images; raises `ResultFileError` for damage."""
    content = read_json(folder / FACTS)
    return made_of(folder, lambda: _session(content, folder), "a session of the studio")


def _session(content: Any, folder: Path) -> tuple[str, Document, dict[int, bytes]]:
    if content["kind"] != KIND:
        raise ValueError("its kind is another")
    document = Document(current=int(content["current"]))
    for one in content["versions"]:
        number = int(one["number"])
        recipe = load_recipe(folder / f"{number}.recipe")
        areas = _read_areas(folder / f"{number}.areas")
        document.versions[number] = Version(number, one["parent"], str(one["title"]), recipe, areas, one["chosen"])
    document.redone = {int(below): int(above) for below, above in content["redone"].items()}
    document.now  # noqa: B018 - raises KeyError where the version is missing
    small = {number: folder / f"{number}.jpg" for number in document.versions}
    images = {number: path.read_bytes() for number, path in small.items() if path.is_file()}
    return str(content["model"]), document, images


def _read_areas(path: Path) -> tuple[Area, ...]:
    tensors, header = read_tensors(path, KIND, ResultFileError)
    areas = []
    for index, one in enumerate(json.loads(str(header["areas"]))[:MOST_AREAS_READ]):
        start = f"{index}."
        masks = {name.removeprefix(start): part for name, part in tensors.items() if name.startswith(start)}
        areas.append(Area(int(one["number"]), str(one["name"]), region_of_json(one["region"], masks)))
    return tuple(areas)


def recoverable(root: Path, open_now: set[str]) -> list[dict[str, Any]]:
    """Return the sessions on disk that no page has open, the newest first."""
    found = []
    for folder in root.iterdir() if root.is_dir() else ():
        facts = folder / FACTS
        if NAME.fullmatch(folder.name) and folder.name not in open_now and facts.is_file():
            found.append((facts.stat().st_mtime, folder))
    listed = []
    for time, folder in sorted(found, reverse=True)[:MOST_KEPT]:
        try:
            content = read_json(folder / FACTS)
            count = len(content["versions"])
        except (GanvasError, KeyError, TypeError):
            continue
        if count > 1:
            listed.append({"session": folder.name, "saved": time, "model": content.get("model"), "versions": count})
    return listed


def forget(root: Path, keep: set[str]) -> None:
    """Delete the oldest sessions on disk beyond so many."""
    folders = [one for one in root.iterdir() if NAME.fullmatch(one.name)] if root.is_dir() else []
    for folder in sorted(folders, key=lambda one: one.stat().st_mtime, reverse=True)[MOST_KEPT:]:
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)
