"""What kind of file a foreign latent is in, by its first bytes, and the kinds that hold none, each with what to do."""

from ganvas.errors import ResultFileError
from ganvas.io import file_kinds as kinds

CONTAINERS = {
    kinds.NPY: "npy",
    kinds.NPZ: "zip",
    kinds.TORCH: "zip",
    kinds.ZIP: "zip",
    kinds.OLD_TORCH: "torch",
    kinds.PICKLE: "pickle",
    kinds.SAFETENSORS: "safetensors",
    kinds.TEXT: "unknown",
    None: "unknown",
}


def kind_of(head: bytes, size: int) -> str:
    """Return "npy", "zip", "torch", "pickle", "safetensors" or "unknown" (perhaps text) for a file's first bytes.

    Raises `ResultFileError` for the kinds that hold neither latents nor directions.
    """
    kind = kinds.kind_of(head, size)
    if kind is None or kind in CONTAINERS:
        return CONTAINERS[kind]
    if kind.group == "image":
        raise ResultFileError(
            f"it is {kind.words}, and holds no codes or directions; ganvas invert finds the latent of an image"
        )
    raise ResultFileError(f"it is {kind}")
