"""Directions of one region found in several ways, among them from the Jacobian of the confined image itself."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ganvas.directions.basis import make_basis
from ganvas.directions.cached import cache_jacobians
from ganvas.directions.direction import Direction, origin_of
from ganvas.directions.jacobian import Grams, Jacobian, hold, mean_grams, plan_columns
from ganvas.directions.jvp import Derivative, Measure, by_torch_func
from ganvas.directions.linalg import weighted_gram
from ganvas.directions.resefa import ReSeFa, Search
from ganvas.edits.harmonic import HarmonicFade
from ganvas.edits.passes import Maps, extent_of, keeping
from ganvas.edits.rim import HALF, Rim, covered, pairs_across, rim_around
from ganvas.generators.protocol import WHOLE, Extent, Generator, Hookable
from ganvas.latents.latent import Latent
from ganvas.latents.spaces import draw_samples
from ganvas.regions import Region

PLAIN, BAND, NARROW = "ReSeFa", "band 0.1", "band 0.05"
CONFINED, SEAM = "confined image, rim", "confined image, seam"
FREE: Mapping[str, ReSeFa] = {PLAIN: ReSeFa(), BAND: ReSeFa(band=0.1), NARROW: ReSeFa(band=0.05)}
RIM = 0.1
Fade = Callable[[Tensor], Tensor]


def searches(generator: Generator, latent: Latent, region: Region, layers: str | None) -> dict[str, Direction]:
    """Return the first direction of a region in every way, averaged over the samples of a latent of w."""
    cached = cache_jacobians(generator, latent, space="w", layers=layers)
    found = {
        name: replace(cached, search=replace(cached.search, method=method)).find(region, 1)[0]
        for name, method in FREE.items()
    }
    size = generator.resolution
    rim = rim_around(region, size, size, RIM, within=False)
    grams = [confined_grams(generator, one.to_space(generator, "w+"), rim, layers) for one in latent]
    samples, origin = draw_samples(generator, "w", None), origin_of("confined", generator, latent)
    search = Search(ReSeFa(), generator, "w", layers, 1, samples, origin)
    for name in (CONFINED, SEAM):
        a, b = (torch.stack([one[name][part] for one in grams]).mean(0) for part in (0, 1))
        found[name] = search.solve((a, b), region, rim.region)[0]
    return found


def confined_grams(generator: Generator, latent: Latent, rim: Rim, layers: str | None) -> dict[str, Grams]:
    """Return A in the region and B in the rim from the Jacobian of the confined image at one code: B of its values, and
    of their gradient there, which the seam number measures.
    """
    linear = confined_derivative(generator, latent, rim, layers)
    jacobian = hold(linear, plan_columns(linear.basis.size, linear.image.numel()))
    limit, core = torch.from_numpy(rim.limit), torch.from_numpy(rim.core)
    inside, band = rim.region, (limit & ~core).float()[None]
    a, values = mean_grams(jacobian, inside, band)
    return {CONFINED: (a, values), SEAM: (a, _gradient_gram(jacobian, rim))}


def _gradient_gram(jacobian: Jacobian, rim: Rim) -> Float[Tensor, "d d"]:
    """Return the Gram matrix of the differences of neighbors across the rim: the numerator of the seam number."""
    columns = jacobian.columns.view(-1, 3, jacobian.resolution, jacobian.resolution)
    down, right = (torch.from_numpy(pairs) for pairs in pairs_across(rim.core, rim.limit))
    steps = [columns.diff(dim=-2)[..., down], columns.diff(dim=-1)[..., right]]
    return weighted_gram(torch.cat([step.flatten(1) for step in steps], dim=1)) / (3 * int(down.sum() + right.sum()))


def confined_derivative(generator: Generator, latent: Latent, rim: Rim, layers: str | None) -> Derivative:
    """Return J of the confined image at one code of w+, along the directions of w on some layers.

    Where nothing is edited yet, a map is its own original, and the change that a tangent makes in it is confined as
    `ganvas.confine` confines it: a linear map, ``F0 + fade(F - F0)``.
    """
    assert isinstance(generator, Hookable)
    kept: Maps = {}
    image = generator.synthesize_hooked(keeping(kept), latent)
    fades = {name: fade_of(rim, one, extent_of(generator, name)) for name, one in kept.items()}
    last = fade_of(rim, image, WHOLE)

    def confine(name: str, values: Tensor) -> Tensor:
        return kept[name] + fades[name](values - kept[name])

    def confined(codes: Tensor) -> Tensor:
        return last(generator.synthesize_hooked(confine, replace(latent, codes=codes)))

    _, push = by_torch_func(confined, latent.codes)
    return Derivative(image, push, make_basis(generator, "w", layers), Measure(generator.resolution))


def fade_of(rim: Rim, values: Tensor, extent: Extent) -> Fade:
    """Return the linear map that `ganvas.edits.rim.MapBlender` applies to changes of a map, in tensors only, so that
    it has a derivative: the harmonic fade as a matrix from the core's edge to the band.
    """
    height, width = values.shape[-2:]
    core, limit = (torch.from_numpy(covered(mask, extent, height, width)) for mask in (rim.core, rim.limit))
    inside = core >= HALF
    if not inside.any():
        return lambda change: change * core.to(change)
    fade = HarmonicFade(inside.numpy(), (inside | (limit >= HALF)).numpy())
    band = torch.from_numpy(fade.band)
    if fade.factors is None:
        return lambda change: change * inside
    edge = torch.from_numpy(fade.from_core.getnnz(axis=0).nonzero()[0])
    places = inside.flatten().nonzero()[:, 0][edge]
    impulses = torch.zeros(1, len(places), height * width)
    impulses[0, torch.arange(len(places)), places] = 1
    spread = (fade(impulses.unflatten(-1, (height, width))).flatten(-2)[0] * band.flatten()).contiguous()

    def confined(change: Tensor) -> Tensor:
        flat = change.flatten(-2)
        return (flat * inside.flatten() + flat[..., places] @ spread).unflatten(-1, (height, width))

    return confined
