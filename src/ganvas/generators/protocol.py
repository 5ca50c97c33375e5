"""What every method may ask of a generator. Methods know this protocol, never an architecture."""

import reprlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganvas.errors import GanvasError
from ganvas.errors.shown import some_of
from ganvas.generators.crops import Crop
from ganvas.regions import Region
from ganvas.regions.part_model import PartModel


@dataclass(frozen=True)
class About:
    """What is known of a generator beside its weights.

    ``hash`` is sha256 over sorted (our name, shape, bytes as stored); ``source`` says where the weights come from and
    under which license; ``regions`` are its named regions; ``edit_layers`` the layers that its card recommends for
    local edits ("" for all), ``region_layers`` those for named regions that live in others, by name; ``face_finder``
    finds faces in photos (`ganvas.images.face_finders`), "" for people's; ``parts`` tell its images' parts apart.
    """

    name: str
    hash: str
    source: Mapping[str, Any] = field(default_factory=dict)
    regions: Mapping[str, Region] = field(default_factory=dict)
    edit_layers: str = ""
    region_layers: Mapping[str, str] = field(default_factory=dict)
    face_finder: str = ""
    parts: tuple[PartModel, ...] = ()

    def layers_for(self, region: str) -> str:
        """Return the layers recommended for a region (text), "" for all; `edit_layers` where several differ."""
        found = {self.region_layers.get(name.strip(), self.edit_layers) for name in region.split("+")}
        return found.pop() if len(found) == 1 else self.edit_layers

    @property
    def hashes(self) -> tuple[str, ...]:
        """The hashes by which it goes: its own, and that of the file it was converted from."""
        return (self.hash, *([self.source["hash"]] if isinstance(self.source.get("hash"), str) else []))

    def warn_of_another(self, made: str, name: str, digest: str, here: str) -> None:
        """Warn that something was `made` (in words: "This latent was made by") by another generator, of this name and
        hash, and what that means `here`. Where one of them has no hash nothing is known, and nothing said.
        """
        if self.hash and digest not in ("", *self.hashes):
            warnings.warn(
                f"{made} another generator ({name or 'unnamed'}, hash {digest[:12]}; this one is {self.hash[:12]}): "
                f"{here} here.",
                stacklevel=3,
            )


def about_of(generator: object) -> About:
    """Return what is known of a generator; empty texts where it does not say."""
    return getattr(generator, "about", None) or About("", "")


MapHook = Callable[[str, Tensor], Tensor]
"""Takes the name and the values [1, c, h, w] of a feature map to those that the next layer shall see."""

Label = int | str | Sequence[int | str] | Tensor | None
Noise = str | Mapping[str, Tensor] | torch.Generator


@runtime_checkable
class CodesWithSpace(Protocol):
    """Codes that know their space: what generators need of a `ganvas.latents.latent.Latent`, which is built on them."""

    @property
    def codes(self) -> Tensor:
        """Codes [n, d] or [n, layers, d]."""
        ...

    @property
    def space(self) -> str:
        """The space of the codes."""
        ...

    @property
    def label(self) -> int | tuple[int, ...] | None:
        """The class of all codes, or one for each."""
        ...

    @property
    def truncation(self) -> float:
        """Truncation psi."""
        ...

    @property
    def truncation_layers(self) -> int | None:
        """Layers that are truncated; None for all."""
        ...

    def noise_for(self, generator: "Generator") -> Noise:
        """Return the noise maps that belong to the codes, or "const"."""
        ...

    def generator_for(self, generator: "Generator") -> "Generator":
        """Return the generator that paints the codes: `generator`, or one with tuned weights."""
        ...


