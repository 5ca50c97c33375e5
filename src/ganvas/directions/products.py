"""Products of J, and of its transpose, with vectors: of one image or of several, without ever holding a J.

J times a vector is a tangent (forward mode), its transpose times a change of the image a gradient (reverse mode).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import Basis
from ganvas.directions.jacobian import TANGENTS_AT_ONCE
from ganvas.directions.jvp import Derivative, Measure, derivative
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent

Pull = Callable[[Float[Tensor, "k p"]], Float[Tensor, "k d"]]


def transpose(generator: Generator, latent: Latent, basis: Basis, measure: Measure) -> Pull:
    """Return the transpose of J at the one code of a latent: a gradient for each change of what counts of the image.

    One graph serves all of them, one after the other: on a CPU that is faster than batches, and takes less memory.
    """
    latent = latent.to_space(generator, basis.acts_in)
    coordinates = torch.zeros(1, basis.size, dtype=latent.codes.dtype, device=basis.device, requires_grad=True)
    with torch.enable_grad():
        moved = replace(latent, codes=latent.codes + basis.embed(coordinates))
        image = measure(generator.synthesize(moved))

    def pull(changes: Tensor) -> Tensor:
        rows = [
            torch.autograd.grad(image, coordinates, change.view_as(image).to(image), retain_graph=True)[0]
            for change in changes
        ]
        return torch.cat(rows)

    return pull


@dataclass
class Products:
    """The stacked J of the images of a latent. `done` counts products with the J of one image, each about a forward
    pass; `report` is called with it.
    """

    generator: Generator
    latent: Latent
    basis: Basis
    measure: Measure
    report: Callable[[int], None] = lambda done: None
    done: int = field(default=0, init=False)

    def push(self, vectors: Float[Tensor, "k d"]) -> Float[Tensor, "k p"]:
        """Return J times each vector: the changes of all images, one after the other."""
        vectors = vectors.to(self.basis.device, self.latent.codes.dtype)
        return torch.cat([self._pushed(number, vectors) for number in range(len(self.latent))], dim=1)

    def pull(self, changes: Float[Tensor, "k p"]) -> Float[Tensor, "k d"]:
        """Return the transpose of J times changes of all images."""
        parts = changes.chunk(len(self.latent), dim=1)
        return torch.stack([self._pulled(number, part) for number, part in enumerate(parts)]).sum(0)

    def _pushed(self, number: int, vectors: Tensor) -> Tensor:
        linear = self._only_derivative if len(self.latent) == 1 else self._derivative(number)
        images = []
        for some in vectors.split(TANGENTS_AT_ONCE):
            images.append(linear.along(some))
            self._count(len(some))
        return torch.cat(images)

    def _pulled(self, number: int, changes: Tensor) -> Tensor:
        pull = self._only_transpose if len(self.latent) == 1 else self._transpose(number)
        rows = []
        for change in changes.split(1):
            rows.append(pull(change))
            self._count(1)
        return torch.cat(rows)

    def _count(self, products: int) -> None:
        self.done += products
        self.report(self.done)

    # Of one image the primal passes are kept; of several, whose maps would fill the memory, they are made again.
    @cached_property
    def _only_derivative(self) -> Derivative:
        return self._derivative(0)

    @cached_property
    def _only_transpose(self) -> Pull:
        return self._transpose(0)

    def _derivative(self, number: int) -> Derivative:
        return derivative(self.generator, self.latent[number], self.basis, self.measure)

    def _transpose(self, number: int) -> Pull:
        return transpose(self.generator, self.latent[number], self.basis, self.measure)
