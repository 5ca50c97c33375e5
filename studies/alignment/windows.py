"""Windows to train the head network on: heads put by known similarities onto other images, and windows without one.

A similarity (x, y, l, a) is that of `ganvas.images.head_network`: the head's center, the logarithm of its side and its
angle, relative to the window.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from ganvas.images.head_network import SIDE
from ganvas.metrics import corruptions
from ganvas.training.randomness import Randomness

WIDE = (0.3, 0.6, 0.8)  # largest shift, logarithm of scale and angle of a window found by sliding
NEAR = (0.12, 0.2, 0.25)  # of a window that was moved to the head once
POSITIVE = 0.55  # part of windows with a head
NEAR_PART = 0.45  # of these
FRAMED = 0.4  # of heads whose image is all of the photo, mirrored beyond its edges
MISPLACED = 0.35  # part of windows without a head that show one too far off, too small, too large, or upside down


@dataclass(frozen=True)
class Windows:
    """Windows [n, 3, 64, 64], whether each shows a head, and where [n, 4]."""

    images: Float[Tensor, "n 3 64 64"]
    heads: Bool[Tensor, "n"]
    similarities: Float[Tensor, "n 4"]


def draw_windows(
    heads: UInt8[Tensor, "n 3 r r"], others: UInt8[Tensor, "m 3 s s"], batch: int, draws: Randomness
) -> Windows:
    """Draw windows from images of heads, framed as the generator has them, and from other images."""
    shown = draws.bernoulli(POSITIVE, batch)
    misplaced = ~shown & draws.bernoulli(MISPLACED, batch)
    near = draws.bernoulli(NEAR_PART, batch)
    similarities = torch.where(near[:, None], _similarities(NEAR, batch, draws), _similarities(WIDE, batch, draws))
    similarities = torch.where(misplaced[:, None], _misplaced(batch, draws), similarities)
    whole = shown | misplaced
    of_heads = whole | draws.bernoulli(0.25, batch)
    subjects = _pick(heads, others, of_heads, draws)
    spans = torch.where(whole[:, None], torch.tensor([0.0, 0.0, 1.0]), _spans(batch, draws))
    painted = _painted(subjects, spans, _backgrounds(heads, others, batch, draws), similarities, draws)
    mirrored = draws.bernoulli(0.5, batch)
    signs = torch.where(mirrored[:, None], torch.tensor([-1.0, 1.0, 1.0, -1.0]), torch.ones(4))
    images = torch.where(mirrored[:, None, None, None], painted.flip(3), painted)
    return Windows(_degraded(images, draws), shown, similarities * signs)


def _similarities(largest: tuple[float, float, float], batch: int, draws: Randomness) -> Float[Tensor, "n 4"]:
    """Draw similarities: shifts and scales evenly, angles more often small than large."""
    shift, scale, angle = largest
    drawn = draws.uniform(batch, 4) * 2 - 1
    angles = torch.where(draws.bernoulli(0.5, batch), drawn[:, 3] * angle, drawn[:, 3] * drawn[:, 0] * angle)
    logs = drawn[:, 2] * scale
    spread = shift * logs.exp().clamp_min(1)  # of a head that is larger than the window the center may lie further off
    return torch.stack([drawn[:, 0] * spread, drawn[:, 1] * spread, logs, angles], dim=1)


def _misplaced(batch: int, draws: Randomness) -> Float[Tensor, "n 4"]:
    """Draw similarities of heads that do not count: too far off, too large, too small, or turned by more than 80
    degrees.
    """
    base, kind = _similarities(WIDE, batch, draws), draws.integers(4, batch)
    around, drawn = draws.uniform(batch) * 2 * math.pi, draws.uniform(batch)
    logs = torch.where(kind == 1, 0.9 + 0.7 * drawn, torch.where(kind == 2, -0.9 - 0.7 * drawn, base[:, 2]))
    radius = torch.where(kind == 0, (0.55 + 0.35 * drawn) * logs.exp().clamp_min(0.8), 0.0)
    center = base[:, :2] * (kind != 0)[:, None] + radius[:, None] * torch.stack([around.cos(), around.sin()], dim=1)
    angles = torch.where(kind == 3, 1.4 + drawn * (2 * math.pi - 2.8), base[:, 3])
    return torch.cat([center, logs[:, None], angles[:, None]], dim=1)


def _pick(heads: Tensor, others: Tensor, of_heads: Bool[Tensor, "n"], draws: Randomness) -> Float[Tensor, "n 3 r r"]:
    """Return an image in [-1, 1] for each sample, of a head or another one."""
    n = len(of_heads)
    chosen = torch.empty(n, *heads.shape[1:], dtype=torch.uint8)
    for images, rows in ((heads, of_heads), (others, ~of_heads)):
        chosen[rows] = images[draws.integers(len(images), n)[rows]]
    return chosen.float() / 127.5 - 1


def _spans(n: int, draws: Randomness) -> Float[Tensor, "n 3"]:
    """Draw parts (left, top, side) of images, mostly small ones: of a head only fur or an eye is seen."""
    part = 0.15 + 0.45 * draws.uniform(n, 1)
    return torch.cat([draws.uniform(n, 2) * (1 - part), part], dim=1)


def _backgrounds(heads: Tensor, others: Tensor, batch: int, draws: Randomness) -> Float[Tensor, "b 3 s s"]:
    """Draw backgrounds: parts of heads (fur), other images, or smooth noise of any fineness."""
    kind = draws.uniform(batch)
    fur = kind < 0.35
    spans = torch.where(fur[:, None], _spans(batch, draws), torch.tensor([0.0, 0.0, 1.0]))
    square = _head_places(torch.zeros(batch, 4))
    images = _sampled(_pick(heads, others, fur, draws), _within(spans, square))
    empty = (kind > 0.85).nonzero().flatten()
    noise = torch.zeros(len(empty), 3, SIDE, SIDE)
    for side in (2, 5, 32):
        noise += 0.4 * F.interpolate(draws.normal(len(empty), 3, side, side), (SIDE, SIDE), mode="bilinear")
    images[empty] = noise + draws.uniform(len(empty), 3, 1, 1) * 1.6 - 0.8
    return images


def _painted(
    subjects: Float[Tensor, "n 3 r r"],
    spans: Float[Tensor, "n 3"],
    backgrounds: Float[Tensor, "n 3 s s"],
    similarities: Float[Tensor, "n 4"],
    draws: Randomness,
) -> Float[Tensor, "n 3 s s"]:
    """Return the parts `spans` of subjects put onto backgrounds by their similarities: cut out along a soft
    superellipse that fits the head only roughly, or as all of a photo that ends somewhere around the head and is
    mirrored beyond its edges.
    """
    n = len(subjects)
    framed = draws.bernoulli(FRAMED, n)
    low, high = 0.25 * draws.uniform(n, 2) ** 3, 1 - 0.25 * draws.uniform(n, 2) ** 3
    places = _head_places(similarities)
    alpha = _superellipse(places, draws)
    alpha[framed] = 1.0
    places[framed] = _mirrored(places[framed], low[framed], high[framed])
    values = _sampled(subjects, _within(spans, places))
    return torch.lerp(backgrounds, values, alpha[:, None])


def _mirrored(
    places: Float[Tensor, "n h w 2"], low: Float[Tensor, "n 2"], high: Float[Tensor, "n 2"]
) -> Float[Tensor, "n h w 2"]:
    """Return places of which those beyond `low` or `high` are mirrored there."""
    low, span = low[:, None, None], (high - low)[:, None, None]
    return low + span * (1 - (((places - low) / span).remainder(2) - 1).abs())


def _superellipse(places: Float[Tensor, "n s s 2"], draws: Randomness) -> Float[Tensor, "n s s"]:
    n = len(places)
    center = 0.5 + 0.08 * (draws.uniform(n, 2) - 0.5)
    radii, power = 0.42 + 0.2 * draws.uniform(n, 2), 2 + 8 * draws.uniform(n)
    softness = 0.02 + 0.2 * draws.uniform(n)
    scaled = ((places - center[:, None, None]) / radii[:, None, None]).abs() + 1e-6
    distance = scaled.pow(power[:, None, None, None]).sum(3).pow(1 / power[:, None, None])
    inside = ((places > 0) & (places < 1)).all(3)
    return ((1 - distance) / softness[:, None, None] + 0.5).clamp(0, 1) * inside


def _head_places(similarities: Float[Tensor, "n 4"]) -> Float[Tensor, "n s s 2"]:
    """Return where the pixels of windows lie in the images of their heads, in fractions of these."""
    logs, angles = similarities[:, 2], similarities[:, 3]
    cosine, sine = (-logs).exp() * angles.cos(), (-logs).exp() * angles.sin()
    turn = torch.stack([cosine, sine, -sine, cosine], dim=1).unflatten(1, (2, 2))
    shift = 0.5 - turn @ similarities[:, :2, None]
    return F.affine_grid(torch.cat([turn / 2, shift], dim=2), [len(turn), 1, SIDE, SIDE], align_corners=False)


def _within(spans: Float[Tensor, "n 3"], places: Float[Tensor, "n h w 2"]) -> Float[Tensor, "n h w 2"]:
    """Return places in parts (left, top, side) of images as places in the whole."""
    return places * spans[:, None, None, 2:] + spans[:, None, None, :2]


def _sampled(images: Float[Tensor, "n 3 r r"], places: Float[Tensor, "n h w 2"]) -> Float[Tensor, "n 3 h w"]:
    return F.grid_sample(images, 2 * places - 1, "bilinear", "border", align_corners=False)


def _degraded(images: Float[Tensor, "n 3 s s"], draws: Randomness) -> Float[Tensor, "n 3 s s"]:
    """Return images with other colors, a third of them blurred, a third noisy, a tenth gray."""
    n = len(images)
    blurred, noisy = (draws.bernoulli(0.3, n).nonzero().flatten() for _ in range(2))
    images[blurred] = corruptions.blur(images[blurred], 2 * draws.uniform(len(blurred)) ** 2)
    normal = draws.normal(len(noisy), *images.shape[1:])
    images[noisy] = corruptions.add_noise(images[noisy], 0.15 * draws.uniform(len(noisy)), normal)
    gains = (0.6 + 0.7 * draws.uniform(n, 1)) * (0.85 + 0.3 * draws.uniform(n, 3))
    saturation = torch.where(draws.bernoulli(0.1, n), 0.0, 0.4 + draws.uniform(n))
    return corruptions.recolor(images, gains, 0.6 * draws.uniform(n) - 0.3, saturation).clamp(-1, 1)
