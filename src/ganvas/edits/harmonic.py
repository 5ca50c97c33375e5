"""What is known in a core, continued to zero at a limit by the harmonic function between them: ``Laplace u = 0``.

Of all functions with these values at both edges it has the smallest sum of squared gradients. Knows no generator.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse import csc_matrix, csr_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

NEIGHBORS = ((0, 1), (0, -1), (1, 0), (-1, 0))


class HarmonicFade:
    """The map from values on a `core` to values that fade to 0 outside a `limit`, which contains the core.

    At a pixel between them the value is the mean of its neighbors; neighbors off the image do not count. The system is
    factorized once, for all channels of all images.
    """

    def __init__(self, core: Bool[np.ndarray, "h w"], limit: Bool[np.ndarray, "h w"]) -> None:
        self.core, self.band = core, limit & ~core
        pixels, neighbors = _neighbor_pairs(self.band)
        numbers = np.zeros(core.shape, int)
        numbers[self.band], numbers[core] = np.arange(self.band.sum()), np.arange(core.sum())
        count = int(self.band.sum())
        inner, fixed = self.band.flat[neighbors], core.flat[neighbors]
        row, column = numbers.flat[pixels], numbers.flat[neighbors]
        degree = np.bincount(row, minlength=count)
        ones, diagonal = np.ones(len(row)), np.arange(count)
        self.from_core = csr_matrix((ones[fixed], (row[fixed], column[fixed])), shape=(count, int(core.sum())))
        self.factors = None
        if count and core.any():
            values = np.concatenate([-ones[inner], degree.astype(float)])
            where = (np.concatenate([row[inner], diagonal]), np.concatenate([column[inner], diagonal]))
            self.factors = splu(csc_matrix((values, where), shape=(count, count)))

    def __call__(self, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the values of the core, those between core and limit made of them, and 0 beyond."""
        channels = values.detach().flatten(0, 1)
        core, band = (torch.from_numpy(mask).to(values.device) for mask in (self.core, self.band))
        inside, faded = channels[:, core], torch.zeros_like(channels)
        faded[:, core] = inside
        if self.factors is not None:
            solved = self.factors.solve(self.from_core @ inside.double().cpu().numpy().T)
            faded[:, band] = torch.from_numpy(solved.T).to(faded)
        return faded.reshape(values.shape)


def _neighbor_pairs(band: Bool[np.ndarray, "h w"]) -> tuple[np.ndarray, np.ndarray]:
    """Return flat indices of all pairs (pixel of the band, one of its neighbors on the image)."""
    height, width = band.shape
    rows, columns = np.nonzero(band)
    pairs = []
    for down, right in NEIGHBORS:
        y, x = rows + down, columns + right
        on = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        pairs.append(np.stack([(rows * width + columns)[on], (y * width + x)[on]]))
    pixels, neighbors = np.concatenate(pairs, axis=1)
    return pixels, neighbors
