"""What every family shares: the public methods of the `Generator` protocol that paint, each with its checks, over two
methods of the family's own, `paint` and `linearize_at`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.errors import LatentError
from ganvas.generators.codes import check_shape, check_space
from ganvas.generators.protocol import About, Label, MapHook, Noise, facts, summary
from ganvas.generators.takes_latent import takes_latent
from ganvas.images.notebook import notebook_cell

Jvp = Callable[[Tensor], Tensor]
"""Takes tangents of codes [n, *code] to tangents of images [n, 3, h, w]."""


@dataclass(frozen=True)
class Conditions:
    """What codes are painted with; label and truncation count for codes of space z only."""

    noise: Noise = "const"
    label: Label = None
    truncation: float = 1.0
    truncation_layers: int | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """What to paint: the `wanted` feature maps, and the image or not; from the codes, or from the map of this name and
    value [n, c, h, w] on. Every map passes through the `hook`, if there is one, before anything else sees it.
    """

    wanted: Sequence[str] = ()
    with_image: bool = True
    start: tuple[str, Tensor] | None = None
    hook: MapHook | None = None


IMAGE = Request()
Painted = tuple[Tensor | None, dict[str, Tensor]]


class GeneratorBase:
    """A generator of any family; see `ganvas.generators.protocol.Generator` for what its members promise."""

    family: str
    resolution: int
    spaces: tuple[str, ...]
    layers: int
    feature_names: tuple[str, ...]
    about: About | None = None

    __repr__ = summary

    def _repr_html_(self) -> str:
        return notebook_cell(self, rows=facts(self))

    @property
    def code_dtype(self) -> torch.dtype:
        """The precision of codes."""
        raise NotImplementedError

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        raise NotImplementedError

    def paint(self, codes: Tensor, space: str, given: Conditions, request: Request = IMAGE) -> Painted:
        """Return the images, None where they are not asked for, and the feature maps that are asked for, by name."""
        raise NotImplementedError

    def map_z(self, z: Tensor, to: str, given: Conditions) -> Tensor:
        """Return codes of space `to` for codes z."""
        raise NotImplementedError

    def map(
        self,
        z: Float[Tensor, "n z_dim"],
        to: str = "w+",
        *,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Tensor:
        """Return codes of space `to` (w, w+ or s): mapped, then truncated towards the average w on the first
        `truncation_layers` (None: all).
        """
        if self.spaces == ("z",):
            raise LatentError(
                f"Codes cannot be mapped to space '{to}': this generator has space z only; use the z codes."
            )
        check_space(to, self.spaces[1:])
        if to == "w" and truncation != 1 and truncation_layers not in (None, self.layers):
            raise LatentError("Truncation of some layers gives a different w per layer: map to 'w+' instead of 'w'.")
        self.check_codes("z", z)
        return self.map_z(z, to, Conditions("const", label, truncation, truncation_layers))

    @takes_latent
    def synthesize(
        self,
        codes: Tensor,
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Float[Tensor, "n 3 h w"]:
        """Return images, about [-1, 1]; label and truncation count for space z only."""
        images, _ = self.paint(codes, space, Conditions(noise, label, truncation, truncation_layers))
        assert images is not None
        return images

    @takes_latent
    def features(
        self,
        codes: Tensor,
        names: Sequence[str],
        space: str,
        *,
        noise: Noise = "const",
        with_image: bool = False,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> dict[str, Tensor]:
        """Return feature maps [n, c, h, w] by name; `with_image`, the images too, under "image"."""
        for name in names:
            self.check_feature(name)
        if not names and not with_image:
            return {}
        given = Conditions(noise, label, truncation, truncation_layers)
        images, maps = self.paint(codes, space, given, Request(names, with_image))
        found = {name: maps[name] for name in names}
        if with_image:
            assert images is not None
            found["image"] = images
        return found

    @takes_latent
    def resume(
        self,
        name: str,
        feature: Tensor,
        codes: Tensor,
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Float[Tensor, "n 3 h2 w2"]:
        """Return the images when the map `name` is `feature`; the layers after it are still conditioned on `codes`."""
        self.check_feature(name)
        given = Conditions(noise, label, truncation, truncation_layers)
        images, _ = self.paint(codes, space, given, Request(start=(name, feature)))
        assert images is not None
        return images

    @takes_latent
    def synthesize_hooked(
        self,
        hook: MapHook,
        codes: Tensor,
        space: str,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Float[Tensor, "1 3 h w"]:
        """Return the image of one code when every feature map is what `hook(name, map)` makes of it."""
        if len(codes) != 1:
            raise LatentError(f"A hook sees the maps of one code; {len(codes)} were given.")
        given = Conditions(noise, label, truncation, truncation_layers)
        images, _ = self.paint(codes, space, given, Request(hook=hook))
        assert images is not None
        return images

    def check_codes(self, space: str, codes: Tensor) -> None:
        """Raise `LatentError` unless `codes` lie in `space` and have the generator's precision."""
        if codes.dtype != self.code_dtype:
            raise LatentError(f"Codes are {self.code_dtype} here; these are {codes.dtype}: convert them first.")
        check_shape(codes, space, self.dimensions(space))

    def check_feature(self, name: str) -> None:
        """Raise `LatentError` unless there is a feature map of this name."""
        if name not in self.feature_names:
            known = ", ".join(self.feature_names) or "none"
            raise LatentError(f"Feature map '{name}' does not exist: this generator has {known}.")


class LinearizableBase(GeneratorBase):
    """A generator whose family writes its derivative down."""

    linear_spaces: tuple[str, ...]  # of its derivative

    def linearize_at(
        self, codes: Tensor, space: str, given: Conditions, layers: Sequence[int] | None
    ) -> tuple[Tensor, Jvp]:
        """Return the image of one code and its derivative there; called without gradients."""
        raise NotImplementedError

    @takes_latent
    def linearize(
        self,
        codes: Tensor,
        space: str,
        *,
        layers: Sequence[int] | None = None,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> tuple[Float[Tensor, "1 3 h w"], Jvp]:
        """Return the image of one code and its derivative, from tangents [n, *code] to [n, 3, h, w].

        Tangents count on `layers` of w+ only (None: all), and must be zero on the others: what lies below the first of
        them is not computed.
        """
        check_space(space, self.linear_spaces)
        if len(codes) != 1:
            raise LatentError(f"A derivative is taken at one code; {len(codes)} were given.")
        with torch.no_grad():
            given = Conditions(noise, label, truncation, truncation_layers)
            image, push = self.linearize_at(codes, space, given, layers)

        @torch.no_grad()
        def push_checked(tangents: Tensor) -> Tensor:
            self.check_codes(space, tangents)
            return push(tangents)

        return image, push_checked


def refuse_noise(noise: Noise) -> None:
    """Raise `LatentError` unless `noise` is "const", "none" or an empty dict, for a generator without noise maps."""
    if isinstance(noise, torch.Generator) or (isinstance(noise, Mapping) and len(noise)):
        raise LatentError("Noise maps were given, but this generator has none; leave noise out.")
    if isinstance(noise, str) and noise not in ("const", "none"):
        raise LatentError(f"Noise '{noise}' is not known: this generator has no noise maps; leave noise out.")
