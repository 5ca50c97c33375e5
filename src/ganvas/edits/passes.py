"""The passes through a generator that a confined image takes: the original with its maps, then one for each edit.

Those before the last edit can be kept, so that whoever changes the last edit again and again pays for that one only.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.edits.rim import MapBlender, Rim
from ganvas.generators.protocol import WHOLE, Extent, Generator, Hookable, MapHook, feature_extent
from ganvas.latents.latent import Latent
from ganvas.regions import Region

Maps = dict[str, Tensor]
Pass = tuple[object, Tensor, Maps]
"""What an image was painted from (held, so that nothing else gets its id), the image, and its maps."""
Step = tuple[Generator, Latent, MapBlender]
"""An edit: what paints it, the edited latent, and what confines it."""
MOST_BLENDERS = 16


@runtime_checkable
class HasRims(Protocol):
    """A region with the settings of its rim: `ganvas.edits.confine.Confinement`."""

    @property
    def inside(self) -> object:
        """The region."""
        ...

    def rims(self, generator: Generator, latent: Latent) -> list[Rim]:
        """Return core and limit in each image."""
        ...


@dataclass
class Passes:
    """The passes of one sample that are kept, `most` of them, and the blenders of its regions."""

    most: int = 3
    kept: OrderedDict[tuple[int, ...], Pass] = field(default_factory=OrderedDict)
    blenders: OrderedDict[tuple[object, ...], tuple[object, list[MapBlender]]] = field(default_factory=OrderedDict)

    def blenders_in(self, generator: Generator, confinement: HasRims, latent: Latent) -> list[MapBlender]:
        """Return the blenders of a region in each image of a latent."""
        images = None if isinstance(confinement.inside, Region) else latent  # parts lie elsewhere in each image
        key = confinement, generator.resolution, len(latent), id(images)
        if key not in self.blenders:
            rims = confinement.rims(generator, latent)
            of_rim = {id(rim): MapBlender(rim) for rim in rims}
            self.blenders[key] = images, [of_rim[id(rim)] for rim in rims]
            if len(self.blenders) > MOST_BLENDERS:
                self.blenders.popitem(last=False)
        self.blenders.move_to_end(key)
        return self.blenders[key][1]

    def original(self, generator: Generator, latent: Latent, finest: int | None) -> Float[Tensor, "1 3 h w"]:
        """Return the image of a sample."""
        return self._unedited(generator, latent, finest, None)[1]

    def confined(
        self,
        generator: Generator,
        latent: Latent,
        steps: Sequence[Step],
        finest: int | None,
        original: Float[Tensor, "1 3 h w"],
    ) -> Float[Tensor, "1 3 h w"]:
        """Return the image of one sample after all edits; maps of more than `finest` pixels are not confined."""
        painted, key = self._unedited(generator, latent, finest, original), _key(generator, latent, finest)
        for number, step in enumerate(steps):
            key = *key, id(step[1]), id(step[2])
            known = self._known(key)
            painted = known or _painted(*step, painted)
            if not known and number + 1 < len(steps):  # the last edit is the one that changes
                self._keep(key, painted)
        return painted[1]

    def _unedited(self, generator: Generator, latent: Latent, finest: int | None, image: Tensor | None) -> Pass:
        """Return the pass of a sample with its maps, none where images alone are composited."""
        key, maps = _key(generator, latent, finest), Maps()
        if (known := self._known(key)) is not None:
            return known
        if isinstance(generator, Hookable) and finest != 0:
            generator.synthesize_hooked(keeping(maps, finest), latent)
        image = generator.synthesize(latent) if image is None else image
        return self._keep(key, ((generator, latent), image, maps))

    def _known(self, key: tuple[int, ...]) -> Pass | None:
        if key in self.kept:
            self.kept.move_to_end(key)
        return self.kept.get(key)

    def _keep(self, key: tuple[int, ...], painted: Pass) -> Pass:
        self.kept[key] = painted
        if len(self.kept) > self.most:
            self.kept.popitem(last=False)
        return painted


def _key(generator: Generator, latent: Latent, finest: int | None) -> tuple[int, ...]:
    return id(generator), id(latent), -1 if finest is None else finest


def _painted(generator: Generator, latent: Latent, blender: MapBlender, before: Pass) -> Pass:
    """Return the image and the maps after one edit, which changes nothing beyond the blender's limit."""
    held, image, maps = before
    maps = Maps(maps)
    if isinstance(generator, Hookable) and maps:
        edited = generator.synthesize_hooked(_confining(generator, maps, blender), latent)
    else:
        edited = generator.synthesize(latent)
    limit = torch.from_numpy(blender.rim.limit).to(image.device)
    return (held, generator, latent, blender), torch.where(limit, blender.blend(image, edited), image), maps


def keeping(maps: Maps, finest: int | None = None) -> MapHook:
    """Return a hook that keeps every map of at most `finest` pixels."""

    def keep(name: str, values: Tensor) -> Tensor:
        if finest is None or max(values.shape[-2:]) <= finest:
            maps[name] = values
        return values

    return keep


def _confining(generator: Generator, maps: Maps, blender: MapBlender) -> MapHook:
    """Return a hook that confines the change of every kept map, and keeps what comes of it."""

    def change(name: str, values: Tensor) -> Tensor:
        if name not in maps:
            return values
        maps[name] = blender.blend(maps[name], values, extent_of(generator, name))
        return maps[name]

    return change


def extent_of(generator: Generator, name: str) -> Extent:
    """Return which part of the image a map covers: of colors, which are no features, all of it."""
    return feature_extent(generator, name) if name in generator.feature_names else WHOLE
