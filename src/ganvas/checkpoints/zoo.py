"""The published generators that Ganvas knows by name: where each lies on the web and on this disk.

``zoo.toml`` holds the rows, `ganvas.checkpoints.fetch` the download. Nothing here downloads unless `fetch` is called:
loading a generator by its name takes the file that is on the disk, and says how to get it where it is not.
"""

import difflib
import functools
import importlib.resources
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganvas.checkpoints.fetch import Patience, Remote, copy_in, download
from ganvas.checkpoints.safe_pickle.trees import read_tree
from ganvas.checkpoints.unbuilt import UNVERIFIED
from ganvas.errors import CheckpointError, DownloadError
from ganvas.generators.protocol import About
from ganvas.io import cache
from ganvas.regions import Region
from ganvas.regions.named import SETS

UNVERIFIED_FORMATS = frozenset({"TensorFlow pickle", "OpenMMLab"})  # docs/generators/formats.md says why
Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class ZooEntry:
    """One published generator.

    `files`: the first is the generator, the others have to lie beside it. `variant_of` names the row whose generator
    this is in another file. `edit_layers` are recommended by `edit_layers_source`, "" where none are recommended.
    """

    name: str
    title: str
    family: str
    label: str
    resolution: int
    format: str
    data: str
    paper: str
    license: str
    license_label: str
    files: tuple[Remote, ...]
    aliases: tuple[str, ...] = ()
    variant_of: str = ""
    regions: Mapping[str, Region] = field(default_factory=dict)
    face_finder: str = ""
    edit_layers: str = ""
    edit_layers_source: str = ""
    note: str = ""

    @property
    def folder(self) -> Path:
        """The folder of its files in the cache; it need not exist."""
        return cache.models_folder() / self.name

    def path(self, remote: Remote) -> Path:
        """Return where one of its files belongs."""
        return self.folder / remote.name

    @property
    def verified(self) -> bool:
        """Whether the reader of its format was tested on a file that another implementation wrote."""
        return self.format not in UNVERIFIED_FORMATS

    @property
    def here(self) -> bool:
        """Whether all its files are on this disk."""
        return all(self.path(remote).is_file() for remote in self.files)

    @property
    def bytes(self) -> int | None:
        """Its size: of the files on this disk, else as published, None where unknown."""
        sizes = [self.path(file).stat().st_size if self.path(file).is_file() else file.bytes for file in self.files]
        return None if None in sizes[:1] else sum(size or 0 for size in sizes)

    def facts(self) -> dict[str, Any]:
        """Return what is published about it, without its file."""
        files = [
            {
                "path": str(self.path(file)),
                "from": list(file.addresses),
                "bytes": file.bytes or "unknown",
                "sha256": file.sha256 or "unknown: recorded at the first fetch",
            }
            for file in self.files
        ]
        return {
            "name": self.name,
            "title": self.title,
            "family": self.label,
            "resolution": self.resolution,
            "here": self.here,
            "bytes": self.bytes,
            "format": self.format,
            "verified": "yes" if self.verified else UNVERIFIED,
            "variant_of": self.variant_of,
            "aliases": list(self.aliases),
            "data": self.data,
            "license": self.license,
            "paper": self.paper,
            "regions": list(self.regions),
            "edit_layers": self.edit_layers,
            "edit_layers_source": self.edit_layers_source,
            "note": self.note,
            "files": files,
        }


@functools.cache
def entries() -> Mapping[str, ZooEntry]:
    """Return all rows by name, in the order of the data file."""
    text = (importlib.resources.files("ganvas.checkpoints") / "zoo.toml").read_text("utf-8")
    table = tomllib.loads(text)
    rows = [_entry(row, table["families"][row["family"]]) for row in table["generators"]]
    return {row.name: row for row in rows}


def _entry(row: dict[str, Any], shared: Mapping[str, str]) -> ZooEntry:
    files = tuple(
        Remote(file["name"], tuple(file["addresses"]), file.get("bytes"), file.get("sha256", ""))
        for file in row["files"]
    )
    named = SETS[row["regions"]] if "regions" in row else {}
    aliases = tuple(row.get("aliases", ()))
    facts: dict[str, Any] = {**shared, **row, "files": files, "regions": named, "aliases": aliases}
    return ZooEntry(**facts)


def find(name: str) -> ZooEntry | None:
    """Return the row of a name or alias, None where there is none."""
    if name in entries():
        return entries()[name]
    return next((entry for entry in entries().values() if name in entry.aliases), None)


def close_to(name: str, *others: str) -> str:
    """Return a question that offers the names of the zoo or of `others` like this one, "" where none is."""
    close = difflib.get_close_matches(
        name, [*others, *entries(), *(a for e in entries().values() for a in e.aliases)], n=2
    )
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def checked_path(entry: ZooEntry) -> Path:
    """Return the generator's file on this disk, checked; raises `DownloadError` where it is not, or is another."""
    for remote in entry.files:
        if not entry.path(remote).is_file():
            raise DownloadError(
                f"'{entry.name}' is not on this disk ({entry.path(remote)}); get it with: ganvas models fetch "
                f"{entry.name}"
            )
        _check(remote, entry.path(remote))
    return entry.path(entry.files[0])


