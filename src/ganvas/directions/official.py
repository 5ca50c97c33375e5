"""The latents at which the published ReSeFa scripts search: all drawn from one random state, without truncation."""

from collections.abc import Sequence

from ganvas.generators.codes import sample_normal_as_resefa
from ganvas.generators.labels import class_names, settle_label
from ganvas.generators.protocol import Generator, Label, about_of
from ganvas.latents.latent import Latent


def official_latent(
    generator: Generator, seed: int, samples: Sequence[int], *, space: str = "w", label: Label = None
) -> Latent:
    """Return the latent of some `samples` (counted from 0) of those that the one `seed` draws.

    Space z for directions of space z and for generators without layers, else w+.
    """
    z = sample_normal_as_resefa(seed, max(samples) + 1, generator.dimensions("z")[0])[list(samples)]
    about = about_of(generator)
    names = tuple(f"sample {sample} of seed {seed}" for sample in samples)
    latent = Latent(
        z,
        "z",
        names=names,
        label=settle_label(label, class_names(generator)),
        generator=about.name,
        generator_hash=about.hash,
    )
    if space == "z" or generator.layers == 0:
        return latent
    return latent.to_space(generator, "w+")
