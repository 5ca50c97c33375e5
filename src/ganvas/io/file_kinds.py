"""What a file is, by its first bytes, in words for messages. The ending of its name is not believed.

Every reader that refuses a file says what it is with this one table.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HEAD_BYTES = 512
Group = Literal["image", "arrays", "other"]
NPY_HEAD = b"\x93NUMPY"
ZIP_HEAD = b"PK\x03\x04"
GIT_LFS_HEAD = b"version https://git-lfs"
EMPTY_ZIP = b"PK\x05\x06"
# How torch.save began before version 1.6: a pickle of a number that says so.
OLD_TORCH_HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PICKLE_PROTOCOLS = b"\x02\x03\x04\x05"
WEB_PAGE_HEADS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")
UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Attributes:
        words: What it is, with its article: "a JPEG image".
        group: "image" for the images that Ganvas decodes (see `ganvas.images.decoding`), "arrays" for files of tensors
            or arrays, "other" for the rest.
        advice: What to do with it, "" where nothing is known.
    """

    words: str
    group: Group = "other"
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.words}: {self.advice}" if self.advice else self.words


UNPACK = "unpack it first"
EXPORT = "save it as PNG"
EMPTY = FileKind("empty (0 bytes)", advice="copy or fetch it again")
WEB_PAGE = FileKind("a web page", advice="the download probably failed; fetch it again")
TEXT = FileKind("text")
NPY = FileKind("an array of numpy (.npy)", "arrays")
NPZ = FileKind("a .npz archive of numpy", "arrays")
TORCH = FileKind("a checkpoint of torch.save", "arrays")
OLD_TORCH = FileKind("a checkpoint of torch.save in its old format", "arrays")
SAFETENSORS = FileKind("a safetensors file", "arrays")
CUT_SAFETENSORS = FileKind("a safetensors file that was cut short", "arrays", "fetch it again")
PICKLE = FileKind("a pickle (.pkl)", "arrays")
ZIP = FileKind("a zip archive")
TAR = FileKind("a tar archive", advice=UNPACK)
JPEG = FileKind("a JPEG image", "image")
HEIC = FileKind("a HEIC image", "image")
AVIF = FileKind("an AVIF image", "image")
WEBP = FileKind("a WebP image", "image")

STARTS: tuple[tuple[bytes, FileKind], ...] = (
    (b"\x89PNG\r\n\x1a\n", FileKind("a PNG image", "image")),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF8", FileKind("a GIF image", "image")),
    (b"II*\x00", FileKind("a TIFF image", "image")),
    (b"MM\x00*", FileKind("a TIFF image", "image")),
    (b"8BPS", FileKind("a Photoshop document", advice=EXPORT)),
    (b"gimp xcf", FileKind("a GIMP document", advice=EXPORT)),
    (b"%!PS", FileKind("PostScript, a program", advice="it is not run; " + EXPORT)),
    (b"\xc5\xd0\xd3\xc6", FileKind("PostScript, a program", advice="it is not run; " + EXPORT)),
    (b"%PDF", FileKind("a PDF", advice="save the image in it as PNG")),
    (b"\x00\x00\x00\x0cjP  ", FileKind("a JPEG 2000 image", advice=EXPORT)),
    (b"\x00\x00\x00\x0cJXL ", FileKind("a JPEG XL image", advice=EXPORT)),
    (b"\xff\x0a", FileKind("a JPEG XL image", advice=EXPORT)),
    (b"\x00\x00\x01\x00", FileKind("an icon", advice=EXPORT)),
    (b"FUJIFILMCCD-RAW", FileKind("a raw photo", advice=EXPORT)),
    (b"v/1\x01", FileKind("an OpenEXR image", advice=EXPORT)),
    (b"\x1aE\xdf\xa3", FileKind("a Matroska or WebM video", advice="save its frames as PNG")),
    (NPY_HEAD, NPY),
    (OLD_TORCH_HEAD, OLD_TORCH),
    (GIT_LFS_HEAD, FileKind("a Git LFS pointer", advice="the file itself was not fetched; run 'git lfs pull' there")),
    (b"\x89HDF", FileKind("an HDF5 file", advice="save its arrays with numpy.save")),
    (b"MATLAB 5.0", FileKind("a MATLAB file", advice="save its arrays with numpy.save")),
    (b"\x1f\x8b", FileKind("a gzip archive", advice=UNPACK)),
    (b"BZh", FileKind("a bzip2 archive", advice=UNPACK)),
    (b"\xfd7zXZ", FileKind("an xz archive", advice=UNPACK)),
    (b"\x28\xb5\x2f\xfd", FileKind("a zstd archive", advice=UNPACK)),
    (b"Rar!", FileKind("a RAR archive", advice=UNPACK)),
    (b"7z\xbc\xaf", FileKind("a 7z archive", advice=UNPACK)),
)


