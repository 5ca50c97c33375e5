"""Images to train on: a folder or a zip, looked through once and packed into one file of square 8-bit images.

The packed file lies in the cache folder (``GANVAS_HOME``), is mapped into memory and read by index, so that a batch
costs a copy. It is made anew when names, sizes or times of the images change.
"""

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.images import pixels
from ganvas.images.decoding import SUFFIXES
from ganvas.io.cache import exclusive, home
from ganvas.io.files import atomic_path

FEWEST = 16
PACKING_VERSION = 1
LARGEST_FILE = 256 * 2**20


@dataclass(frozen=True)
class Survey:
    """What a source holds: images used, sizes (as "width x height": count) before cropping, and what was left out
    with the reason; ``cropped`` were not square, ``enlarged`` smaller than the resolution, ``repeated`` are at this
    resolution the same, value for value, as one before them, and used all the same.
    """

    source: str
    resolution: int
    count: int
    sizes: dict[str, int]
    cropped: int
    enlarged: int
    skipped: dict[str, str]
    repeated: int = 0


class ImageSet:
    """Packed images: ``len``, ``survey``, and batches by index."""

    def __init__(self, values: np.ndarray, survey: Survey) -> None:
        self.values, self.survey = values, survey

    def __len__(self) -> int:
        return len(self.values)

    def spread(self, count: int) -> Int[np.ndarray, "n"]:
        """Return the indices of `count` images from all over the set, at equal distances: a set that is in an order,
        of ages or of sizes, shows all of it. All of them where there are fewer.
        """
        return np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)

    def batch(self, indices: Int[np.ndarray, "n"], device: torch.device | str = "cpu") -> Float[Tensor, "n 3 r r"]:
        """Return the images of these indices, in [-1, 1], channels_last."""
        chosen = torch.from_numpy(self.values[indices]).to(device)
        return (chosen.float() / 127.5 - 1).permute(0, 3, 1, 2)


def open_images(
    source: str | Path,
    resolution: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    fewest: int = FEWEST,
) -> ImageSet:
    """Return the images of a folder (with all folders in it) or a zip at `resolution` pixels: cut to the middle
    square and resized by area.

    Files that cannot be read are left out and named in the survey; hidden ones are not looked at. `progress` is told
    how many of how many are packed. Processes that open the same images at the same time pack them once.
    Raises `TrainingError` where the source is missing, is no folder or zip, or has fewer than `fewest` images that
    can be read.
    """
    files = _list_images(Path(source))
    key = _fingerprint(files, resolution)
    packed, described = (home() / "images" / f"{key}{suffix}" for suffix in (".npy", ".json"))
    with exclusive(packed):
        if not (packed.is_file() and described.is_file()):
            _pack(files, Path(source), resolution, packed, described, progress, fewest)
    survey = Survey(**json.loads(described.read_text("utf-8")))
    if survey.count < fewest:  # packed for what needs fewer
        raise TrainingError(_too_few(Path(source), survey.count, survey.skipped, fewest))
    # The same images may have been packed from another place.
    return ImageSet(np.load(packed, mmap_mode="r"), replace(survey, source=str(source)))


@dataclass(frozen=True)
class _File:
    name: str
    size: int
    stamp: int
    read: Callable[[], bytes]


def _list_images(source: Path) -> list[_File]:
    try:
        if source.is_dir():
            files = list(_in_folder(source))
        elif source.is_file() and _is_zip(source):
            files = list(_in_zip(source))
        else:
            found = "is neither" if source.exists() else "does not exist"
            raise TrainingError(f"'{source}' {found}; give a folder or a zip of images.")
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as reason:
        said = getattr(reason, "strerror", None) or reason
        raise TrainingError(f"'{source}' cannot be read ({said}); give a folder or a zip of images.") from reason
    if not files:
        raise TrainingError(
            f"'{source}' holds no images: files that end in {', '.join(SUFFIXES)} were looked for, in all folders."
        )
    return sorted(files, key=lambda file: file.name)


def _is_zip(source: Path) -> bool:
    with source.open("rb") as stream:  # of a path, is_zipfile would take "not allowed" for "no zip"
        return zipfile.is_zipfile(stream)


