"""How much an edit changes a region and how much the rest: mean squared change of pictures in [-1, 1], unclamped."""

from jaxtyping import Float
from torch import Tensor


def mean_squared_change(
    edited: Float[Tensor, "n c h w"], original: Float[Tensor, "n c h w"], mask: Float[Tensor, "1 h w"]
) -> Float[Tensor, "n"]:
    """Return ``sum m (edited - original)^2 / (c sum m)`` for each row: the mean over the mask and all channels."""
    squares = (edited - original).square() * mask
    return squares.sum(dim=(1, 2, 3)) / (edited.shape[1] * mask.sum())


def rms_change(
    edited: Float[Tensor, "n c h w"], original: Float[Tensor, "n c h w"], mask: Float[Tensor, "1 h w"]
) -> Float[Tensor, "n"]:
    """Return the root of `mean_squared_change`, in picture units: the range from black to white is 2."""
    return mean_squared_change(edited, original, mask).sqrt()
