"""A part of another image: its style in the channels that paint the part (Collins et al., Editing in Style, CVPR 2020).

Channel c of a layer counts by the share of its squared activation that lies inside the part. The style goes over in the
form of Chong et al. (Retrieve in Style, 2021), which keeps the norm: ``s' = (1 - a q) s + a |q s| (q r) / |q r|``.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.find import region_of
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Fraction
from ganvas.generators.protocol import Generator, check_generator
from ganvas.generators.styles import HasStyleInputs, StyleInput
from ganvas.images.pixels import resize
from ganvas.latents.latent import Latent, as_latent
from ganvas.parts.find import default_feature, samples_of
from ganvas.parts.located import settled
from ganvas.parts.maps import maps_of, on_image
from ganvas.regions import Region
from ganvas.regions.part import Part, masks_in

SAMPLES = 8  # on which channels are weighted, beside the two images
SHAPES = 0.25  # of the image's resolution: maps up to it carry shapes, finer ones colors and texture
SHARPNESS = 4.0  # how fast the weight of a channel rises with how much denser it is inside than outside


@checked
@torch.no_grad()
def borrow(
    generator: Generator,
    latent: Latent,
    source: Latent,
    part: Region | Part | str,
    *,
    strength: Fraction = 1.0,
    colors: bool = False,
) -> Latent:
    """Return latents that have a part of another image, such as its mouth, in its style.

    What is shared by the whole image (pose, light, skin) stays; what else of the image changes a little can be held by
    `ganvas.confine`.

    Args:
        generator: A style-based generator: StyleGAN2 or StyleGAN3.
        latent: The images that get the part.
        source: The images that have it: as many, or one for all.
        part: The part or region: "part:mouth", "click:0.5,0.7", a `Part` or a `Region`.
        strength: How much of it: 1 all, 0 nothing.
        colors: Whether colors and texture come along: the styles of maps finer than a quarter of the image, which carry
            the light too.

    Returns:
        Latents of space s.

    Raises:
        LatentError: The generator has no styles, or there are not as many sources, or one.
        RegionError: The part is not known, or in none of the images.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> mine, other = ganvas.sample(G, [4], truncation=0.7), ganvas.sample(G, [7], truncation=0.7)
        >>> borrowed = ganvas.borrow(G, mine, other, "part:mouth")
        >>> ganvas.confine(G, mine, borrowed, "part:mouth").outside_change
        tensor([0.])

    Source: Collins et al., Editing in Style, CVPR 2020; Chong et al., Retrieve in Style, ICCV 2021.
    """
    latent, source = as_latent(latent), as_latent(source)
    layers = _styled(generator).style_channels()
    if len(source) not in (1, len(latent)):
        raise LatentError(f"{len(source)} sources do not fit {len(latent)} images: give as many, or one.")
    kept, taken = (one.to_space(generator, "s") for one in (latent, source))
    area = region_of(generator, part)[1]
    finest = generator.resolution * (1.0 if colors else SHAPES)
    weights = torch.cat(channel_weights(generator, [kept, taken], area, finest)).to(kept.codes)
    each = zip(kept.codes.split(layers, 1), taken.codes.split(layers, 1), weights.split(layers), strict=True)
    moved = [transferred(style, other, weight, strength) for style, other, weight in each]
    others = source.captions if len(source) > 1 else source.captions * len(latent)
    names = tuple(f"{one} with {part} of {other}" for one, other in zip(latent.captions, others, strict=True))
    return replace(kept, codes=torch.cat(moved, 1), names=names)


def _styled(generator: Generator) -> HasStyleInputs:
    known: object = check_generator(generator)
    if isinstance(known, HasStyleInputs):
        return known
    raise LatentError("Parts are borrowed through styles, which this generator does not have; take a StyleGAN.")


def transferred(
    style: Float[Tensor, "n c"], other: Float[Tensor, "m c"], weight: Float[Tensor, "c"], strength: float
) -> Float[Tensor, "n c"]:
    """Return ``s' = (1 - a q) s + a |q s| (q r) / |q r|`` for one layer."""
    own, borrowed = weight * style, weight * other
    scale = own.norm(dim=1, keepdim=True) / borrowed.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return style - strength * own + strength * scale * borrowed


