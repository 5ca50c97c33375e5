"""Locality of edits: the mean squared change of images in [-1, 1] (unclamped) under a mask."""

from jaxtyping import Float
from torch import Tensor

from ganvas.errors import GanvasError, RegionError


def mean_squared_change(
    edited: Float[Tensor, "n c h w"], original: Float[Tensor, "n c h w"], mask: Float[Tensor, "1 h w"]
) -> Float[Tensor, "n"]:
    """Return ``sum m (edited - original)^2 / (c sum m)`` per sample: the mean over the mask and all channels.

    Raises `GanvasError` for images of different shapes or of integers, `RegionError` for a mask of another size or an
    empty one.
    """
    _check(edited, original, mask)
    return mask_mean((edited - original).square(), mask)


def mask_mean(values: Float[Tensor, "n c h w"], mask: Float[Tensor, "1 h w"]) -> Float[Tensor, "n"]:
    """Return the mean of each sample over a mask that is not empty, and over all channels."""
    mask = mask.to(values)
    return (values * mask).sum(dim=(1, 2, 3)) / (values.shape[1] * mask.sum())


def rms_change(
    edited: Float[Tensor, "n c h w"], original: Float[Tensor, "n c h w"], mask: Float[Tensor, "1 h w"]
) -> Float[Tensor, "n"]:
    """Return the square root of `mean_squared_change`, in image units: black to white is 2."""
    return mean_squared_change(edited, original, mask).sqrt()


def _check(edited: Tensor, original: Tensor, mask: Tensor) -> None:
    if edited.ndim != 4 or edited.shape != original.shape:
        raise GanvasError(
            f"Images of shapes {list(edited.shape)} and {list(original.shape)} cannot be compared; give two tensors of "
            "the same shape [n, c, h, w]."
        )
    # Differences of unsigned bytes would wrap around.
    if not (edited.is_floating_point() and original.is_floating_point()):
        raise GanvasError(f"Images of {edited.dtype} and {original.dtype} were given; give floats in [-1, 1].")
    if mask.shape != (1, *edited.shape[2:]):
        raise RegionError(
            f"A mask of shape {list(mask.shape)} does not fit images of {edited.shape[3]}x{edited.shape[2]} pixels; "
            f"give [1, {edited.shape[2]}, {edited.shape[3]}]."
        )
    if not mask.sum() > 0:
        raise RegionError("The mask is empty, so it has no mean; give one with pixels above 0.")
