"""Image datasets: a folder or a zip, read once and packed into one file of square 8-bit images.

The packed file is kept in the cache folder (``GANVAS_HOME``), memory-mapped and read by index, so that a batch costs
one copy. It is packed again when names, sizes or times of the images change.
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
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.errors import TrainingError
from ganvas.images import pixels
from ganvas.images.decoding import SUFFIXES
from ganvas.io.cache import exclusive, home
from ganvas.io.files import atomic_path
from ganvas.io.progress import Progress, silent

FEWEST = 16
FITS = ("crop", "pad")
PACKING_VERSION = 1
LARGEST_FILE = 256 * 2**20


@dataclass(frozen=True)
class DatasetSummary:
    """What a source holds.

    ``count`` images are used at ``resolution`` pixels; ``sizes`` counts the original sizes ("width x height"), and
    ``skipped`` gives the reason for each file left out. ``cropped`` images were not square, ``enlarged`` ones were
    smaller than the resolution, ``repeated`` ones equal an earlier image at this resolution (they are used as well).
    ``fit`` says how others than square ones became square: "crop" or "pad".
    """

    source: str
    resolution: int
    count: int
    sizes: dict[str, int]
    cropped: int
    enlarged: int
    skipped: dict[str, str]
    repeated: int = 0
    fit: str = "crop"


class ImageSet:
    """Packed images [n, r, r, 3], 8 bits: ``len``, a ``summary``, batches by index, and ``names`` of their files."""

    def __init__(self, values: np.ndarray, summary: DatasetSummary, names: Sequence[str] = ()) -> None:
        self.values, self.summary, self.names = values, summary, tuple(names)

    def __len__(self) -> int:
        return len(self.values)

    def spread(self, count: int) -> Int[np.ndarray, "n"]:
        """Return the indices of `count` images at equal distances in the set, or of all where there are fewer.

        A set that is sorted, by age or by size, is covered from end to end.
        """
        return np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)

    def batch(self, indices: Int[np.ndarray, "n"], device: torch.device | str = "cpu") -> Float[Tensor, "n 3 r r"]:
        """Return the images of these indices, in [-1, 1], channels_last."""
        chosen = torch.from_numpy(self.values[indices]).to(device)
        return (chosen.float() / 127.5 - 1).permute(0, 3, 1, 2)


def open_images(
    source: str | Path,
    resolution: int,
    progress: Progress = silent,
    fewest: int = FEWEST,
    fit: str = "crop",
) -> ImageSet:
    """Return the images of a folder (with its subfolders), of a folder of zips, or of a zip, made square and resized by
    area.

    Hidden files are ignored. Processes that open the same images at the same time pack them once.

    Args:
        source: A folder or a zip of images.
        resolution: Width and height of the images, in pixels.
        progress: Called with ("Packing images", done, total).
        fewest: The smallest number of readable images.
        fit: What is done with images that are not square: "crop" takes the middle, "pad" adds black on two sides.

    Returns:
        The images; its summary names the files that cannot be read.

    Raises:
        TrainingError: The source does not exist, is neither a folder nor a zip, or has fewer readable images.
    """
    if fit not in FITS:
        raise TrainingError(f"Images cannot be made square by '{fit}'; give {' or '.join(FITS)}.")
    files = _list_images(Path(source))
    key = _fingerprint(files, resolution, fit)
    packed, described = (home() / "images" / f"{key}{suffix}" for suffix in (".npy", ".json"))
    with exclusive(packed):
        if not (packed.is_file() and described.is_file()):
            _pack(files, Path(source), resolution, packed, described, progress, fewest, fit)
    summary = DatasetSummary(**json.loads(described.read_text("utf-8")))
    if summary.count < fewest:  # packed for what needs fewer
        raise TrainingError(_too_few(Path(source), summary.count, summary.skipped, fewest))
    # The same images may have been packed from another path.
    names = [file.name for file in files if file.name not in summary.skipped]
    return ImageSet(np.load(packed, mmap_mode="r"), replace(summary, source=str(source)), names)


@dataclass(frozen=True)
class _File:
    name: str
    size: int
    stamp: int
    read: Callable[[], bytes]


def _list_images(source: Path) -> list[_File]:
    try:
        if source.is_dir():
            files = list(_in_folder(source)) or list(_in_zips_of(source))
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


def _in_zips_of(folder: Path) -> Iterator[_File]:
    for path in folder.glob("*.zip"):
        if not path.name.startswith("."):
            yield from (replace(file, name=f"{path.name}/{file.name}") for file in _in_zip(path))


def _in_zip(source: Path) -> Iterator[_File]:
    archive = zipfile.ZipFile(source)
    for entry in archive.infolist():
        if _is_shown(Path(entry.filename)) and not entry.is_dir():
            yield _File(entry.filename, entry.file_size, entry.CRC, lambda entry=entry: archive.read(entry))


def _is_shown(path: Path) -> bool:
    """Return whether a path is an image file, not hidden and not in a folder that a system made."""
    return path.suffix.lower() in SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _fingerprint(files: Sequence[_File], resolution: int, fit: str) -> str:
    digest = hashlib.sha256(f"{PACKING_VERSION} {resolution}{'' if fit == FITS[0] else f' {fit}'}".encode())
    for file in files:
        digest.update(f"{file.name} {file.size} {file.stamp}\n".encode())
    return digest.hexdigest()[:24]


def _pack(
    files: Sequence[_File],
    source: Path,
    resolution: int,
    packed: Path,
    described: Path,
    progress: Progress,
    fewest: int,
    fit: str,
) -> None:
    sizes, skipped, kept = Counter[str](), dict[str, str](), Counter[bytes]()
    cropped = enlarged = 0
    with atomic_path(packed, TrainingError) as temporary:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), resolution, resolution, 3)}
        with temporary.open("wb") as stream, ThreadPoolExecutor() as pool:
            np.lib.format.write_array_header_1_0(stream, header)
            for done, (file, result) in enumerate(zip(files, _decoded(pool, files, resolution, fit), strict=True), 1):
                if isinstance(result, str):
                    skipped[file.name] = result
                else:
                    (width, height), values = result
                    stream.write(values)
                    kept[hashlib.sha256(values).digest()] += 1
                    sizes[f"{width} x {height}"] += 1
                    cropped += width != height
                    enlarged += (min if fit == "crop" else max)(width, height) < resolution
                progress("Packing images", done, len(files))
        count = kept.total()
        if count < max(fewest, 1):
            raise TrainingError(_too_few(source, count, skipped, fewest))
        _rewrite_count(temporary, count, resolution)
        of_sizes, repeated = dict(sizes.most_common()), count - len(kept)
        summary = DatasetSummary(str(source), resolution, count, of_sizes, cropped, enlarged, skipped, repeated, fit)
        with atomic_path(described, TrainingError) as description:
            description.write_text(json.dumps(asdict(summary)), "utf-8")


def _decoded(pool: ThreadPoolExecutor, files: Sequence[_File], resolution: int, fit: str) -> Iterator:
    """Yield decoded images in order; decoding runs in parallel, at most 256 files ahead of the writer."""
    for start in range(0, len(files), 256):
        yield from pool.map(lambda file: _decode(file, resolution, fit), files[start : start + 256])


def _decode(file: _File, resolution: int, fit: str) -> str | tuple[tuple[int, int], bytes]:
    """Return an image's (width, height) and its bytes at `resolution`, or the reason why it cannot be read."""
    if file.size > LARGEST_FILE:
        return f"it has {file.size / 2**20:,.0f} MB; make it smaller."
    try:
        image = pixels.read_image(io.BytesIO(file.read()))
    except Exception as reason:  # zip files with damage, passwords or rare compression raise errors of many types
        return str(reason)
    height, width = image.shape[-2:]
    square = middle_square(image) if fit == "crop" else padded_square(image)
    return (width, height), pixels.to_bytes(pixels.resize(square, resolution, resolution)).numpy().tobytes()


def middle_square(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 s s"]:
    """Return the largest centered square."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[..., top : top + side, left : left + side]


def padded_square(image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 s s"]:
    """Return the smallest square around the image, black beside or above and below it."""
    height, width = image.shape[-2:]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return F.pad(image, (left, side - width - left, top, side - height - top), value=-1.0)


def _rewrite_count(path: Path, kept: int, resolution: int) -> None:
    """Write the number of readable images into the array's header, which has room for it."""
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


def shuffled(seed: int, first: int, last: int, size: int) -> Int[np.ndarray, "count"]:
    """Return the indices at positions first..last-1 of an endless sequence of shuffled epochs over `size` images."""
    parts = []
    for epoch in range(first // size, (last - 1) // size + 1):
        order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(size)
        parts.append(order[max(first - epoch * size, 0) : last - epoch * size])
    return np.concatenate(parts)
