"""Images of a study as small JPEG files."""

from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.images import pixels
from ganvas.io.files import atomic_path

QUALITY = 88


def write_jpeg(path: Path, image: Float[Tensor, "1 3 h w"]) -> Path:
    """Write a small JPEG with a white edge; returns its path."""
    framed = F.pad(image, (4, 4, 4, 4), value=1.0)
    values = Image.fromarray(pixels.to_bytes(framed)[0].cpu().numpy())
    with atomic_path(path, ImageError) as temporary:
        values.save(temporary, format="JPEG", quality=QUALITY, optimize=True, progressive=True)
    return path
