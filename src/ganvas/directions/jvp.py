"""The derivative of a generator at one code, by forward mode: a tangent at a time for each coordinate of a direction.

Knows the generator protocol, no architecture and no method.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import Basis
from ganvas.errors import GanvasError, LatentError
from ganvas.generators.protocol import Generator, Linearizable
from ganvas.images import pixels
from ganvas.latents.latent import Latent

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

    def along(self, vectors: Float[Tensor, "k d"]) -> Float[Tensor, "k p"]:
        """Return the changes of what counts of the image along any vectors in the basis."""
        return self.measure(self.push(self.basis.embed(vectors))).flatten(1)


def derivative(generator: Generator, latent: Latent, basis: Basis, measure: Measure) -> Derivative:
    """Return J at the one code of a latent, taken to the space that `basis` acts in.

    A generator with ``linearize`` shares one primal pass among all tangents; others go through ``torch.func`` (forward
    mode under vmap). Raises `LatentError` unless exactly one code is given.
    """
    if len(latent) != 1:
        raise LatentError(f"A Jacobian is taken at one code; {len(latent)} were given.")
    generator = latent.generator_for(generator)
    latent = latent.to_space(generator, basis.acts_in)
    if not isinstance(generator, Linearizable):
        image, push = by_torch_func(lambda codes: generator.synthesize(replace(latent, codes=codes)), latent.codes)
    elif latent.space == "z" and generator.layers:
        image, push = _through_mapping(generator, latent)
    else:
        image, push = generator.linearize(latent, layers=basis.layers)
    return Derivative(measure(image), push, basis, measure)


def _through_mapping(generator: Generator, latent: Latent) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Differentiate z -> w+ by torch.func (a few small layers) and w+ -> image by the generator itself."""
    assert isinstance(generator, Linearizable)

    def mapped(codes: Tensor) -> Tensor:
        return generator.map(
            codes,
            "w+",
            label=latent.label,
            truncation=latent.truncation,
            truncation_layers=latent.truncation_layers,
        )

    ws, push_mapping = by_torch_func(mapped, latent.codes)
    image, push_image = generator.linearize(replace(latent, codes=ws, space="w+"))
    return image, lambda tangents: push_image(push_mapping(tangents))


def by_torch_func(function: Callable[[Tensor], Tensor], codes: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the value of a function of codes, and its derivative: a map from tangents to changes."""
    codes = codes.contiguous()  # forward mode refuses an expanded tensor
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
        except RuntimeError:  # what vmap cannot follow (branches on values, some changes in place) may go one by one
            return _one_by_one(along, tangents)

    return value, push


def _one_by_one(along: Callable[[Tensor], Tensor], tangents: Tensor) -> Tensor:
    try:
        return torch.stack([along(tangent) for tangent in tangents])
    except (RuntimeError, NotImplementedError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise GanvasError(f"This generator has no derivative in forward mode: {reason}") from error
