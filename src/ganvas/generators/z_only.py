"""What generators with space z only have in common: one code per image, no layers, no noise maps, no mapping."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.base import Conditions, Jvp, LinearizableBase, refuse_noise
from ganvas.generators.codes import check_space


class ZOnlyGenerator(LinearizableBase):
    """A generator whose only space is z; ``architecture`` has its ``z_dim``."""

    spaces: tuple[str, ...] = ("z",)
    linear_spaces: tuple[str, ...] = ("z",)
    layers = 0
    architecture: Any

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        check_space(space, self.spaces)
        return (self.architecture.z_dim,)

    def linearize_at(
        self, codes: Tensor, space: str, given: Conditions, layers: Sequence[int] | None
    ) -> tuple[Tensor, Jvp]:
        """Return the image of one code and its derivative there."""
        if layers is not None:
            raise LatentError("Layers were given, but this generator has none: leave layers out.")
        self.check_z(codes, space, given)
        image, push = self.linearize_z(codes * given.truncation, given)
        return image, lambda tangents: push(tangents * given.truncation)

    def linearize_z(self, z: Tensor, given: Conditions) -> tuple[Tensor, Jvp]:
        """Return the image of a code that is truncated already, and its derivative by that."""
        raise NotImplementedError

    def check_z(self, codes: Tensor, space: str, given: Conditions) -> None:
        """Raise `LatentError` for codes or conditions that such a generator does not take."""
        self.check_codes(space, codes)
        refuse_noise(given.noise)
        if given.truncation_layers is not None:
            raise LatentError("Truncation of some layers was given, but this generator has no layers: leave it out.")
