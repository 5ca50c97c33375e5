"""What generators with space z only have in common: one code per image, no layers, no noise maps, no mapping."""

from collections.abc import Sequence
from typing import Any, NoReturn

from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.base import Conditions, Jvp, LinearizableBase, refuse_noise
from ganvas.generators.codes import check_space
from ganvas.generators.protocol import Label


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

    def map(
        self,
        z: Float[Tensor, "n z_dim"],
        to: str = "w+",
        *,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> NoReturn:
        """Refuse: there is space z only."""
        refuse_mapping(to)

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


def refuse_mapping(to: str) -> NoReturn:
    """Raise `LatentError`: there is no space but z to map to."""
    raise LatentError(f"Codes cannot be mapped to space '{to}': this generator has space z only; use the z codes.")
