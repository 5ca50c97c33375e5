"""Parts: regions that are found in each image, by what its generator computes there. Knows no generator.

A part combines with parts and regions as regions do with each other: ``a | b``, ``a & b``, ``~a``, ``a - b``,
`Part.feather`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import RegionError
from ganvas.regions.coverage import blur
from ganvas.regions.shapes import refuse_radius


@runtime_checkable
class MaskSource(Protocol):
    """What a part combines with: a region, which has a mask at any size."""

    def mask(self, height: int, width: int) -> Float[Tensor, "1 height width"]:
        """Return the soft mask."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return it as JSON values."""
        ...


class Part(ABC):
    """A region that is found in each image, such as the mouth wherever it is; `ganvas.find_parts` finds them.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> latent = ganvas.sample(G, [4, 9], truncation=0.7)
        >>> mouth = ganvas.part(G, "click:0.5,0.72")
        >>> mouth.mask_for(G, latent).shape
        torch.Size([2, 1, 128, 128])
    """

    @abstractmethod
    def mask_for(self, generator: Any, latent: Any) -> Float[Tensor, "n 1 h w"]:
        """Return the soft mask of the part in each image of a latent.

        Args:
            generator: The generator.
            latent: The images.

        Returns:
            Float32 in [0, 1], ``[n, 1, h, w]`` at the generator's resolution; 0 everywhere in an image that lacks the
            part.
        """

    def describe(self) -> dict[str, Any]:
        """Return the part as JSON values, to be read by people."""
        return {"kind": "part", "text": str(self)}

    def feather(self, radius: float | int) -> "Part":
        """Soften the edge as `ganvas.Region.feather` does."""
        refuse_radius("feather", radius)

        def soften(mask: Tensor) -> Tensor:
            std = radius / 2 * min(mask.shape[-2:])
            return torch.stack([torch.from_numpy(blur(one[0].double().numpy(), std)).float()[None] for one in mask])

        return CombinedPart((self,), soften, "({}) feathered by " + f"{radius:.4g}")

    def __or__(self, other: object) -> "Part":
        return CombinedPart((self, operand(other)), torch.maximum, "{} + {}")

    def __ror__(self, other: object) -> "Part":
        return CombinedPart((operand(other), self), torch.maximum, "{} + {}")

    def __and__(self, other: object) -> "Part":
        return CombinedPart((self, operand(other)), torch.minimum, "common part of ({}) and ({})")

    def __rand__(self, other: object) -> "Part":
        return CombinedPart((operand(other), self), torch.minimum, "common part of ({}) and ({})")

    def __invert__(self) -> "Part":
        return CombinedPart((self,), lambda mask: 1 - mask, "all but ({})")

    def __sub__(self, other: object) -> "Part":
        return self & ~operand(other)

    def __rsub__(self, other: object) -> "Part":
        return operand(other) & ~self

    def __repr__(self) -> str:
        return f"Part({self})"


@dataclass(frozen=True, repr=False)
class CombinedPart(Part):
    """Parts and regions whose masks are combined at each pixel; `typed` is the text that it was read from."""

    of: tuple[Any, ...]
    combine: Callable[..., Tensor] = field(compare=False)
    text: str
    typed: str = field(default="", compare=False)

    def mask_for(self, generator: Any, latent: Any) -> Float[Tensor, "n 1 h w"]:
        """Return the combination of the masks in each image."""
        return self.combine(*(masks_in(generator, latent, one) for one in self.of))

    def __str__(self) -> str:
        return self.typed or self.text.format(*self.of)


def masks_in(generator: Any, latent: Any, area: Part | MaskSource) -> Float[Tensor, "n 1 h w"]:
    """Return the mask of a region or a part in each image of a latent, at the generator's resolution."""
    if isinstance(area, Part):
        return area.mask_for(generator, latent)
    size = generator.resolution
    return area.mask(size, size)[None].expand(len(latent), -1, -1, -1)


def operand(other: object) -> Any:
    """Return what a part combines with; raises `RegionError` for what is neither part nor region."""
    if isinstance(other, Part | MaskSource):
        return other
    raise RegionError(f"A part combines with a Part or a Region; you gave {type(other).__name__}.")
