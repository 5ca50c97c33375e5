"""Images for people to look at: in a notebook, or as a Pillow image."""

from collections.abc import Sequence

from jaxtyping import Shaped
from PIL import Image
from torch import Tensor

from ganvas.errors import ImageError
from ganvas.errors.arguments import checked_as
from ganvas.errors.ranges import Count
from ganvas.images.pixels import enlarge, to_pillow
from ganvas.images.sheets import labeled_grid

MOST_COLUMNS = 6


@checked_as(ImageError)
def show(
    images: Shaped[Tensor, "*shape"],
    *,
    columns: Count | None = None,
    labels: Sequence[str | float | int] = (),
    scale: Count = 1,
) -> Image.Image:
    """Lay images out in one Pillow image. A notebook displays it when it is the last value of a cell.

    Nothing is displayed or written elsewhere: call ``.show()`` or ``.save(path)`` of the result.

    Args:
        images: RGB in [-1, 1], ``[n, 3, height, width]``; one image ``[3, height, width]``; or a series
            ``[n, k, 3, height, width]`` as `ganvas.edit_series` returns it, which is laid out in n rows of k columns.
        columns: Images in a row; None for k of a series, else for at most 6.
        labels: A text or number above each column; empty for none.
        scale: The whole factor by which images are enlarged.

    Returns:
        A Pillow image of 8-bit RGB. Values outside [-1, 1] are clamped.

    Raises:
        ImageError: No image, another shape, a factor below 1, or labels that do not fit the columns.

    Example:
        >>> import ganvas, torch
        >>> ganvas.show(torch.zeros(2, 3, 16, 16)).size
        (36, 16)
        >>> ganvas.show(torch.zeros(2, 5, 3, 16, 16), labels=[-4, -2, 0, 2, 4], scale=2).size[0]
        176
    """
    shape = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
    if not (isinstance(images, Tensor) and images.ndim in (3, 4, 5) and images.shape[-3] == 3 and images.numel()):
        raise ImageError(
            f"Images are a tensor [n, 3, height, width] in [-1, 1]; you gave {shape}. Of a latent, show "
            "generator.synthesize(latent)."
        )
    if scale < 1:
        raise ImageError(f"Images cannot be enlarged by {scale}; give a whole factor from 1 up.")
    across = images.shape[1] if images.ndim == 5 else MOST_COLUMNS
    batch = images.detach().float().reshape(-1, *images.shape[-3:])
    names = [label if isinstance(label, str) else f"{label:g}" for label in labels]
    return to_pillow(labeled_grid(enlarge(batch, scale), columns or min(across, len(batch)), names))