def kind_of_file(path: str | Path) -> FileKind | None:
    """Return what a file is by its first bytes, None where they say nothing; raises OSError where it cannot be read."""
    path = Path(path)
    with path.open("rb") as stream:
        return kind_of(stream.read(HEAD_BYTES), path.stat().st_size)


def kind_of(head: bytes, size: int) -> FileKind | None:
    """Return what a file of `size` bytes with these first `HEAD_BYTES` is, None where they say nothing."""
    if size == 0:
        return EMPTY
    for start, kind in STARTS:
        if head.startswith(start):
            return kind
    for found in (_media, _archive, _safetensors, _text):
        if (kind := found(head, size)) is not None:
            return kind
    return PICKLE if head[:1] == b"\x80" and head[1:2] in PICKLE_PROTOCOLS else None


def _media(head: bytes, size: int) -> FileKind | None:
    """Return the kinds that begin with a length (ISO base media, RIFF), and those of few letters."""
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
        if brands & {b"avif", b"avis"}:
            return AVIF
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
            return HEIC
        return FileKind("a raw photo", advice=EXPORT) if b"crx " in brands else FileKind("an MP4 or MOV video")
    if head[:4] == b"RIFF":
        return WEBP if head[8:12] == b"WEBP" else FileKind("a RIFF file (a video or sound)")
    if head[:2] == b"BM" and (head[6:10] == bytes(4) and int.from_bytes(head[2:6], "little") <= size):
        return FileKind("a BMP image", "image")
    return FileKind("a PPM image", "image") if re.match(rb"P[1-6][\s#]", head) else None


def _archive(head: bytes, size: int) -> FileKind | None:
    if head.startswith((ZIP_HEAD, EMPTY_ZIP)):
        first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        known = ((rb".*/(data\.pkl|\.format_version)$", TORCH), (rb".*\.npy$", NPZ))
        return next((kind for name, kind in known if re.match(name, first)), ZIP)
    return TAR if head[257:262] == b"ustar" else None


def _safetensors(head: bytes, size: int) -> FileKind | None:
    if head[8:9] == b"{" and head[7:8] == b"\0":
        return SAFETENSORS if int.from_bytes(head[:8], "little") <= size - 8 else CUT_SAFETENSORS
    return None


def _text(head: bytes, size: int) -> FileKind | None:
    if head.removeprefix(UTF8_MARK).lstrip().lower().startswith(b"<svg"):
        return FileKind("an SVG drawing", advice=EXPORT)
    if head.lstrip(UTF8_MARK + b" \t\r\n").lower().startswith(WEB_PAGE_HEADS):
        return FileKind("an SVG drawing", advice=EXPORT) if b"<svg" in head else WEB_PAGE
    if re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", head):
        return None
    try:
        head.removeprefix(UTF8_MARK).decode()
    except UnicodeDecodeError as error:
        return TEXT if size > len(head) and error.start >= len(head) - 3 else None  # cut within a letter
    return TEXT


def wrong_kind(path: str | Path, wanted: str, *right: FileKind) -> str:
    """Return a sentence that says what a file is instead of `wanted` ("a latent file"); "" where it is of a `right`
    kind, or cannot be read, or its bytes say nothing.
    """
    try:
        kind = kind_of_file(path)
    except OSError:
        return ""
    if kind is None or kind in right:
        return ""
    return f"'{path}' is {kind_instead(kind, wanted)}."


def kind_instead(kind: FileKind, wanted: str) -> str:
    """Return "a JPEG image, not a latent file", with what to do about it."""
    if kind is EMPTY:
        return str(kind)
    return f"{kind.words}, not {wanted}{kind.advice and f': {kind.advice}'}"
