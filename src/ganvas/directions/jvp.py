"""The derivative of a generator at one code, by forward mode: a tangent at a time for each coordinate of a direction.

Knows the generator protocol, no architecture and no method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import Basis
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator, Label, Linearizable
from ganvas.images import pixels

DEFAULT_RESOLUTION = 256


@dataclass(frozen=True)
class Measure:
    """What of an image counts as change: at which resolution, which channels.

    ``channels`` are "all" three colors or their "luma". ``sampling`` "area" reduces the image by averaging over
    areas; "nearest" takes one pixel of each block and ``channels`` "sum" adds the three colors, both only to reproduce
    published results.
    """

    resolution: int
    channels: str = "all"
    sampling: str = "area"

    def __post_init__(self) -> None:
        if self.channels not in ("all", "luma", "sum"):
            raise GanvasError(f"Channels '{self.channels}' are not known; give 'all', 'luma' or 'sum'.")
        if self.sampling not in ("area", "nearest"):
            raise GanvasError(f"Sampling '{self.sampling}' is not known; give 'area' or 'nearest'.")

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c r r"]:
        """Return what counts of `images`; linear, so it acts on tangents as on images."""
        if images.shape[-1] != self.resolution:
            if self.sampling == "nearest":
                step = images.shape[-1] // self.resolution
                images = images[..., ::step, ::step]
            else:
                images = pixels.resize(images, self.resolution, self.resolution)
        if self.channels == "all":
            return images
        return pixels.luma(images) if self.channels == "luma" else images.sum(1, keepdim=True)

    @property
    def channel_count(self) -> int:
        """Number of channels that count."""
        return 3 if self.channels == "all" else 1


def default_measure(generator: Generator, resolution: int | None = None, channels: str = "all") -> Measure:
    """Return all channels at native resolution, at most 256 unless `resolution` asks for more."""
    wanted = min(generator.resolution, DEFAULT_RESOLUTION) if resolution is None else resolution
    if not 1 <= wanted <= generator.resolution:
        raise GanvasError(
            f"Resolution {wanted} is not possible: this generator's images have {generator.resolution} "
            "pixels; give at most that."
        )
    return Measure(wanted, channels)


@dataclass(frozen=True)
class Derivative:
    """J at one code as a linear map: ``columns(first, last)`` gives columns first..last-1 as rows [k, c h w]."""

    image: Float[Tensor, "1 c r r"]
    push: Callable[[Tensor], Tensor]
    basis: Basis
    measure: Measure

    def columns(self, first: int, last: int) -> Float[Tensor, "k p"]:
        """Return the changes of what counts of the image along basis directions first..last-1."""
        return self.measure(self.push(self.basis.tangents(first, last))).flatten(1)


def derivative(
    generator: Generator, codes: Tensor, basis: Basis, measure: Measure, *, label: Label = None, truncation: float = 1.0
) -> Derivative:
    """Return J at one code, [1, *code] of the space that `basis` acts in (z, w+, s, or any the generator has).

    A generator with ``linearize`` shares one primal pass among all tangents; others go through ``torch.func`` (forward
    mode under vmap). Raises `LatentError` unless exactly one code is given.
    """
    if len(codes) != 1:
        raise LatentError(f"A Jacobian is taken at one code; {len(codes)} were given.")
    # Label and truncation mean something for space z only; elsewhere the codes are already mapped and truncated.
    known: dict[str, Any] = {"label": label, "truncation": truncation} if basis.acts_in == "z" else {}
    if isinstance(generator, Linearizable) and not (known and generator.layers):
        image, push = generator.linearize(codes, basis.acts_in, layers=basis.layers, **known)
    elif isinstance(generator, Linearizable):
        image, push = _through_mapping(generator, codes, label, truncation)
    else:
        image, push = _by_torch_func(lambda code: generator.synthesize(code, basis.acts_in, **known), codes)
    return Derivative(measure(image), push, basis, measure)


def _through_mapping(
    generator: Generator, z: Tensor, label: Label, truncation: float
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Differentiate z -> w+ by torch.func (a few small layers) and w+ -> image by the generator itself."""
    assert isinstance(generator, Linearizable)
    ws, push_mapping = _by_torch_func(lambda code: generator.map(code, "w+", label=label, truncation=truncation), z)
    image, push_image = generator.linearize(ws, "w+")
    return image, lambda tangents: push_image(push_mapping(tangents))


def _by_torch_func(function: Callable[[Tensor], Tensor], codes: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    codes = codes.contiguous()  # forward mode refuses one row that is seen several times
    with torch.no_grad():
        value = function(codes)

    @torch.no_grad()
    def push(tangents: Tensor) -> Tensor:
        def along(tangent: Tensor) -> Tensor:
            return torch.func.jvp(function, (codes,), (tangent[None],))[1][0]

        tangents = tangents.to(codes.dtype)
        try:
            return torch.func.vmap(along)(tangents)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # what vmap cannot follow (branches on values, some changes in place) may go row by row
            return _one_by_one(along, tangents)

    return value, push


def _one_by_one(along: Callable[[Tensor], Tensor], tangents: Tensor) -> Tensor:
    try:
        return torch.stack([along(tangent) for tangent in tangents])
    except (RuntimeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise GanvasError(f"This generator has no derivative in forward mode: {reason}") from error
