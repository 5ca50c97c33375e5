"""The parts of a `PartModel` in images: shares of each part at each pixel, masks, and maps of labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.generators.at_once import batches
from ganvas.generators.protocol import Generator
from ganvas.latents.latent import Latent
from ganvas.parts.maps import IMAGE, enlarged, maps_of
from ganvas.parts.refine import as_mask, refined
from ganvas.regions.part import Part
from ganvas.regions.part_model import PartModel


@dataclass(frozen=True, repr=False)
class ModelPart(Part):
    """One part of a generator's images, or several together."""

    model: PartModel = field(compare=False)
    numbers: tuple[int, ...]
    name: str

    def mask_for(self, generator: Generator, latent: Latent) -> Float[Tensor, "n 1 h w"]:
        """Return the mask of the part in each image."""

        def mine(shares: Tensor) -> Tensor:
            return shares[:, list(self.numbers)].sum(1, keepdim=True)

        return torch.cat([as_mask(found) for found in refined_shares(generator, latent, self.model, mine)])

    def __or__(self, other: object) -> Part:
        """Return the union; of parts of one model without a seam between them, for their shares are added."""
        if not (isinstance(other, ModelPart) and other.model is self.model):
            return super().__or__(other)
        name = other.name if other.name.isdecimal() else str(other)
        return ModelPart(self.model, tuple(sorted({*self.numbers, *other.numbers})), f"{self.name}+{name}")

    def __str__(self) -> str:
        return f"part:{self.name}"


def is_coarse(generator: Generator, model: PartModel) -> bool:
    """Return whether the edges of parts are coarser than the image: where no map that counts is its last one."""
    return generator.feature_names[-1] not in {one.name for one in model.maps}


def shares_in(
    generator: Generator, latent: Latent, model: PartModel
) -> tuple[Float[Tensor, "n k h w"], Float[Tensor, "n 3 h w"]]:
    """Return how much of each pixel belongs to each part, summing to one, and the images."""
    maps = maps_of(generator, latent, [one.name for one in model.maps])
    return shares_of(maps, model, *maps[IMAGE].shape[-2:]), maps[IMAGE]


def refined_shares(
    generator: Generator, latent: Latent, model: PartModel, of: Callable[[Tensor], Tensor] = lambda shares: shares
) -> Iterator[Float[Tensor, "n c h w"]]:
    """Yield what `of` takes of the shares in the images, some images at a time, with edges as fine as theirs."""
    coarse = is_coarse(generator, model)
    for batch in batches(generator, len(latent)):
        shares, images = shares_in(generator, latent[batch], model)
        yield refined(images.cpu(), of(shares)) if coarse else of(shares)


def shares_of(
    maps: Mapping[str, Tensor], model: PartModel, height: int, width: int
) -> Float[Tensor, "n k height width"]:
    """Return the softmax over the parts of their logits, the scores of all maps enlarged to the image and added."""
    logits = model.bias[:, None, None] + sum(enlarged(one(maps[one.name]).cpu(), height, width) for one in model.maps)
    return logits.softmax(1)


def label_maps(generator: Generator, latent: Latent, model: PartModel) -> Int[Tensor, "n h w"]:
    """Return the number of the part at each pixel of each image: the one with the largest share."""
    return torch.cat([shares.argmax(1) for shares in refined_shares(generator, latent, model)])
