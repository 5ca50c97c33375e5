"""The public search for directions: one call, whatever the method; a method is one paper in one file."""

import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.direction import Directions
from ganvas.directions.resefa import ReSeFa
from ganvas.errors import GanvasError, LatentError, RegionError
from ganvas.errors.arguments import checked
from ganvas.errors.ranges import Count
from ganvas.generators.codes import Layers, check_space
from ganvas.generators.labels import class_names
from ganvas.generators.protocol import Generator, about_of, check_generator
from ganvas.io.progress import Progress
from ganvas.latents.latent import Latent, as_latent
from ganvas.parts.located import regions_in
from ganvas.parts.text import finders_for
from ganvas.regions import Region
from ganvas.regions.named import FFHQ
from ganvas.regions.part import Part
from ganvas.regions.text import parse_region


@runtime_checkable
class Method(Protocol):
    """A way to find directions, with its settings; `name` is what files call it, `spaces` those it can search, the
    default one first.
    """

    name: ClassVar[str]
    spaces: ClassVar[tuple[str, ...]]

    def find(
        self,
        generator: Generator,
        latent: Latent,
        regions: Mapping[str, Region | Part],
        *,
        space: str,
        layers: Layers = None,
        count: Count = 10,
        progress: Progress | None = None,
    ) -> dict[str, Directions]:
        """Return the strongest directions for each region of the same images, by name."""
        ...


@checked
def find_directions(
    generator: Generator,
    latent: Latent | Tensor,
    region: Region | Part | str,
    *,
    method: Method = ReSeFa(),
    space: str | None = None,
    layers: Layers = None,
    count: int = 10,
    progress: Progress | None = None,
) -> Directions:
    """Return the strongest directions that change a region and leave the rest of the image alone.

    Args:
        generator: The generator.
        latent: The images to search at; the directions hold for the mean of all. A tensor needs `space`, which is then
            its own and that of the directions.
        region: A `Region`, one of the generator's named regions ("mouth"), or a text such as "box:0.3,0.6,0.7,0.8"; or
            a `Part`, "part:7" or "click:0.5,0.7", which lies elsewhere in each image.
        method: The method with its settings.
        space: Space of the directions: by default that of the method, for most w where there is one, else z; s for a
            latent of s.
        layers: Layers that will be edited, such as "4-7"; None for all.
        count: How many directions.
        progress: Called with what is done, how much of it, and how much there is.

    Returns:
        `Directions`, strongest first: unit vectors [count, d], or [count, layers, d] in w+.

    Raises:
        LatentError: Codes, a space or layers that the generator does not have, or no way from the latent to the space.
        RegionError: A region that is empty, covers everything, or is not known.
        GanvasError: A Jacobian that does not fit into the method's budget, or something that is no method.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> latent = ganvas.sample(G, [4], truncation=0.7)
        >>> ganvas.find_directions(G, latent, "mouth", layers="4", method=ganvas.ReSeFa(resolution=8), count=2)
        Directions(2 of space w, layers 4, region 'mouth', method resefa, predicted ratios ...)

    Source: Zhu et al., Region-Based Semantic Factorization in GANs, ICML 2022.
    """
    name, area = region_of(check_generator(generator), region)
    known = as_latent(latent, space, asks_space=True)
    found = check_method(method).find(
        generator,
        known,
        {name: area},
        space=space_for(method, generator, space, known.space),
        layers=layers,
        count=count,
        progress=progress,
    )[name]
    if isinstance(latent, Tensor) and known.space != "z":  # a tensor does not say by how much it was truncated
        return replace(found, origin=replace(found.origin, truncation=None))
    return found


def space_for(method: Method, generator: Generator, space: str | None = None, latent_space: str = "") -> str:
    """Return the space to search: the one asked for, else the first of the method's that the generator has; s for
    latents of s. Raises `LatentError` for a space that the method cannot search.
    """
    allowed = [one for one in method.spaces if one in generator.spaces]
    wanted = space or ("s" if latent_space == "s" else next(iter(allowed), method.spaces[0]))
    check_space(wanted, generator.spaces)
    if wanted not in method.spaces:
        spaces = ", ".join(method.spaces)
        raise LatentError(f"{type(method).__name__} finds directions of space {spaces}, not {wanted}; leave space out.")
    return wanted


def region_of(generator: Generator, region: object) -> tuple[str, Region | Part]:
    """Return a region's name ("" for one that has none) and the region or part, from itself or a text.

    A generator without named regions and classes is offered those of FFHQ as ``ffhq_eyes`` and so on. Raises
    `RegionError` for text that names none, and for anything else.
    """
    if isinstance(region, Region | Part):
        return "", region
    if isinstance(region, str):
        faces = {} if class_names(generator) else {f"ffhq_{name}": known for name, known in FFHQ.items()}
        return region.strip(), parse_region(region, about_of(generator).regions or faces, finders_for(generator))
    raise RegionError(
        f"A region is a Region, or a text such as 'mouth' or 'box:0.3,0.6,0.7,0.8'; {reprlib.repr(region)} was given."
    )


def mask_of(generator: Generator, text: str, latent: Latent) -> Float[Tensor, "1 h w"]:
    """Return the mask of the region that the text means, at the generator's resolution; of a part, wherever it lies in
    one of the images.
    """
    regions = regions_in(generator, latent, region_of(generator, text)[1])
    return torch.stack([one.split(generator.resolution, generator.resolution)[0] for one in regions]).amax(0)


def check_method(method: object) -> Method:
    """Return what was given as a method; raises `GanvasError` for what is none."""
    if isinstance(method, Method):
        return method
    raise GanvasError(f"A method is an object with its settings, such as ReSeFa(); {reprlib.repr(method)} was given.")