def _check(remote: Remote, path: Path) -> None:
    """Raise `DownloadError` unless a file in the cache is the right one; a first one is recorded if it can be read."""
    if cache.recorded(path) is None:
        _require_readable(remote, path)
    cache.check(path, remote.sha256)


def _require_readable(remote: Remote, path: Path) -> None:
    """Refuse a file without a known checksum unless it can be read: it may be a web page or cut short.

    Raises `DownloadError` where it cannot be read as a checkpoint, or as JSON.
    """
    if len(remote.sha256) == cache.FULL_CHECKSUM:
        return
    try:
        json.loads(path.read_bytes()) if remote.name.endswith(".json") else read_tree(path)
    except (CheckpointError, OSError, ValueError, RecursionError) as reason:
        raise DownloadError(f"'{path}' is not {remote.name}, and was not taken: {reason}") from reason


def fetch(
    entry: ZooEntry,
    *,
    offline: bool = False,
    patience: Patience = Patience(),
    report: Report = lambda name, done, total: None,
) -> list[Path]:
    """Return the generator's files on this disk, after fetching those that are not there yet.

    `report` gets the file's name, the bytes that are there and those of the whole. Raises `DownloadError`, which says
    what each address answered, where to put the file by hand, and which checksum it must have.
    """
    paths = []
    for remote in entry.files:
        path = entry.path(remote)
        if path.is_file():
            _check(remote, path)
        else:
            if offline or cache.is_offline():
                raise DownloadError(f"'{entry.name}' is not on this disk, and downloads are off.\n{by_hand(entry)}")
            _download(entry, remote, path, patience, report)
        paths.append(path)
    return paths


def _download(entry: ZooEntry, remote: Remote, path: Path, patience: Patience, report: Report) -> None:
    try:
        _, address = download(
            remote, path, patience=patience, report=lambda done, total: report(remote.name, done, total)
        )
    except DownloadError as refusal:
        raise DownloadError(f"'{entry.name}' could not be fetched.\n{refusal}\n{by_hand(entry)}") from refusal
    if cache.recorded(path) is None:
        try:
            _require_readable(remote, path)
        except DownloadError:
            path.unlink()
            raise
    cache.check(path, remote.sha256, address)


def by_hand(entry: ZooEntry) -> str:
    """Return instructions for downloading the files without Ganvas."""
    steps = (
        f"By hand: save {remote.addresses[0]}\n  as {entry.path(remote)}\n  {_required(remote)}"
        for remote in entry.files
    )
    return "\n".join([*steps, f"or give a file that you have to: ganvas models fetch {entry.name} --from FILE"])


def _required(remote: Remote) -> str:
    if len(remote.sha256) == cache.FULL_CHECKSUM:
        return f"it must have sha256 {remote.sha256}"
    if remote.sha256:
        return f"its sha256 must start with {remote.sha256}"
    return f"no checksum of it is known: at its first use it is recorded in '{cache.lock_path()}', then always checked"


def place(entry: ZooEntry, sources: Sequence[Path]) -> list[Path]:
    """Copy files that were fetched by hand to where they belong; returns the paths.

    A file is known by its name, else by its suffix, else it is the generator. Raises `DownloadError` for a file that is
    not the right one.
    """
    paths = []
    for source in sources:
        remote = _meant(entry, source)
        path = entry.path(remote)
        known = cache.recorded(path)
        # A checksum that was recorded once binds as one that is known in advance.
        wanted = remote if remote.sha256 or known is None else replace(remote, sha256=known.sha256)
        if known is None:
            _require_readable(remote, source)
        try:
            copy_in(source, path, wanted)
        except DownloadError as refusal:
            raise refusal if wanted is remote else DownloadError(f"{refusal} {_recorded_hint(path)}") from refusal
        cache.check(path, remote.sha256, str(source.absolute()))
        paths.append(path)
    return paths


def _recorded_hint(path: Path) -> str:
    return (
        f"That is the checksum of the first file of this name; if that one was wrong, remove "
        f"'{path.parent.name}/{path.name}' from '{cache.lock_path()}'."
    )


def _meant(entry: ZooEntry, source: Path) -> Remote:
    fits: Sequence[Callable[[Remote], bool]] = (
        lambda remote: remote.name == source.name or remote.addresses[0].endswith(f"/{source.name}"),
        lambda remote: Path(remote.name).suffix == source.suffix,
    )
    return next((remote for fit in fits for remote in entry.files if fit(remote)), entry.files[0])


def add_facts(path: Path, about: About) -> About:
    """Return `about` with the zoo's facts added, if the file is one of the zoo's in the cache."""
    entry = entries().get(path.parent.name)
    if entry is None or path != entry.path(entry.files[0]):
        return about
    known = {"zoo": entry.name, "license": entry.license, "paper": entry.paper, "data": entry.data}
    record = cache.recorded(path)
    if record is not None:
        known |= {"address": record.origin, "sha256": record.sha256}
    return replace(
        about,
        name=entry.name,
        source={**about.source, **known},
        regions=about.regions or entry.regions,
        edit_layers=about.edit_layers or entry.edit_layers,
        face_finder=about.face_finder or entry.face_finder,
    )