def _in_folder(source: Path) -> Iterator[_File]:
    for path in source.rglob("*"):
        within = path.relative_to(source)
        if _is_shown(within) and path.is_file():
            status = path.stat()
            yield _File(str(within), status.st_size, status.st_mtime_ns, path.read_bytes)


def _in_zip(source: Path) -> Iterator[_File]:
    archive = zipfile.ZipFile(source)
    for entry in archive.infolist():
        if _is_shown(Path(entry.filename)) and not entry.is_dir():
            yield _File(entry.filename, entry.file_size, entry.CRC, lambda entry=entry: archive.read(entry))


def _is_shown(path: Path) -> bool:
    """Whether a path is that of an image which people put there, not of a system's thumbnails or notes."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _fingerprint(files: Sequence[_File], resolution: int) -> str:
    digest = hashlib.sha256(f"{PACKING_VERSION} {resolution}".encode())
    for file in files:
        digest.update(f"{file.name} {file.size} {file.stamp}\n".encode())
    return digest.hexdigest()[:24]


def _pack(
    files: Sequence[_File],
    source: Path,
    resolution: int,
    packed: Path,
    described: Path,
    progress: Callable[[int, int], None],
    fewest: int,
) -> None:
    sizes, skipped, kept = Counter[str](), dict[str, str](), Counter[bytes]()
    cropped = enlarged = 0
    with atomic_path(packed, TrainingError) as temporary:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), resolution, resolution, 3)}
        with temporary.open("wb") as stream, ThreadPoolExecutor() as pool:
            np.lib.format.write_array_header_1_0(stream, header)
            for done, (file, result) in enumerate(zip(files, _decoded(pool, files, resolution), strict=True), 1):
                if isinstance(result, str):
                    skipped[file.name] = result
                else:
                    (width, height), values = result
                    stream.write(values)
                    kept[hashlib.sha256(values).digest()] += 1
                    sizes[f"{width} x {height}"] += 1
                    cropped += width != height
                    enlarged += min(width, height) < resolution
                progress(done, len(files))
        count = kept.total()
        if count < max(fewest, 1):
            raise TrainingError(_too_few(source, count, skipped, fewest))
        _rewrite_count(temporary, count, resolution)
        of_sizes, repeated = dict(sizes.most_common()), count - len(kept)
        survey = Survey(str(source), resolution, count, of_sizes, cropped, enlarged, skipped, repeated)
        with atomic_path(described, TrainingError) as description:
            description.write_text(json.dumps(asdict(survey)), "utf-8")


def _decoded(pool: ThreadPoolExecutor, files: Sequence[_File], resolution: int) -> Iterator:
    """Decode in parallel, a bounded number ahead of the writer."""
    for start in range(0, len(files), 256):
        yield from pool.map(lambda file: _decode(file, resolution), files[start : start + 256])


def _decode(file: _File, resolution: int) -> str | tuple[tuple[int, int], bytes]:
    """Return an image's size and its bytes at `resolution`, or the reason why it cannot be read."""
    if file.size > LARGEST_FILE:
        return f"it has {file.size / 2**20:,.0f} MB; make it smaller."
    try:
        image = pixels.read_image(io.BytesIO(file.read()))
    except Exception as reason:  # zip files with damage, passwords or rare compression raise errors of many types
        return str(reason)
    height, width = image.shape[-2:]
    square = middle_square(image)
    return (width, height), pixels.to_bytes(pixels.resize(square, resolution, resolution)).numpy().tobytes()


def middle_square(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 s s"]:
    """Cut the largest square from the middle."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[..., top : top + side, left : left + side]


def _rewrite_count(path: Path, kept: int, resolution: int) -> None:
    """Put the number of images that could be read into the header, which has room for it."""
    with path.open("r+b") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "|u1", "fortran_order": False, "shape": (kept, resolution, resolution, 3)}
        )


def _too_few(source: Path, kept: int, skipped: Mapping[str, str], fewest: int) -> str:
    damaged = "".join(f" {name}: {reason}" for name, reason in list(skipped.items())[:3])
    return (
        f"'{source}' has {kept} readable image{'' if kept == 1 else 's'} ({len(skipped)} cannot be read); this "
        f"needs at least {fewest}, and training from scratch a few hundred to learn anything.{damaged}"
    )
