"""Paths between latents: functions of t in [0, 1], linear or spherical, through two codes or many, open or closed.

How fast the image changes along them is measured and evened out by ``ganvas.edits.retime``.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ganvas.edits.confine import Confinement
from ganvas.edits.tuned_paths import Differences, blended, same_weights
from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.generators.codes import Layers, check_space, parse_layers
from ganvas.generators.protocol import Generator, HasNoise, check_generator
from ganvas.latents.latent import Latent, as_latent

MODES = ("linear", "spherical")
Positions = Float[np.ndarray, "n"]


def linear(a: Float[Tensor, "*code"], b: Float[Tensor, "*code"], t: Float[Tensor, "n"]) -> Float[Tensor, "n *code"]:
    """Return ``(1 - t) a + t b``."""
    t = t.to(a).view(-1, *[1] * a.ndim)
    return a + t * (b - a)


def spherical(a: Float[Tensor, "*code"], b: Float[Tensor, "*code"], t: Float[Tensor, "n"]) -> Float[Tensor, "n *code"]:
    """Return codes on the great circle from the direction of a to that of b, ``(sin((1-t) o) a + sin(t o) b) / sin o``
    with the angle o between them (Shoemake 1985, slerp); their lengths go evenly from that of a to that of b.

    Raises `LatentError` for codes that lie opposite each other, between which no great circle is the shortest.
    """
    length_a, length_b = a.norm(), b.norm()
    unit_a, unit_b = a / length_a.clamp_min(1e-12), b / length_b.clamp_min(1e-12)
    # Of half the chords, for an angle that is exact where the cosine is not: near 0.
    angle = 2 * torch.atan2((unit_a - unit_b).norm(), (unit_a + unit_b).norm())
    if angle > math.pi - 1e-3:
        raise LatentError("Two codes lie opposite each other; no spherical path leads between them: use linear.")
    if angle < 1e-4:
        return linear(a, b, t)
    t = t.to(a).view(-1, *[1] * a.ndim)
    directions = (torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b) / torch.sin(angle)
    return (length_a + t * (length_b - length_a)) * directions


def along(
    keys: Float[Tensor, "k *code"], t: Float[Tensor, "n"], mode: str = "linear", closed: bool = False
) -> Float[Tensor, "n *code"]:
    """Return codes at t on the path through all keys, which takes the same part of [0, 1] from each to the next; back
    to the first one where it is `closed`, so that t = 1 is t = 0.

    Raises `LatentError` for fewer than two keys, another mode, or t outside [0, 1].
    """
    if mode not in MODES:
        raise LatentError(f"'{mode}' is no kind of path; give {' or '.join(MODES)}.")
    if len(keys) < 2:
        raise LatentError(f"{len(keys)} code is no path; give at least two.")
    if not bool(((t >= 0) & (t <= 1)).all()):
        raise LatentError("A path is a function of t from 0 to 1; some t lie outside.")
    starts, shares = pieces_at(t, len(keys), closed)
    blend = linear if mode == "linear" else spherical
    parts = torch.empty(len(t), *keys.shape[1:], dtype=keys.dtype, device=keys.device)
    for start in starts.unique().tolist():
        here = starts == start
        parts[here] = blend(keys[start], keys[(start + 1) % len(keys)], shares[here])
    return parts


def pieces_at(t: Float[Tensor, "n"], keys: int, closed: bool) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"]]:
    """Return between which key and its next one t lies on a path through so many keys, and how far from the one to the
    other, from 0 to 1, float64.
    """
    pieces = keys if closed else keys - 1
    places = t.double() * pieces
    starts = places.floor().clamp(max=pieces - 1).long()
    return starts, places - starts


def ease(t: Positions) -> Positions:
    """Return ``t^2 (3 - 2 t)``: slow at both ends, at most 1.5 times as fast in between."""
    return t * t * (3 - 2 * t)


def only_layers(keys: Float[Tensor, "k layers d"], layers: Layers) -> Float[Tensor, "k layers d"]:
    """Return keys that differ in some layers only; the others are those of the first key."""
    chosen = list(parse_layers(layers, keys.shape[1]))
    result = keys[:1].repeat(len(keys), 1, 1)
    result[:, chosen] = keys[:, chosen]
    return result


@dataclass(frozen=True)
class LatentPath:
    """A path through the samples of a latent, of one class if any; made by `path_through`.

    Args:
        keys: The samples that it goes through.
        mode: "linear" or "spherical".
        closed: Whether it goes back to the first sample.
        tuned: The differences of tuned weights of each sample, where they are not the same for all: they are blended
            along the path, and every position has weights of its own.
        photos: The photo [3, r, r] that each sample was inverted from, None where there is none; () for no photo.
        confinement: Where images may differ from the first of the path; None for everywhere.
    """

    keys: Latent
    mode: str = "linear"
    closed: bool = False
    tuned: tuple[Differences, ...] = ()
    photos: tuple[Tensor | None, ...] = ()
    confinement: Confinement | None = None

    def __repr__(self) -> str:
        shape = "loop" if self.closed else "path"
        tuned = ", each with its own weights" if self.tuned else ""
        return f"LatentPath({self.mode} {shape} through {len(self.keys)} samples of space {self.keys.space}{tuned})"

    @property
    def key_positions(self) -> Float[np.ndarray, "k"]:
        """Where the keys lie, t in [0, 1]."""
        return np.arange(len(self.keys)) / (len(self.keys) if self.closed else len(self.keys) - 1)

    @property
    def corners(self) -> Float[np.ndarray, "corners"]:
        """Where the path turns between both ends, t in (0, 1)."""
        return self.key_positions[(self.key_positions > 0) & (self.key_positions < 1)]

    def at(self, positions: Positions) -> Latent:
        """Return the latent at these t in [0, 1], a sample each; noise maps go the spherical way, which keeps their
        strength.

        Raises `LatentError` for several positions of a path whose weights change: `each` gives a latent for each.
        """
        if self.tuned and len(positions) > 1:
            raise LatentError("The weights change along this path, so that no latent holds several places on it.")
        t = torch.from_numpy(np.ascontiguousarray(positions))
        noise = {name: along(maps, t, "spherical", self.closed) for name, maps in self.keys.noise.items()}
        return replace(
            self.keys,
            codes=self.codes(positions),
            seeds=(),
            names=tuple(f"t {place:.3f}" for place in positions.tolist()),
            noise=noise,
            tuned=self._weights(t) if self.tuned else self.keys.tuned,
        )

    def codes(self, positions: Positions) -> Float[Tensor, "n *code"]:
        """Return the codes at these t in [0, 1]."""
        t = torch.from_numpy(np.ascontiguousarray(positions))
        return along(self.keys.codes, t, self.mode, self.closed)

    def each(self, positions: Positions) -> Iterator[Latent]:
        """Yield the latents at these t in order: one for all, or one each where the weights change on the way."""
        for some in np.split(positions, len(positions)) if self.tuned else [positions]:
            yield self.at(some)

    def images(self, generator: Generator, positions: Positions) -> Iterator[Float[Tensor, "n 3 h w"]]:
        """Yield the images at these t, some at a time, on the CPU."""
        for latent in self.each(positions):
            if self.confinement is None:
                yield from latent.images(generator)
            else:
                start = self.at(np.zeros(1))
                yield from (self.confinement.images(generator, start, one).cpu() for one in latent)

    def _weights(self, t: Float[Tensor, "1"]) -> Differences:
        (start,), (share,) = (part.tolist() for part in pieces_at(t, len(self.keys), self.closed))
        return blended(self.tuned[start], self.tuned[(start + 1) % len(self.tuned)], share)


@checked
def path_through(
    generator: Generator,
    latents: Latent | Sequence[Latent],
    *,
    space: str | None = None,
    mode: str = "linear",
    layers: Layers = None,
    loop: bool = False,
) -> LatentPath:
    """Return the path through all samples of one latent or of several, in one space.

    Args:
        generator: The generator.
        latents: A latent with several samples, or a list of latents. Where they have different tuned weights, the
            differences of weights are blended along the path too.
        space: The space of the path: by default w+ where there is one; z where the path is spherical. "w" means w+
            with the same code on every layer.
        mode: "linear", or "spherical" (in z only), which keeps the length of codes.
        layers: Layers that change along the path, such as "4-9"; None for all.
        loop: Whether the path goes back to its first sample.

    Returns:
        A `LatentPath`: ``path.at(positions)`` is the latent at positions t in [0, 1].

    Raises:
        LatentError: Samples without a way into the space, spherical paths outside z, layers outside w+, different
            classes or truncations in z, fewer than two samples.

    Example:
        >>> import ganvas, numpy
        >>> G = ganvas.load("faces")
        >>> path = ganvas.path_through(G, ganvas.sample(G, [4, 7, 11], truncation=0.7), loop=True)
        >>> path
        LatentPath(linear loop through 3 samples of space w+)
        >>> path.at(numpy.linspace(0, 1, 5))
        Latent(w+ [5, 12, 256], t 0.000, t 0.250, t 0.500, t 0.750, ... (5), truncation 0.7, generator 'faces')
    """
    check_generator(generator)
    latents = [as_latent(one) for one in ([latents] if isinstance(latents, Latent | Tensor) else latents)]
    if mode not in MODES:
        raise LatentError(f"'{mode}' is no kind of path; give {' or '.join(MODES)}.")
    if sum(map(len, latents)) < 2:
        raise LatentError("One code is no path; give at least two.")
    space = _space_of_path(generator, space, mode)
    if layers is not None and space != "w+":
        raise LatentError(f"Layers are those of w+, and this path lies in space {space}; leave layers out.")
    codes = _codes(generator, latents, space)
    codes = codes if layers is None else only_layers(codes, layers)
    keys, photos = _keys(generator, latents, codes, space), _photos(latents)
    if same_weights([latent.tuned for latent in latents]):
        return LatentPath(keys, mode, loop, photos=photos)
    tuned = tuple(latent.tuned for latent in latents for _ in latent.captions)
    return LatentPath(replace(keys, tuned={}), mode, loop, tuned, photos)


def _keys(generator: Generator, latents: Sequence[Latent], codes: Tensor, space: str) -> Latent:
    """Return the samples of all latents as one latent with these codes."""
    return replace(
        latents[0],
        codes=codes.cpu(),
        space=space,
        seeds=(),
        names=tuple(caption for latent in latents for caption in latent.captions),
        label=_common_label(latents, space),
        source=", ".join(dict.fromkeys(latent.source for latent in latents if latent.source)),
        noise=_noises(generator, latents),
        photo=None,  # what lies on the way was inverted from none
    )


def _photos(latents: Sequence[Latent]) -> tuple[Tensor | None, ...]:
    """Return the photo of every sample of all latents, () where none has one."""
    photos = [one.photo.images[0] if one.photo else None for latent in latents for one in latent]
    return () if all(photo is None for photo in photos) else tuple(photos)


def _space_of_path(generator: Generator, space: str | None, mode: str) -> str:
    widest = next(one for one in ("w+", "w", "z") if one in generator.spaces)
    if space is not None:
        check_space(space, generator.spaces)
    wanted = space or ("z" if mode == "spherical" else widest)
    if mode == "spherical" and wanted != "z":
        raise LatentError(
            f"Spherical interpolation is defined in space z only, whose codes have about one norm; this path is in "
            f"{wanted}. Use linear, or space z."
        )
    return widest if wanted == "w" else wanted


def _codes(generator: Generator, latents: Sequence[Latent], space: str) -> Float[Tensor, "k *code"]:
    if space != "z":
        return torch.cat([latent.to_space(generator, space).codes for latent in latents])
    if any(latent.space != "z" for latent in latents):
        found = next(latent.space for latent in latents if latent.space != "z")
        raise LatentError(
            f"Codes of space {found}, such as those of photos, do not lead back to z. Use a linear path in another "
            "space, or give seeds, or photos that were inverted into z (ganvas invert --space z)."
        )
    if len({(latent.truncation, latent.truncation_layers) for latent in latents}) > 1:
        raise LatentError("Codes of z with different truncations have no common path; give them the same, or space w.")
    return torch.cat([latent.codes for latent in latents])


def _common_label(latents: Sequence[Latent], space: str) -> int | None:
    """Return the class of all samples, None where they have none or, outside z, different ones."""
    labels = {
        one for latent in latents for one in (latent.label if isinstance(latent.label, tuple) else (latent.label,))
    }
    if len(labels) == 1:
        return labels.pop()
    if space == "z":
        raise LatentError("Codes of z of different classes have no common path; give them one class, or use space w.")
    return None


def _noises(generator: Generator, latents: Sequence[Latent]) -> Mapping[str, Tensor]:
    """Return noise maps for every sample, [k, 1, h, w], where any latent has its own; nothing where none has."""
    if not any(latent.noise for latent in latents):
        return {}
    own = generator.own_noise() if isinstance(generator, HasNoise) else {}
    rows = []
    for latent in latents:
        maps = {
            name: values.cpu().reshape(-1, 1, *values.shape[-2:]) for name, values in {**own, **latent.noise}.items()
        }
        rows.append({name: values.expand(len(latent), -1, -1, -1) for name, values in maps.items()})
    return {name: torch.cat([maps[name] for maps in rows]) for name in rows[0]}


def frame_positions(frames: int, closed: bool = False) -> Positions:
    """Return `frames` + 1 positions of a closed path, whose last is its first, or `frames` of an open one, all evenly
    from 0 to 1.

    Raises `LatentError` for fewer than 2.
    """
    if frames < 2:
        raise LatentError(f"{frames} frames show no path; give at least 2.")
    return np.linspace(0, 1, frames + 1 if closed else frames)