def channel_weights(
    generator: Generator, latents: Sequence[Latent], area: Region | Part, finest: float
) -> list[Float[Tensor, "c"]]:
    """Return for each style how much each of its channels belongs to a part, from 0 to 1; 0 for maps with more than
    `finest` samples over the image's width.

    The channels of the map that it scales are standardized over all images. With M the share of a channel's squared
    activation inside the part and m the part's share of the area, ``M (1 - m)`` against ``(1 - M) m`` is how dense it
    is inside against outside; the weight is 0 where that is even, and goes to 1.
    """
    styled, found = _styled(generator), []
    widths = styled.style_channels()
    for one in [*latents, samples_of(generator, SAMPLES)]:
        masks, inputs = masks_in(generator, one, area), styled.style_inputs(one.to_space(generator, "s"))
        found.append([_energy(*each, masks, finest) for each in zip(inputs, widths, strict=True)])
    return [_weight(torch.stack(energies).sum(0)) for energies in zip(*found, strict=True)]


def _energy(
    given: StyleInput | None, channels: int, masks: Float[Tensor, "n 1 h w"], finest: float
) -> Float[Tensor, "4 c"]:
    """Return the squared differences from the mean inside and outside, and the area of both, summed over images; 0 for
    a style that scales no map, or one that is too fine.
    """
    values = None if given is None else on_image(given[0].float(), given[1]).cpu()
    if values is None or values.shape[-1] > finest:
        return torch.zeros(4, channels)
    mask = resize(masks, *values.shape[-2:])
    squares = (values - values.mean((0, 2, 3), keepdim=True)).square()
    areas = [part.sum().expand(values.shape[1]) for part in (mask, 1 - mask)]
    return torch.stack([(squares * mask).sum((0, 2, 3)), (squares * (1 - mask)).sum((0, 2, 3)), *areas])


def _weight(energy: Float[Tensor, "4 c"]) -> Float[Tensor, "c"]:
    inside, outside = energy[0] / energy[2].clamp(min=1e-6), energy[1] / energy[3].clamp(min=1e-6)
    share = inside / (inside + outside).clamp(min=1e-12)  # one half where the part is as dense as the rest
    return torch.tanh(SHARPNESS * (2 * share - 1).clamp(min=0))


@checked
@torch.no_grad()
def rank_sources(
    generator: Generator,
    latent: Latent,
    sources: Latent,
    part: Region | Part | str,
    *,
    inside: bool = True,
) -> list[tuple[int, float]]:
    """Return which of several images are most like one image in a part, or outside of it.

    Args:
        generator: The generator.
        latent: The one image.
        sources: The images to choose from.
        part: The part or region, as it lies in the one image.
        inside: Whether images are compared inside the part; outside of it otherwise, which finds faces in the same pose
            with other parts.

    Returns:
        The number of each source with its similarity, the mean cosine of feature maps, from the most alike on.

    Raises:
        LatentError: Latents that do not fit the generator.
        RegionError: The part is not known, or not in the image.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> mine, others = (ganvas.sample(G, seeds, truncation=0.7) for seeds in ([4], [7, 4, 9]))
        >>> ganvas.rank_sources(G, mine, others, "mouth")[0]
        (1, 1.0...)
    """
    name, area = default_feature(check_generator(generator)), region_of(generator, part)[1]
    here = settled(generator, as_latent(latent), area).mask(generator.resolution, generator.resolution)
    both = [maps_of(generator, one, [name])[name].cpu() for one in (latent[0], as_latent(sources))]
    middle = both[1].mean((0, 2, 3), keepdim=True)
    alike = (F.normalize(both[0] - middle, dim=1) * F.normalize(both[1] - middle, dim=1)).sum(1)
    mask = resize((here if inside else 1 - here)[None], *alike.shape[-2:])[0]
    scores = (alike * mask).sum((1, 2)) / mask.sum()
    order = scores.argsort(descending=True, stable=True).tolist()
    return [(number, float(scores[number])) for number in order]
