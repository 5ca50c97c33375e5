"""What kind of file a foreign latent is in, by its first bytes, and the kinds that hold none, each with what to do."""

from ganvas.checkpoints.safe_pickle.pickles import WEB_PAGE_HEADS
from ganvas.checkpoints.safe_pickle.torch_files import ZIP_HEAD
from ganvas.checkpoints.safe_pickle.torch_storage import OLD_HEAD
from ganvas.errors import ResultFileError
from ganvas.latents.foreign.npy import NPY_HEAD

HEAD_BYTES = 512
EMPTY_ZIP = b"PK\x05\x06"
GIT_LFS = b"version https://git-lfs"
IMAGE_HEADS = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
OTHER_HEADS = (
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x89HDF", "an HDF5 file; save its array with numpy.save"),
    (b"MATLAB 5.0", "a MATLAB file; save its array with numpy.save"),
    (b"%PDF", "a PDF"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
)


def kind_of(head: bytes, size: int) -> str:
    """Return "npy", "zip", "torch", "pickle", "safetensors" or "unknown" (perhaps text) for a file's first bytes.

    Raises `ResultFileError` for the kinds that hold neither latents nor directions.
    """
    _refuse_others(head)
    if head.startswith(NPY_HEAD):
        return "npy"
    if head.startswith((ZIP_HEAD, EMPTY_ZIP)):
        return "zip"
    if head.startswith(OLD_HEAD):
        return "torch"
    if head[8:9] == b"{" and head[7:8] == b"\0":
        if int.from_bytes(head[:8], "little") > size - 8:
            raise ResultFileError("it is a safetensors file that was cut short; fetch it again")
        return "safetensors"
    return "pickle" if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" else "unknown"


def _refuse_others(head: bytes) -> None:
    if not head:
        raise ResultFileError("it is empty; fetch it again")
    if head.startswith(GIT_LFS):
        raise ResultFileError(
            "it is a Git LFS pointer: the file itself was not fetched; run 'git lfs pull' in its repository"
        )
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(WEB_PAGE_HEADS):
        raise ResultFileError("it is a web page: the download probably failed; fetch it again")
    for start, name in IMAGE_HEADS:
        if head.startswith(start):
            raise ResultFileError(_image(name))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        raise ResultFileError(_image("WebP"))
    for start, what in OTHER_HEADS:
        if head.startswith(start):
            raise ResultFileError(f"it is {what}")
    if head[257:262] == b"ustar":
        raise ResultFileError("it is a tar archive; unpack it first")


def _image(name: str) -> str:
    return f"it is an image ({name}), not codes; invert it first: ganvas invert"
