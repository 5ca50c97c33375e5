"""The files of a dataset, in a folder or a zip: which of them are images, and what the others are."""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ganvas.errors import TrainingError
from ganvas.images.decoding import ENDINGS
from ganvas.io.file_kinds import HEAD_BYTES, FileKind, kind_of, kind_of_file

LABELS = "dataset.json"  # at the top, in NVIDIA's layout
MOST_KINDS = 6  # of files that are no images, in a message


@dataclass(frozen=True)
class DatasetFile:
    """A file in a folder or a zip: its name within, bytes, time or checksum, how to read it, and what it is."""

    name: str
    size: int
    stamp: int
    read: Callable[[], bytes]
    kind: FileKind | None

    @property
    def is_image(self) -> bool:
        """Whether it is to be opened as an image, as `ganvas.images.decoding.is_image` decides."""
        return _ends_like_an_image(self.name) or (self.kind is not None and self.kind.group == "image")

    @property
    def described(self) -> str:
        """The ending of its name and what it is."""
        return f"{Path(self.name).suffix or 'no ending'}, {self.kind.words if self.kind else 'of unknown kind'}"


def _ends_like_an_image(name: str) -> bool:
    return Path(name).suffix.lower() in ENDINGS


def list_images(source: Path) -> tuple[list[DatasetFile], dict[str, int]]:
    """Return the images of a folder, a folder of zips, or a zip, and how many other files of each kind it holds."""
    try:
        if source.is_dir():
            found = list(_in_folder(source, source.rglob("*")))
            if not any(file.is_image for file in found):
                found = list(_in_zips_of(source)) or found
        elif source.is_file() and _is_zip(source):
            found = list(_in_zip(source))
        else:
            found = "is neither" if source.exists() else "does not exist"
            raise TrainingError(f"'{source}' {found}; give a folder or a zip of images.")
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as reason:
        said = getattr(reason, "strerror", None) or reason
        raise TrainingError(f"'{source}' cannot be read ({said}); give a folder or a zip of images.") from reason
    files = sorted((file for file in found if file.is_image), key=lambda file: file.name)
    others = _others(found)
    if not files:
        raise TrainingError(f"'{source}' holds no images, also not in its folders{holding(others)}.")
    return files, others


def images_in(folder: Path) -> tuple[list[Path], dict[str, int]]:
    """Return the images directly in a folder, sorted by name, and how many other files of each kind it holds."""
    found = list(_in_folder(folder, folder.iterdir()))
    images = sorted(folder / file.name for file in found if file.is_image)
    return images, _others(found)


def _others(found: Iterable[DatasetFile]) -> dict[str, int]:
    counted = Counter(file.described for file in found if not file.is_image and file.name != LABELS)
    return dict(counted.most_common())


def holding(others: Mapping[str, int]) -> str:
    """Return "; it holds ..." on a place without images, "" where it holds nothing."""
    return f"; it holds {counted_kinds(others)}" if others else ""


def counted_kinds(others: Mapping[str, int]) -> str:
    """Return "13 .HEIC (text), 1 .json (text)" of what `list_images` and `images_in` count."""
    parts = (f"{count:,} {kind.replace(', ', ' (', 1)})" for kind, count in list(others.items())[:MOST_KINDS])
    return ", ".join(parts) + (", and others" if len(others) > MOST_KINDS else "")


def _is_zip(source: Path) -> bool:
    with source.open("rb") as stream:  # of a path, is_zipfile would take "not allowed" for "no zip"
        return zipfile.is_zipfile(stream)


def _in_folder(source: Path, paths: Iterable[Path]) -> Iterator[DatasetFile]:
    for path in paths:
        within = path.relative_to(source)
        if _is_shown(within) and path.is_file():
            status = path.stat()
            yield DatasetFile(str(within), status.st_size, status.st_mtime_ns, path.read_bytes, _kind_within(path))


def _kind_within(path: Path) -> FileKind | None:
    """Return what a file is; files with an ending of images are not opened, for there may be very many."""
    with suppress(OSError):
        return None if _ends_like_an_image(path.name) else kind_of_file(path)
    return None


def _in_zips_of(folder: Path) -> Iterator[DatasetFile]:
    for path in folder.glob("*.zip"):
        if _is_shown(Path(path.name)):
            yield from (replace(file, name=f"{path.name}/{file.name}") for file in _in_zip(path))


def _in_zip(source: Path) -> Iterator[DatasetFile]:
    archive = zipfile.ZipFile(source)
    for entry in archive.infolist():
        if _is_shown(Path(entry.filename)) and not entry.is_dir():
            read = partial(archive.read, entry)
            yield DatasetFile(entry.filename, entry.file_size, entry.CRC, read, _kind_of_entry(archive, entry))


def _kind_of_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> FileKind | None:
    if _ends_like_an_image(entry.filename):
        return None
    with suppress(Exception), archive.open(entry) as stream:  # damage and passwords raise errors of many types
        return kind_of(stream.read(HEAD_BYTES), entry.file_size)
    return None


def _is_shown(path: Path) -> bool:
    """Return whether a path is not hidden and not in a folder that a system made."""
    return not any(part.startswith((".", "__MACOSX")) for part in path.parts)
