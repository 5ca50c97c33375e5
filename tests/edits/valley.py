"""A generator with a valley: the left half of its images shows u, the right half v - bend u^2, for codes (u, v) of z.

Along v = bend u^2, and nowhere else, the right half stays as it is at (0, 0).
"""

import torch
from torch import Tensor

import ganvas
from ganvas.generators.base import IMAGE, Conditions, Painted, Request
from tests.fakes import LinearGenerator

LEFT = ganvas.Region.box(0, 0, 0.5, 1)
BOTTOM = ganvas.Latent(torch.zeros(1, 2), "z")


class ValleyGenerator(LinearGenerator):
    def __init__(self, bend: float) -> None:
        super().__init__(width=2, resolution=4)
        self.bend = bend

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        u, v = codes.T
        halves = torch.stack([u, v - self.bend * u.square()], dim=1).repeat_interleave(2, dim=1)
        images = halves[:, None, None].expand(-1, 3, 4, -1)
        return images, dict.fromkeys(request.wanted, images)


def along_u() -> ganvas.Direction:
    """Return the direction that leaves the right half as it is, to first order, at u = 0."""
    return ganvas.Direction(torch.tensor([1.0, 0.0]), "z", None)