@runtime_checkable
class Generator(Protocol):
    """A GAN's G: codes in some spaces to images [n, 3, h, w] of about [-1, 1].

    Methods that take ``codes`` take a tensor with its ``space``, or a latent, which knows its space, label, truncation,
    noise and tuned weights (`ganvas.generators.takes_latent` adds that to a family).

    ``resolution`` is the image's height and width in pixels; ``spaces`` the spaces it has, from the noise inwards;
    ``layers`` the rows of its w+ codes, 0 where it has none; ``feature_names`` its feature maps from coarse to fine.
    """

    resolution: int
    spaces: tuple[str, ...]
    layers: int
    feature_names: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        """Where codes and images lie."""
        ...

    def dimensions(self, space: str) -> tuple[int, ...]:
        """Return the shape of one code of `space`."""
        ...

    def sample(self, seeds: Sequence[int]) -> Tensor:
        """Return one code of the prior per seed, [n, z_dim]; a seed gives the same row in every batch."""
        ...

    def map(
        self,
        z: Tensor,
        to: str = "w+",
        *,
        label: Label = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> Tensor:
        """Return codes of space `to` for codes z, truncated."""
        ...

    def synthesize(
        self,
        codes: Tensor | CodesWithSpace,
        space: str | None = None,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Return images, differentiable forwards and backwards."""
        ...

    def features(
        self,
        codes: Tensor | CodesWithSpace,
        names: Sequence[str],
        space: str | None = None,
        *,
        noise: Noise = "const",
        with_image: bool = False,
        label: Label = None,
        truncation: float = 1.0,
    ) -> dict[str, Tensor]:
        """Return feature maps by name, stopping at the finest one asked; with `with_image`, the image too, under
        "image". Label and truncation count for space z only, as in `synthesize`.
        """
        ...

    def resume(
        self,
        name: str,
        feature: Tensor,
        codes: Tensor | CodesWithSpace,
        space: str | None = None,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Return the image when the feature map `name` is `feature`; label and truncation as in `features`."""
        ...


def check_generator(generator: object) -> Generator:
    """Return what was given as a generator; raises `GanvasError` for what is none."""
    if isinstance(generator, Generator):
        return generator
    raise GanvasError(f"A generator is what ganvas.load or ganvas.wrap returns; {reprlib.repr(generator)} was given.")


def summary(generator: Any) -> str:
    """Return what a generator is in a line: family, name, resolution, spaces, layers; serves the families as repr."""
    name = about_of(generator).name
    facts = [f"'{name}'"] if name else []
    facts += [f"{generator.resolution} px", f"spaces {', '.join(generator.spaces)}"]
    facts += [f"{generator.layers} layers"] if generator.layers else []
    return f"{type(generator).__name__}({', '.join(facts)})"


def facts(generator: Any) -> list[tuple[str, str]]:
    """Return what there is to know of a generator, by name: shapes of codes, device, named regions, classes, hash."""
    about, classes = about_of(generator), getattr(generator, "class_names", None) or ()
    shapes = ", ".join(f"{space} {list(generator.dimensions(space))}" for space in generator.spaces)
    known = [("codes", shapes), ("device", str(generator.device))]
    known += [("named regions", ", ".join(about.regions))] if about.regions else []
    known += [("classes", some_of(classes))] if classes else []
    return known + ([("hash", about.hash[:12])] if about.hash else [])


@runtime_checkable
class Linearizable(Protocol):
    """A generator that shares one primal pass among many tangents; others are differentiated by ``torch.func``."""

    def linearize(
        self,
        codes: Tensor | CodesWithSpace,
        space: str | None = None,
        *,
        layers: Sequence[int] | None = None,
        noise: Noise = "const",
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the image of one code and the map from tangents [n, *code] to image tangents [n, 3, h, w].

        Generators with space z only take ``label`` and ``truncation`` here too, as `synthesize` does.
        """
        ...


@runtime_checkable
class HasParts(Protocol):
    """A generator that can compute a part of a feature map without the rest."""

    def feature_part(
        self,
        codes: Tensor | CodesWithSpace,
        name: str,
        window: Crop,
        space: str | None = None,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Return a window of the feature map `name`, or what of it lies in the map, equal to that of `features` but for
        rounding.
        """
        ...


@runtime_checkable
class Hookable(Protocol):
    """A generator whose feature maps can be changed on the way to the image, all of them in one pass."""

    def synthesize_hooked(
        self,
        hook: MapHook,
        codes: Tensor | CodesWithSpace,
        space: str | None = None,
        *,
        noise: Noise = "const",
        label: Label = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Return the image of one code; ``hook(name, map)`` is called for every feature map from coarse to fine, and
        what it returns takes the map's place. Colors that a generator adds up beside its maps pass too, as
        "b32.colors".
        """
        ...


@runtime_checkable
class HasClasses(Protocol):
    """A generator that may have classes; those with names have them as ``class_names`` besides."""

    def one_hot(self, label: Label, rows: int) -> Tensor | None:
        """Return the label as one row per code, None without classes; raises `LatentError`."""
        ...


@runtime_checkable
class HasNoise(Protocol):
    """A generator with noise maps of its own, which `synthesize` takes others for."""

    def own_noise(self) -> dict[str, Tensor]:
        """Return its maps by name, each [1, 1, h, w]."""
        ...


@runtime_checkable
class HasStyles(Protocol):
    """A generator with a StyleSpace: per-channel scales of its layers, codes of space ``s``."""

    def styles(self, codes: Tensor, space: str) -> list[Tensor]:
        """Return each styled layer's [n, channels], in graph order, toRGB included."""
        ...

    def style_channels(self) -> list[int]:
        """Return the number of channels of each of them."""
        ...

    def style_rows(self) -> list[int]:
        """Return the w+ row that feeds each of them."""
        ...

    def style_makes_colors(self) -> list[bool]:
        """Return whether each of them steers a layer that makes colors (toRGB)."""
        ...


Extent = tuple[float, float, float, float]
WHOLE: Extent = (0.0, 0.0, 1.0, 1.0)


@runtime_checkable
class CanMove(Protocol):
    """A generator that can paint its images moved and turned."""

    def transformed(
        self, matrix: Tensor | None = None, *, rotate: float = 0.0, translate: tuple[float, float] = (0.0, 0.0)
    ) -> Generator:
        """Return the generator with its images turned (degrees) and moved (fractions of the width)."""
        ...


@runtime_checkable
class HasMargins(Protocol):
    """A generator whose feature maps cover another part of the plane than the image: more of it, in their margins."""

    def extent(self, name: str) -> Extent:
        """Return (left, top, right, bottom) of what a map covers, in fractions of the image."""
        ...


def feature_extent(generator: Generator, name: str) -> Extent:
    """Return (left, top, right, bottom) of what the feature map `name` covers, in fractions of the image.

    The image itself, (0, 0, 1, 1), unless the generator says otherwise. A point (x, y) of the image lies at
    ``(x - left) / (right - left)`` of the map's width, and likewise in height.
    """
    return generator.extent(name) if isinstance(generator, HasMargins) else WHOLE
