"""Style mixing: some layers of one image's w+ codes, the others of another's (StyleGAN, Karras et al. 2019, 3.1).

Coarse layers (4 and 8 px) carry pose, hair and the shape of a face, middle ones (16 and 32 px) its features, fine ones
(from 64 px) colors and texture: Figure 3 of the paper.
"""

from dataclasses import replace

from ganvas.errors import LatentError
from ganvas.errors.arguments import checked
from ganvas.generators.codes import Layers, layer_text, parse_layers
from ganvas.generators.protocol import Generator, check_generator
from ganvas.latents.latent import Latent, as_latent

GROUPS = {"coarse": (0, 3), "middle": (4, 7), "fine": (8, None)}
"""First and last layer of the paper's groups, as StyleGAN and StyleGAN2 count them; None for the generator's last."""


def layer_groups(generator: Generator) -> dict[str, tuple[int, ...]]:
    """Return the layers of those groups (coarse, middle, fine) that the generator has."""
    _require_layers(generator)
    groups = {}
    for name, (first, last) in GROUPS.items():
        layers = tuple(range(first, generator.layers if last is None else min(last + 1, generator.layers)))
        if layers:
            groups[name] = layers
    return groups


def mixed_layers(generator: Generator, layers: Layers) -> tuple[int, ...]:
    """Return the layer numbers meant by "coarse", "middle", "fine", or by "0-3", a number, a list (None: all).

    Raises `LatentError` for layers or a group that the generator does not have, and for one without layers.
    """
    groups = layer_groups(generator)
    if isinstance(layers, str) and layers.strip()[:1].isalpha() and layers not in GROUPS:
        raise LatentError(f"'{layers[:40]}' does not name layers; give {', '.join(groups)}, or numbers such as '4-7'.")
    if not isinstance(layers, str) or layers not in GROUPS:
        return parse_layers(layers, generator.layers)
    if layers not in groups:
        raise LatentError(
            f"This generator has no {layers} layers: its layers 0-{generator.layers - 1} are {' and '.join(groups)}."
        )
    return groups[layers]


@checked
def mix(generator: Generator, content: Latent, style: Latent, layers: Layers) -> Latent:
    """Return latents with some layers of `style` and all others of `content` (style mixing).

    Args:
        generator: The generator of both, with layers.
        content: Gives the layers that are not named, and noise, tuned weights and label.
        style: Gives the named layers: as many samples as `content`, or one for all (or `content` has one).
        layers: "coarse" (0-3), "middle" (4-7), "fine" (from 8), or numbers such as "4-7".

    Returns:
        A latent of space w+.

    Raises:
        LatentError: Layers that the generator does not have, samples that do not fit each other, or a latent from which
            no way leads to w+.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> ganvas.mix(G, ganvas.sample(G, [4, 5]), ganvas.sample(G, [7]), "coarse")
        Latent(w+ [2, 12, 256], seed 4 with layers 0-3 of seed 7, seed 5 with layers 0-3 of seed 7, generator 'faces')

    Source: Karras et al., A Style-Based Generator Architecture for GANs, CVPR 2019, section 3.1.
    """
    rows = list(mixed_layers(check_generator(generator), layers))
    kept, taken = (as_latent(given).to_space(generator, "w+") for given in (content, style))
    count = max(len(kept), len(taken))
    if {len(kept), len(taken)} - {1, count}:
        raise LatentError(f"{len(taken)} styles do not fit {len(kept)} latents: give as many, or one.")
    kept, taken = (given if len(given) == count else given.rows([0] * count) for given in (kept, taken))
    codes = kept.codes.clone()
    codes[:, rows] = taken.codes[:, rows].to(codes)
    which = f"layer{'s' if len(rows) > 1 else ''} {layer_text(rows)}"
    names = tuple(f"{one} with {which} of {other}" for one, other in zip(kept.captions, taken.captions, strict=True))
    return replace(kept, codes=codes, names=names)


@checked
def mix_grid(generator: Generator, content: Latent, style: Latent, layers: Layers) -> Latent:
    """Return every sample of one latent mixed with every sample of another, as `mix` does.

    Args:
        generator: The generator of both, with layers.
        content: Gives the layers that are not named.
        style: Gives the named layers.
        layers: "coarse" (0-3), "middle" (4-7), "fine" (from 8), or numbers such as "4-7".

    Returns:
        A latent of ``len(content) * len(style)`` samples: all styles for the first content, then for the second, ...

    Raises:
        LatentError: As `mix`.

    Example:
        >>> import ganvas
        >>> G = ganvas.load("faces")
        >>> len(ganvas.mix_grid(G, ganvas.sample(G, [4, 5]), ganvas.sample(G, [7, 8, 9]), "coarse"))
        6
    """
    content, style = as_latent(content), as_latent(style)
    down = [row for row in range(len(content)) for _ in range(len(style))]
    across = [row for _ in range(len(content)) for row in range(len(style))]
    return mix(generator, content.rows(down), style.rows(across), layers)


def _require_layers(generator: Generator) -> None:
    if "w+" not in generator.spaces:
        raise LatentError(
            "Styles cannot be mixed here: that takes a generator whose layers have codes of their own (space w+). This "
            f"one has space {', '.join(generator.spaces)}."
        )
